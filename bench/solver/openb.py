"""A production GPU cluster at Alibaba (openb, ATC '23) as one factory, its pods gathered into pools.

What is real: how many nodes of which GPU model and size there are, and what the pods ask for. What is made up
is a rule each:

- a *system* is a model with a number of GPUs in a node (`t4-2`); a node draws 1.57 times the thermal design
  power of its GPUs, as the catalogue counts servers of unknown make: P100 250 W, T4 70 W, A10 150 W, V100
  300 W; of G2 and G3, which are not disclosed, 300 W is assumed;
- a hall for each system, with rows of 40 nodes and one row of what is left; a row carries 85 % of its nodes,
  the hall all its rows, and the quota 60 % of all nodes, so that the pods ask for more than it carries;
- a *pool* is all pods of one quality of service and one number of GPUs that were created on one day; its size
  is the sum of their GPUs (a pod that shares a GPU counts its share), rounded up to whole pods;
- a pool accepts the systems whose nodes have enough GPUs for one of its pods, the most numerous first, at
  most 16; pods of several GPUs are packed into one hall's fabric;
- the quality of service gives the priority: Guaranteed 1000, latency-sensitive 750, burstable 500, best
  effort 0 (preemptible, half of it will do).
"""

import csv
from collections import Counter
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide.model.world import World

DATA = Path(__file__).parents[1] / "data" / "openb"
TDP = {"P100": 250, "T4": 70, "A10": 150, "V100M16": 300, "V100M32": 300, "G2": 300, "G3": 300}
ROW = 40  # nodes
PRIORITY = {"Guaranteed": 1000, "LS": 750, "Burstable": 500, "BE": 0}
DAY = 24 * 3600


def world() -> World:
    """The cluster, of which nothing stands."""
    nodes = Counter((row["model"], int(row["gpu"])) for row in _rows("openb_node_list_gpu_node.csv"))
    return World(
        factories=(parse_factory(_factory(nodes)),),
        pools=tuple(parse_pool(pool) for pool in _pools(nodes)),
    )


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _name(kind: tuple[str, int]) -> str:
    return f"{kind[0].lower()}-{kind[1]}x"


def _watts(kind: tuple[str, int]) -> int:
    return ceil(TDP[kind[0]] * kind[1] * 157 / 100)


def _factory(nodes: Counter[tuple[str, int]]) -> dict[str, Any]:
    domains, racks = list[dict[str, Any]](), list[dict[str, Any]]()
    for kind, number in sorted(nodes.items()):
        hall, carried = _name(kind), 0
        for path, count, size in ((f"{hall}/row", number // ROW, ROW), (f"{hall}/rest", 1, number % ROW)):
            if count and size:
                limit = _watts(kind) * max(1, size * 85 // 100)
                carried += limit * count
                domains.append({"path": path, "count": count, "limit": limit})
                racks.append(
                    {"domain": path, "system": hall, "count": size, "nodesPerRack": 1, "fabric": hall}
                )
        domains.append({"path": hall, "limit": carried})
    rated = sum(_watts(kind) * number for kind, number in nodes.items())
    systems = [
        {
            "name": _name(kind),
            "unit": "Node",
            "gpusPerNode": kind[1],
            "maxWatts": _watts(kind),
            "resourceName": "nvidia.com/gpu",
        }
        for kind in sorted(nodes)
    ]
    return {
        "apiVersion": "aifactory.dev/v1alpha1",
        "kind": "AIFactory",
        "metadata": {"name": "openb"},
        "spec": {
            "power": {"quota": rated * 60 // 100, "basis": "CriticalIT", "domains": domains},
            "racks": racks,
            "systems": systems,
            "backend": {"kwok": {}},
        },
    }


def _pools(nodes: Counter[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    shares: Counter[tuple[str, int, int]] = Counter()  # (quality, GPUs of a pod, day) -> thousandths of a GPU
    for pod in _rows("openb_pod_list_default.csv"):
        gpus, day = int(pod["num_gpu"]), int(float(pod["creation_time"])) // DAY
        if gpus:
            shares[pod["qos"], gpus, day] += gpus * int(pod["gpu_milli"])
    for (quality, gpus, day), thousandths in sorted(shares.items()):
        size = ceil(thousandths / 1000 / gpus) * gpus
        able = [kind for kind, _ in nodes.most_common() if kind[1] >= gpus]
        spec: dict[str, Any] = {
            "gpus": size,
            "systems": [_name(kind) for kind in able],
            "priority": PRIORITY[quality],
            "purpose": "Inference" if quality == "LS" else "Training",
            "preemptible": quality == "BE",
        }
        if quality == "BE":
            spec["minGpus"] = size // 2
        if gpus > 1:
            spec["topology"] = {"pack": "Fabric"}
        yield {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": "GPUPool",
            "metadata": {"name": f"day-{day:03d}-{gpus}-gpu", "namespace": quality.lower()},
            "spec": spec,
        }
