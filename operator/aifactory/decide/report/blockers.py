"""What keeps a factory from being as planned until somebody acts: one small function each, the gravest first.

Each looks at one site and says what it finds, or nothing. The first that speaks is the reason of a factory's
condition; `held_up` and `refused` tell what comes of releases and orders, which comes after all of these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aifactory.api import names
from aifactory.api.factory import AIFactory
from aifactory.api.systems import systems_of
from aifactory.decide.conditions import Said
from aifactory.decide.model.case import Case
from aifactory.decide.model.fleet import State, Unit
from aifactory.decide.model.layout import Layout, smallest_unit
from aifactory.decide.phrases import counted, listed


@dataclass(frozen=True)
class Site:
    """A factory whose spec makes sense, and the units that stand in it."""

    case: Case
    factory: AIFactory
    units: list[Unit]

    @property
    def name(self) -> str:
        """The factory's name."""
        return self.factory.metadata.name

    @property
    def layout(self) -> Layout:
        """Its domains and rack groups."""
        return self.case.layouts[self.name]


def blocker(site: Site) -> Said | None:
    """The gravest of what needs somebody's action; None where nothing does."""
    return next((said for speaks in CHAIN if (said := speaks(site))), None)


def resources_going(site: Site) -> Said | None:
    """Our own definitions are being deleted."""
    if not site.case.world.resources_going:
        return None
    return Said("ResourcesGoing", "Our own resource definitions are being deleted: nothing is changed.")


def not_installed(site: Site) -> Said | None:
    """The cluster lacks the kind that the backend stands on."""
    lacks = site.case.world.not_installed
    missing = next((lacks[kind] for kind in site.factory.spec.backend.given() if lacks.get(kind)), "")
    return Said("BackendNotInstalled", f"{missing} Nothing is changed here.") if missing else None


def unknown(site: Site) -> Said | None:
    """The backend could not be listed."""
    if site.name not in site.case.world.unknown:
        return None
    return Said("Unknown", "The backend cannot be listed: nothing is changed, power counts as last seen.")


def not_supported(site: Site) -> Said | None:
    """No driver of this version is for the backend."""
    given, known = site.factory.spec.backend.given(), site.case.world.backends
    if set(given) <= known:
        return None
    drives = f"This version cannot drive {', '.join(given)}, only {', '.join(sorted(known))}."
    return Said("BackendNotSupported", drives)


def deleting(site: Site) -> Said | None:
    """Somebody deleted the factory, and it is not empty."""
    if site.factory.metadata.deletion_timestamp is None or not site.units:
        return None
    still = f"Still here: {counted(len(site.units), 'unit')}; set spec.drain: true to empty the factory."
    return Said("Deleting", still)


def unknown_system(site: Site) -> Said | None:
    """Racks are of a system that nobody describes."""
    spec = site.factory.spec
    known = systems_of(spec.systems)
    strange = sorted({racks.system for racks in spec.racks if racks.system not in known})
    if not strange:
        return None
    return Said("UnknownSystem", f"No such system: {listed(strange)}. Define it in spec.systems.")


def unknown_instance(site: Site) -> Said | None:
    """A limit or an outage is of an instance that the site lacks."""
    spec, by_path = site.factory.spec, site.layout.by_path
    named = {
        "spec.power.limits": [it.domain for it in spec.power.limits],
        "out of service": list(spec.closed),
    }
    nowhere = {
        field: [path for path in paths if names.canonical(path) not in by_path]
        for field, paths in named.items()
    }
    parts = [f"{field}: {listed(paths)}" for field, paths in nowhere.items() if paths]
    if not parts:
        return None
    allowed = "allowed are instances of a domain; all else is followed."
    return Said("UnknownInstance", f"Found {'; '.join(parts)}; {allowed}")


def quota_too_small(site: Site) -> Said | None:
    """The quota carries no unit, and is no outage."""
    quota, smallest = site.layout.instances[0].limit, smallest_unit(site.layout)
    if not 0 < quota < smallest:
        return None
    return Said(
        "QuotaTooSmall",
        f"The quota carries {quota} W of IT power, and the smallest unit draws {smallest} W: nothing can "
        "stand here. 100M is 100 MW; 0 is an outage.",
    )


def stray(site: Site) -> Said | None:
    """Nodes have our labels, and are in no slot."""
    strays = sorted(
        node.name for node in site.case.fleet.strays if node.factory == site.name and not node.stranger
    )
    return Said("Stray", f"Nodes with our labels in no slot of ours: {listed(strays)}.") if strays else None


def pools_lost(site: Site) -> Said | None:
    """Units wait for pools that went with the definition of all pools."""
    lost = sorted({str(it.pool) for it in site.units if it.state is State.HELD and it.pool is not None})
    if not lost:
        return None
    return Said(
        "PoolsLost",
        f"Units stand for pools that went with their resource definition; apply them again: {listed(lost)}.",
        f"Units stand for {counted(len(lost), 'pool')} that went with their resource definition.",
    )


def name_taken(site: Site) -> Said | None:
    """Nodes of somebody else have the names of slots."""
    strays = site.case.fleet.strays
    taken = sorted(node.name for node in strays if node.factory == site.name and node.stranger)
    if not taken:
        return None
    return Said(
        "NameTaken",
        "Nodes that are not ours have the names of slots here, which are not used and count their power: "
        f"{listed(taken)}.",
    )


def in_the_way(site: Site) -> Said | None:
    """Units stand where the spec has no rack any more."""
    offers = site.layout.offers
    standing = (unit for unit in site.units if unit.state is State.STANDING)
    gone = [u for u in standing if not offers(u.slot.path, u.slot.system, u.slot.rack, u.slot.slot)]
    if not gone:
        return None
    where = sorted({f"{u.slot.path or site.name} ({u.slot.system}) of {u.pool}" for u in gone})
    lacks = f"The spec has no rack for {counted(len(gone), 'unit')} here"
    return Said("InTheWay", f"{lacks}: {listed(where)}.", f"{lacks}.")


CHAIN: Final[tuple[Callable[[Site], Said | None], ...]] = (
    resources_going,
    not_installed,
    unknown,
    not_supported,
    deleting,
    unknown_system,
    unknown_instance,
    quota_too_small,
    stray,
    pools_lost,
    name_taken,
    in_the_way,
)
