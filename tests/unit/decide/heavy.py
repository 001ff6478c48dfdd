"""Sites and wishes as large as the schema allows: is any decision about them too slow, or too large?

``python -m unit.decide.heavy SECONDS [SEED]`` searches that long, and prints what took more than 10 s of the
processor or 1 GB. What is refused by name costs nothing and is no finding.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from math import prod
from random import Random
from typing import Any

from aifactory.api import names
from aifactory.api.reading import Invalid, parse_factory, parse_pool

MOST_SECONDS, MOST_BYTES = 10.0, 2**30
_COUNTS = (1, 1, 2, 7, 16, 100, 1000, 10_000)
_SYSTEMS = ("hgx-h100", "gb200-nvl72", "mine")
Manifest = dict[str, Any]


def site(random: Random, name: str) -> Manifest:
    """A factory whose counts are at the ends of their ranges more often than not."""
    paths, counts = [""], [1]
    for level in range(random.randint(1, 6)):
        paths.append(f"{paths[-1]}/d{level}".removeprefix("/"))
        counts.append(random.choice(_COUNTS))
    paths, counts = paths[1:], counts[1:]
    leaf = paths[-1]
    there = [_instance(random, paths, counts, random.randint(1, len(paths))) for _ in range(256)]
    some = sorted(set(there))
    groups = [
        {
            "domain": path,
            "system": system,
            "count": random.choice(_COUNTS),
            "fabric": random.choice([p for p in paths if f"{path}/".startswith(f"{p}/")]),
            **({} if system == "gb200-nvl72" else {"nodesPerRack": random.choice((1, 4, 256))}),
        }
        for path in {leaf, random.choice(paths)}
        for system in random.sample(_SYSTEMS, random.randint(1, 3))
    ]
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AIFactory",
        "metadata": {"name": name, "generation": 1},
        "spec": {
            "power": {
                "quota": random.choice(("1k", "100M", "1T")),
                "basis": "CriticalIT",
                "domains": [
                    {"path": path, "count": count, "limit": random.choice(("1k", "45k", "10M", "1T"))}
                    for path, count in zip(paths, counts, strict=True)
                ],
                "limits": [{"domain": it, "limit": "40k"} for it in some if random.random() < 0.5],
            },
            "systems": [
                {
                    "name": "mine",
                    "unit": random.choice(("Node", "Rack")),
                    "nodesPerRack": random.choice((1, 256)),
                    "gpusPerNode": random.choice((1, 256)),
                    "maxWatts": random.choice(("1", "10k", "1M")),
                    "resourceName": "nvidia.com/gpu",
                }
            ],
            "racks": groups,
            "outOfService": [it for it in some if random.random() < 0.3],
            "backend": {"kwok": {}},
        },
    }


def _instance(random: Random, paths: list[str], counts: list[int], depth: int) -> str:
    parts = [
        f"{path.rpartition('/')[2]}-{random.randint(1, n)}" for path, n in zip(paths, counts, strict=True)
    ]
    return "/".join(parts[:depth])


def wish(random: Random, number: int, levels: list[str]) -> Manifest:
    """A pool of any size and topology."""
    level = random.choice(levels)
    topology = random.choice(
        (
            {},
            {"pack": "Fabric"},
            {"pack": "Factory"},
            {"pack": "Domain", "domain": level},
            {"spread": {"over": "Domain", "domain": level, "atLeast": random.choice((2, 16, 256))}},
        )
    )
    return {
        "apiVersion": names.API_VERSION,
        "kind": "GPUPool",
        "metadata": {"name": f"pool-{number}", "namespace": f"team-{number % 3}", "generation": 1},
        "spec": {
            "gpus": random.choice((1, 8, 72, 4096, 100_000, 10_000_000)),
            **random.choice(({}, {"minGpus": 0}, {"minGpus": 8})),
            "systems": random.sample(_SYSTEMS, random.randint(1, 3)),
            "priority": random.choice((0, 1, 2**31 - 1)),
            "topology": topology,
            "paused": random.random() < 0.1,
        },
    }


def worlds(seed: int) -> Iterator[list[Manifest]]:
    """Lists of objects that are all accepted."""
    random = Random(seed)
    while True:
        objects: list[Manifest] = []
        made = site(random, "dfw")
        levels = [it["path"] for it in made["spec"]["power"]["domains"]]
        wishes = [wish(random, number, levels) for number in range(random.choice((1, 5, 20)))]
        for obj in (made, *wishes):
            try:
                (parse_factory if obj["kind"] == "AIFactory" else parse_pool)(obj)
            except Invalid:
                continue
            objects.append(obj)
        if objects and objects[0]["kind"] == "AIFactory" and len(objects) > 1:
            yield objects


def cost(objects: list[Manifest], seconds: float) -> tuple[float, int] | None:
    """Processor seconds and most bytes of a decision, in a process of its own; None if it took too much."""
    command = [sys.executable, "-m", "unit.decide.heavy", "decide", str(int(seconds))]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(objects),
            capture_output=True,
            text=True,
            timeout=60 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    spent, most = json.loads(done.stdout)
    return spent, most


def _decide(seconds: int) -> None:
    from aifactory.decide import World, decide  # noqa: PLC0415 - what it costs to load is not measured

    objects = json.load(sys.stdin)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(began) + 1 + seconds, int(began) + 2 + seconds))
    resource.setrlimit(resource.RLIMIT_AS, (4 * MOST_BYTES, 4 * MOST_BYTES))
    world = World(
        factories=tuple(parse_factory(it) for it in objects if it["kind"] == "AIFactory"),
        pools=tuple(parse_pool(it) for it in objects if it["kind"] == "GPUPool"),
    )
    decide(world, datetime(2026, 1, 1, tzinfo=UTC))
    most = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps([time.process_time() - began, most]))


def main(seconds: float, seed: int = 1) -> int:
    """Search, and print what is found."""
    end, tried, found, worst = time.monotonic() + seconds, 0, 0, (0.0, 0)
    for objects in worlds(seed):
        if time.monotonic() > end:
            break
        tried += 1
        it = cost(objects, MOST_SECONDS * 3)
        if it is not None:
            worst = max(worst[0], it[0]), max(worst[1], it[1])
        if it is None or it[0] > MOST_SECONDS or it[1] > MOST_BYTES:
            found += 1
            power = objects[0]["spec"]["power"]
            size = prod(domain["count"] for domain in power["domains"])
            print(f"FOUND {it}: {size} leaves, {len(objects) - 1} pools\n{json.dumps(objects)}\n", flush=True)
    print(f"{tried} worlds, {found} findings; the most was {worst[0]:.1f} s and {worst[1] / 2**20:.0f} MB")
    return int(found > 0)


if __name__ == "__main__":
    if sys.argv[1] == "decide":
        _decide(int(sys.argv[2]))
    else:
        sys.exit(main(float(sys.argv[1]), *map(int, sys.argv[2:3])))
