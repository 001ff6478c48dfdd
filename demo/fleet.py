"""A 5-GW fleet as its people would write it down: 40 factories and 10,000 pools, the same ones each time."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Final

from demo.fleet_pools import PoolMaker
from demo.sites import SHAPES, TOWNS, Shape, Site

GROSS_MEGAWATTS: Final = 5_000
POOLS: Final = 10_000
SEED: Final = 5
POOLS_PER_FILE: Final = 2_500


def write_fleet(folder: Path) -> None:
    """Write the fleet's YAML into a folder, in a few files."""
    folder.mkdir(parents=True, exist_ok=True)
    sites = make_sites(Random(SEED))
    _write(folder / "factories.yaml", map(factory_yaml, sites))
    pools = list(PoolMaker(sites, Random(SEED + 1)).make(POOLS))
    for start in range(0, len(pools), POOLS_PER_FILE):
        part = pools[start : start + POOLS_PER_FILE]
        _write(folder / f"pools-{start // POOLS_PER_FILE + 1}.yaml", (pool.yaml() for pool in part))


def _write(path: Path, documents: Iterator[str]) -> None:
    path.write_text("---\n".join(documents), encoding="utf-8")


def make_sites(random: Random) -> list[Site]:
    """The sites: shapes over towns, their quotas below what their racks could draw, and 5 GW in all."""
    shapes = [shape for shape in SHAPES for _ in range(shape.sites)]
    random.shuffle(shapes)
    drawn = []
    for shape in shapes:
        pue = random.randint(*shape.pue)
        # Sites are built with more racks than their contract can feed.
        racks = sum(r.count * shape.instances(r.domain) * r.rack_watts for r in shape.racks)
        drawn.append((shape, pue, float(racks) * pue / 100 * random.uniform(0.7, 0.95)))
    scale = GROSS_MEGAWATTS / sum(gross for _, _, gross in drawn)
    megawatts = [round(gross * scale) for _, _, gross in drawn]
    megawatts[-1] += GROSS_MEGAWATTS - sum(megawatts)
    return [
        Site(f"{town.code}-1", town, shape, pue, gross, critical_it=random.random() < 0.25)
        for (shape, pue, _), gross, town in zip(drawn, megawatts, TOWNS, strict=True)
    ]


def factory_yaml(site: Site) -> str:
    """One factory, in some twenty lines."""
    shape, town = site.shape, site.town
    quota = quantity(site.it_watts) if site.critical_it else f"{site.gross}M"
    limits = domain_limits(shape)
    domains = "\n".join(
        f"      - {{path: {path}, count: {count}, limit: {quantity(limits[path])}}}"
        for path, count in shape.domains
    )
    racks = "\n".join(
        f"    - {{domain: {r.domain}, system: {r.system}, count: {r.count}, fabric: {r.fabric}}}"
        for r in shape.racks
    )
    return f"""\
apiVersion: aifactory.dev/v1alpha1
kind: AIFactory
metadata: {{name: {site.name}, labels: {{region: {town.region}, cooling: {shape.cooling}}}}}
spec:
  region: {town.region}
  power:
    quota: {quota}
    basis: {"CriticalIT" if site.critical_it else "Gross"}
    peakPUE: "{site.pue // 100}.{site.pue % 100:02}"
    overheadPercent: {shape.overhead}
    domains:
{domains}
  energy: {{pricePerMWh: "{town.price}", carbonGramsPerKWh: {town.carbon}}}
  racks:
{racks}
  backend: {{kwok: {{}}}}
"""


def domain_limits(shape: Shape) -> dict[str, Fraction]:
    """Limits a little below all that hangs there, level by level, as sites are built."""
    limits: dict[str, Fraction] = {}
    overhead = Fraction(shape.overhead.strip('"'))
    for path, _ in reversed(shape.domains):
        own = sum(r.count * r.rack_watts for r in shape.racks if r.domain == path) * (100 + overhead) / 100
        below = sum(
            limits[child] * count for child, count in shape.domains if child.rpartition("/")[0] == path
        )
        limits[path] = (own + below) * Fraction(98 if own else 97, 100)
    return limits


def quantity(watts: Fraction) -> str:
    """Watts as people write them, rounded down to 50 kW: megawatts where that is exact, else kilowatts."""
    kilowatts = int(watts) // 50_000 * 50
    return f"{kilowatts // 1000}M" if kilowatts % 1000 == 0 else f"{kilowatts}k"
