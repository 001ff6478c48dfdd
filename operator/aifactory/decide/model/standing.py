"""Where a pool's own spec lets it stand."""

import hashlib
import json
from typing import Any

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.decide.model.case import Cell
from aifactory.decide.model.layout import Layout
from aifactory.decide.once import once


@once
def known_stamps(pool: GPUPool) -> tuple[str, ...]:
    """Stamps of what a pool's spec says of where it may stand: they tell its edits from its factory's.

    The first holds only what differs from the defaults, so that a field that comes later changes none. The
    other is what earlier versions wrote of the same: no upgrade is an edit.
    """
    spec = pool.spec
    topology = spec.topology.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    factories = spec.factories.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    says = {"systems": sorted(spec.systems), "minimum": spec.minimum}
    return (
        _hash({**says, "topology": topology, "factories": factories}),
        _hash({**says, **_with_defaults(topology, factories)}),
    )


def _with_defaults(topology: dict[str, Any], factories: dict[str, Any]) -> dict[str, Any]:
    """The same with the defaults that the first versions hashed too."""
    factories = {"names": [], "exclude": [], **factories}
    if (selector := factories.get("selector")) is not None:
        each = [{"values": [], **requirement} for requirement in selector.get("matchExpressions", ())]
        factories["selector"] = {"matchLabels": {}, **selector, "matchExpressions": each}
    return {"topology": {"pack": "None", **topology}, "factories": factories}


def _hash(says: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(says, sort_keys=True).encode()).hexdigest()[:16]


def allows(pool: GPUPool, factory: AIFactory) -> bool:
    """Whether a pool may stand in a factory."""
    where = pool.spec.factories
    name = factory.metadata.name
    return (
        (not where.names or name in where.names)
        and name not in where.exclude
        and (where.selector is None or where.selector.matches(factory.metadata.labels))
    )


def place_of(pool: GPUPool, cell: Cell, layout: Layout) -> object:
    """What the pool's topology packs into or spreads over, for a cell; None where there is none."""
    topology = pool.spec.topology
    over: str = topology.pack
    domain = topology.domain
    if topology.spread is not None:
        over, domain = topology.spread.over, topology.spread.domain
    if over == "None":
        return "anywhere"
    if over == "Factory":
        return cell.factory
    if over == "Fabric":
        return (cell.factory, cell.fabric) if cell.fabric >= 0 else None
    chain = layout.chain(cell.instance)
    return next(((cell.factory, i) for i in chain if layout.instances[i].level == domain), None)


def misplaced(pool: GPUPool, places: dict[object, int]) -> set[object]:
    """The places that a pool's topology does not allow beside its others."""
    bad: set[object] = {None}
    topology = pool.spec.topology
    if topology.spread is not None:
        share = -(-sum(places.values()) // topology.spread.at_least)
        bad.update(place for place, units in places.items() if units > share)
    elif topology.pack != "None" and len(places) > 1:
        best = max(places, key=lambda place: (places[place], str(place)))
        bad.update(place for place in places if place != best)
    return bad
