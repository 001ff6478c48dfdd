"""Forty sites that never were, with halls and racks like those that are being built."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from aifactory.api.catalogue import System, catalogue


@dataclass(frozen=True)
class Racks:
    """So many racks of one system in each instance of a domain."""

    domain: str
    system: str
    count: int
    fabric: str

    @property
    def entry(self) -> System:
        """The system in the catalogue."""
        return catalogue()[self.system]

    @property
    def rack_watts(self) -> Fraction:
        """The most IT power of one rack, without overhead."""
        units = 1 if self.entry.unit == "Rack" else self.entry.nodes_per_rack
        return (self.entry.max_watts or Fraction(0)) * units


@dataclass(frozen=True)
class Shape:
    """A power tree with its racks, and how well the site is cooled."""

    domains: tuple[tuple[str, int], ...]  # path, count in each parent
    racks: tuple[Racks, ...]
    cooling: str
    pue: tuple[int, int]  # from and to, in percent
    overhead: str  # percent
    sites: int

    def instances(self, path: str) -> int:
        """How many instances a domain has in the site."""
        counts = dict(self.domains)
        steps = path.split("/")
        total = 1
        for depth in range(len(steps)):
            total *= counts["/".join(steps[: depth + 1])]
        return total


def _halls(system: str, halls: int, rows: int, racks: int) -> dict[str, tuple[object, ...]]:
    return {
        "domains": (("hall", halls), ("hall/row", rows)),
        "racks": (Racks("hall/row", system, racks, "hall"),),
    }


_LIQUID: Final = {"cooling": "liquid", "pue": (110, 120), "overhead": '"13.6"'}
_AIR: Final = {"cooling": "air", "pue": (125, 138), "overhead": "10"}

SHAPES: Final = (
    Shape(**_halls("gb200-nvl72", 4, 10, 25), **_LIQUID, sites=9),  # type: ignore[arg-type]
    Shape(
        domains=(("building", 2), ("building/hall", 4), ("building/hall/row", 5)),
        racks=(Racks("building/hall/row", "gb300-nvl72", 25, "building/hall"),),
        cooling="liquid",
        pue=(110, 118),
        overhead="14",
        sites=10,
    ),
    Shape(
        domains=(("hall", 5), ("hall/ups", 4), ("hall/ups/pdu", 5)),
        racks=(Racks("hall/ups/pdu", "vr-nvl72-maxq", 10, "hall"),),
        cooling="liquid",
        pue=(108, 114),
        overhead='"13.6"',
        sites=7,
    ),
    # New racks in the main halls, air-cooled nodes in the old ones.
    Shape(
        domains=(("hall", 3), ("hall/row", 8), ("annex", 2), ("annex/row", 10)),
        racks=(
            Racks("hall/row", "gb200-nvl72", 25, "hall"),
            Racks("annex/row", "hgx-h200", 20, "annex"),
        ),
        cooling="liquid",
        pue=(114, 124),
        overhead="12",
        sites=4,
    ),
    Shape(
        domains=(("hall", 5), ("hall/row", 10)),
        racks=(
            Racks("hall/row", "hgx-h100", 12, "hall"),
            Racks("hall/row", "hgx-h200", 8, "hall"),
        ),
        cooling="air",
        pue=(126, 140),
        overhead="10",
        sites=3,
    ),
    Shape(
        domains=(("hall", 4), ("hall/ups", 2), ("hall/ups/row", 5)),
        racks=(Racks("hall/ups/row", "hgx-b200", 25, "hall/ups"),),
        cooling="air",
        pue=(125, 135),
        overhead="10",
        sites=2,
    ),
    Shape(**_halls("dgx-b300", 8, 5, 25), **_AIR, sites=1),  # type: ignore[arg-type]
    Shape(
        domains=(("hall", 4), ("hall/row", 10)),
        racks=(
            Racks("hall/row", "mi300x", 10, "hall"),
            Racks("hall/row", "mi325x", 15, "hall"),
        ),
        cooling="air",
        pue=(126, 136),
        overhead="10",
        sites=2,
    ),
    Shape(**_halls("mi355x", 2, 20, 25), **_LIQUID, sites=2),  # type: ignore[arg-type]
)


@dataclass(frozen=True)
class Town:
    """A place for a site: its code, its region, and what energy costs and emits there."""

    code: str
    region: str
    price: str  # of one MWh
    carbon: int  # grams per kWh


TOWNS: Final = tuple(
    Town(code, region, price, carbon)
    for region, price, carbon, codes in (
        ("us-south", "42.50", 380, ("dfw", "iah", "aus", "atl", "msy", "okc")),
        ("us-west", "61.20", 210, ("phx", "las", "slc", "pdx", "rno", "den")),
        ("us-central", "38.90", 430, ("ord", "mci", "dsm", "cmh", "ind", "omd")),
        ("us-east", "58.40", 340, ("iad", "ric", "clt", "ewr", "bos")),
        ("ca-north", "31.00", 30, ("yul", "yyc", "yvr")),
        ("eu-north", "34.70", 40, ("osl", "arn", "hel", "lla", "kef")),
        ("eu-west", "78.30", 290, ("dub", "lhr", "ams", "fra", "cdg")),
        ("ap-east", "92.10", 470, ("nrt", "icn", "sin", "syd")),
    )
    for code in codes
)


@dataclass(frozen=True)
class Site:
    """One factory of the fleet."""

    name: str
    town: Town
    shape: Shape
    pue: int  # percent
    gross: int  # MW at the meter
    critical_it: bool  # how its contract counts

    @property
    def it_watts(self) -> Fraction:
        """What reaches the equipment at most."""
        return Fraction(self.gross * 10**6 * 100, self.pue)

    def fabric_racks(self, racks: Racks) -> int:
        """Racks that share one fabric with a rack of the group."""
        return racks.count * self.shape.instances(racks.domain) // self.shape.instances(racks.fabric)
