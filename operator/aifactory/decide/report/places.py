"""Placings as a status has them: bounded, and without loss as far as that goes."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from aifactory.api.base import bound
from aifactory.api.pool_status import GPUPoolStatus, MorePlacements, Placement
from aifactory.api.spans import spans_of
from aifactory.decide.model.plan import Placing
from aifactory.decide.phrases import cut, tally

# An object of more than 1.5 MB is refused by etcd, and names of domains may be long.
LISTED: Final = 512
_CHARACTERS: Final = 300_000  # of names, in all groups together

_Group = tuple[str, str, int, int, int, int, int]


def placements_status(placings: Sequence[Placing]) -> dict[str, Any]:
    """status.placements, and status.morePlacements where there are too many of them."""
    status: dict[str, Any] = {"placements": [_placement(p) for p in placings[:LISTED]]}
    if len(placings) > LISTED:
        status["morePlacements"] = _grouped(placings[LISTED:])
    return status


def _placement(p: Placing) -> dict[str, Any]:
    return {
        "factory": p.factory,
        "domain": cut(p.domain, Placement, "domain"),
        "fabric": cut(p.fabric, Placement, "fabric"),
        "system": p.system,
        **_amounts([p]),
    }


def _amounts(placings: Iterable[Placing]) -> dict[str, int]:
    some = tuple(placings)
    return {
        "units": tally(sum(p.units for p in some)),
        "nodes": tally(sum(p.nodes for p in some)),
        "gpus": tally(sum(p.gpus for p in some)),
        "readyGpus": tally(sum(p.ready_gpus for p in some)),
        "watts": tally(sum(p.watts for p in some)),
    }


def _grouped(placings: Sequence[Placing]) -> list[dict[str, Any]]:
    """Those that are alike together; of what is too much even so only the sums, by factory and system."""
    groups: dict[_Group, list[Placing]] = defaultdict(list)
    for p in placings:
        groups[p.factory, p.system, _fabric_levels(p), p.units, p.nodes, p.gpus, p.watts].append(p)
    most_spans = bound(MorePlacements, "domains")
    most_groups = bound(GPUPoolStatus, "more_placements")
    left, found = _CHARACTERS, list[dict[str, Any]]()
    rest: dict[tuple[str, str], list[Placing]] = defaultdict(list)
    for (factory, system, levels, *_), alike in groups.items():
        spans = spans_of(p.domain for p in alike)
        length = sum(map(len, spans))
        if length > left or len(spans) > most_spans or 2 * len(found) >= most_groups:
            rest[factory, system] += alike
            continue
        left -= length
        found.append(_more(factory, system, alike, domains=spans, fabricLevels=levels))
    sums = (_more(factory, system, some) for (factory, system), some in rest.items())
    return found + list(islice(sums, most_groups - len(found)))


def _more(factory: str, system: str, placings: list[Placing], **where: Any) -> dict[str, Any]:
    return {"factory": factory, **where, "system": system, **_amounts(placings)}


def _fabric_levels(p: Placing) -> int:
    """How many names of the domain's path are its fabric's; 0 where that is no part of it."""
    return p.fabric.count("/") + 1 if p.fabric and f"{p.domain}/".startswith(f"{p.fabric}/") else 0
