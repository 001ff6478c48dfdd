"""Why a pool waits, in a word for programs and a sentence for people."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from aifactory.api.pool import GPUPool
from aifactory.api.pool_status import Waiting
from aifactory.api.quantity import show_power
from aifactory.api.systems import systems_of
from aifactory.decide.model.case import Case
from aifactory.decide.model.standing import allows
from aifactory.decide.model.world import PoolKey
from aifactory.decide.phrases import counted, cut, listed, tally
from aifactory_solver import Explainer, Shortage

PLANNING = "Planning"  # the reason of who waits for a better plan

_MEANT = 3  # names that somebody may have meant
_PARTS = 12  # of a change are named; a message has to fit into a status


@dataclass(frozen=True)
class Why:
    """A reason, the limit that binds, and the smallest change found that would free the pool."""

    reason: str
    message: str
    factory: str = ""
    domain: str = ""
    limit: int = 0
    free: int = 0
    needed: int = 0
    short_watts: int = 0
    short_units: int = 0
    held_by_priority: int | None = None
    unnumbered: str = ""  # the message without a number of any site, where it has such

    def wire(self) -> dict[str, object]:
        """As status.waiting has it."""
        fields = {
            "reason": self.reason,
            "message": cut(self.message, Waiting, "message"),
            "factory": self.factory,
            "domain": self.domain,
            "limit": tally(self.limit),
            "free": tally(self.free),
            "needed": tally(self.needed),
            "shortWatts": tally(self.short_watts),
            "shortUnits": tally(self.short_units),
        }
        given = {key: value for key, value in fields.items() if value or key in ("reason", "message")}
        return given if self.held_by_priority is None else {**given, "heldByPriority": self.held_by_priority}

    @property
    def printed(self) -> str:
        """A few words for a column."""
        where = "/".join(part for part in (self.factory, self.domain) if part)
        if self.short_watts:
            return f"{where} {show_power(self.short_watts)} short".strip()
        if self.short_units:
            return f"{where} {counted(self.short_units, 'unit')} short".strip()
        return self.reason


def said_before(pool: GPUPool) -> Why | None:
    """What a pool's own status says of its present spec: what another leader has worked out, say."""
    status = pool.status
    if status.waiting is None or status.observed_generation != pool.metadata.generation:
        return None
    if status.waiting.reason == PLANNING:
        return None  # that is no reason why it would get nothing
    return Why(**{name: getattr(status.waiting, name) for name in Waiting.model_fields})


def planning(within: int) -> Why:
    """What a pool says that waits for a better plan; so many seconds it may take, about, if that is known."""
    limit = f" Without one the pool is decided on after about {within} s." if within else ""
    return Why(PLANNING, f"A better plan for the whole fleet is being computed.{limit}")


def plain(case: Case, key: PoolKey) -> Why | None:
    """Why a pool does not get what it wishes for, where that is plain; None where it takes a search."""
    pool = case.pools[case.index[key]]
    if pool.spec.paused:
        return Why("Paused", "The pool is paused: it keeps what it holds and asks for nothing.")
    allowed = [f for f in case.world.factories if allows(pool, f)]
    if not allowed:
        names = pool.spec.factories.names
        wanted = "no factory matches spec.factories"
        if names:
            wanted = f"none of {listed(names)} exists"
        elif not case.world.factories:
            wanted = "there is no AIFactory"
        return Why("NoSuchFactory", f"No factory may take the pool: {wanted}.")
    known = {name for f in allowed for name in systems_of(f.spec.systems)}
    if not known & set(pool.spec.systems):
        return Why(
            "UnknownSystem",
            f"No factory that may take the pool knows {' or '.join(pool.spec.systems)}."
            + _meant(pool.spec.systems, known),
        )
    if (path := _domain_of(pool)) is not None:
        there = {domain.path for f in allowed for domain in f.spec.power.domains}
        if path not in there and not _unread(case):
            nowhere = f"No factory that may take the pool has a domain {path}."
            return Why("NeverFits", nowhere + _meant([path], there))
    return _shut(case, pool, {f.metadata.name for f in allowed})


def hidden(case: Case) -> dict[int, int] | None:
    """Slots that something keeps from being planned with, by system; None where a factory cannot be read."""
    if _unread(case):
        return None
    return {index: case.blocked.get(system, 0) for index, system in enumerate(case.systems)}


def searched(case: Case, explainer: Explainer, key: PoolKey) -> Why:
    """Why a pool does not get what it wishes for: the limits and slots that it lacks."""
    pool, shortage = case.pools[case.index[key]], explainer.explain(case.index[key])
    if hopeless := _hopeless(case, shortage, pool):
        return hopeless
    reason = _short(case, shortage)
    return _held(replace(reason, unnumbered=_unnumbered(case, reason, shortage)), shortage)


def told(case: Case, key: PoolKey, reason: Why) -> Why:
    """What the pool is told of its reason now: no number where a site that it may stand in tells none."""
    pool = case.pools[case.index[key]]
    sites = (factory.spec for factory in case.world.factories if allows(pool, factory))
    if not reason.unnumbered or all(site.tell_tenants == "Numbers" for site in sites):
        return reason
    return Why(reason.reason, reason.unnumbered, reason.factory)


def _domain_of(pool: GPUPool) -> str | None:
    """The domain path that a pool's topology names."""
    topology = pool.spec.topology
    return topology.domain if topology.spread is None else topology.spread.domain


def _meant(given: Iterable[str], known: Iterable[str]) -> str:
    """What somebody may have meant, where names are nearly those that exist."""
    options, near = sorted(known), list[str]()
    for name in given:
        near += [it for it in options if name in it] or get_close_matches(name, options, n=1)
    return f" Did you mean {' or '.join(near[:_MEANT])}?" if near else ""


def _unread(case: Case) -> bool:
    """Whether there is a factory that nobody can read: it may have room one day."""
    return any(refused.kind == "AIFactory" for refused in case.world.refused)


def _shut(case: Case, pool: GPUPool, allowed: set[str]) -> Why | None:
    """Whether every rack that could serve the pool takes nothing new, and why."""
    fitting = [
        offer for name in pool.spec.systems for offer in case.offers.get(name, ()) if offer.factory in allowed
    ]
    if any(offer.open for offer in fitting):
        return None
    if not fitting:
        return Why(
            "NeverFits", f"No factory that may take the pool has racks of {' or '.join(pool.spec.systems)}."
        )
    if not any(offer.powered for offer in fitting):
        there = [n for n in pool.spec.systems if any(o.factory in allowed for o in case.offers.get(n, ()))]
        return Why(
            "UnknownSystem",
            f"No power figure is known for {' or '.join(there)}: give maxWatts in spec.systems.",
        )
    factories = sorted({offer.factory for offer in fitting})
    specs = {f.metadata.name: f.spec for f in case.world.factories}
    if all(specs[f].paused for f in factories):
        return Why("Paused", f"Every factory that has racks for the pool is paused: {listed(factories)}.")
    return Why(
        "OutOfService",
        f"All racks for it are out of service, draining or cannot be driven: {listed(factories)}.",
    )


def _hopeless(case: Case, shortage: Shortage, pool: GPUPool) -> Why | None:
    """What the pool's own spec rules out, whatever room there is."""
    if shortage.system < 0:
        names = " or ".join(pool.spec.systems)
        return Why("NeverFits", f"No rack of {names} is open to the pool in the system that it stands on.")
    spread = pool.spec.topology.spread
    system, gpus = case.systems[shortage.system]
    if spread and -(-pool.spec.gpus // gpus) < spread.at_least:
        return Why(
            "NeverFits",
            f"{pool.spec.gpus} GPUs are {counted(-(-pool.spec.gpus // gpus), 'unit')} of {system}, "
            f"fewer than the {spread.at_least} places to spread over.",
        )
    return None


def _unnumbered(case: Case, reason: Why, shortage: Shortage) -> str:
    """The same in words, without a number of any site."""
    lacks = {
        "InsufficientPower": "Power for it is short",
        "InsufficientUnits": "Units for it are short",
    }.get(reason.reason, "Even with nothing else there it would not fit")
    if shortage.near < 0:
        return f"{lacks}."
    domain = shortage.raises[0][0] if reason.reason == "InsufficientPower" else shortage.near
    factory, instance = case.layout_domain(domain)
    return f"{lacks} in {_name(factory, instance.level)}."


def _short(case: Case, shortage: Shortage) -> Why:
    system = case.systems[shortage.system][0]
    all_of_it = shortage.whole or shortage
    power = show_power(all_of_it.units * all_of_it.unit_watts)
    asked = f"needs {counted(all_of_it.units, 'more unit')} of {system} ({power})"
    if (
        not _unread(case)
        and shortage.most + case.blocked.get(case.systems[shortage.system], 0) < shortage.units
    ):
        slots = f"slots for {shortage.most}" if shortage.most else "no slot for it"
        return Why(
            "NeverFits",
            f"It {asked}; even with nothing else there, its topology finds {slots}.",
            short_units=all_of_it.units - all_of_it.most,
        )
    message = f"It {asked}{_room(shortage)} {_fits_if(case, shortage)}"
    if shortage.raises and not shortage.units_short:
        domain, short = shortage.raises[0]
        factory, instance = case.layout_domain(domain)
        free = max(0, shortage.left[domain])
        return Why(
            "InsufficientPower",
            message,
            factory=factory,
            domain=instance.name,
            limit=instance.limit,
            free=free,
            needed=free + short,
            short_watts=short,
        )
    if shortage.near < 0:
        return Why("InsufficientUnits", message, short_units=all_of_it.units)
    factory, instance = case.layout_domain(shortage.near)
    return Why(
        "InsufficientUnits",
        message,
        factory=factory,
        domain=instance.name,
        short_units=all_of_it.units_short or all_of_it.units - all_of_it.fits,
    )


def _room(shortage: Shortage) -> str:
    """How much of a minimum would fit already; growth takes all the room that there is."""
    if shortage.whole is not None:
        return "."
    return f"; there is room for {shortage.fits if shortage.near >= 0 else 'none'}."


def _fits_if(case: Case, shortage: Shortage) -> str:
    """The change that was found, for the next unit and for all of them where growth waits."""
    if shortage.whole is None:
        return f"It would fit if {_change(case, shortage)}."
    first = "next one" if shortage.units == 1 else f"next {shortage.units}"
    text = f"The {first} would fit if {_change(case, shortage)}"
    if shortage.whole.near < 0 or shortage.whole.most < shortage.whole.units:
        return f"{text}."
    return f"{text}; all {shortage.whole.units} if {_change(case, shortage.whole)}."


def _held(reason: Why, shortage: Shortage) -> Why:
    """The same reason, with whose room would do; names no pool."""
    all_of_it = shortage.whole or shortage
    held, missing = shortage.held_by_priority, all_of_it.units - all_of_it.fits
    if held is None or reason.reason == "NeverFits":
        return reason
    room = f"Room for the missing {counted(missing, 'unit')} is held by pools of priority {held} or lower."
    return replace(reason, message=f"{reason.message} {room}", held_by_priority=held)


def _change(case: Case, shortage: Shortage) -> str:
    if shortage.near < 0:
        return f"{counted(shortage.units, 'slot')} were free in a place of its topology"
    parts = []
    for domain, units in shortage.slots:
        factory, instance = case.layout_domain(domain)
        parts.append(f"{counted(units, 'more unit')} were free in {_name(factory, instance.name)}")
    for domain, watts in shortage.raises:
        factory, instance = case.layout_domain(domain)
        parts.append(f"{_name(factory, instance.name)} carried {watts} W more ({show_power(watts)})")
    if len(parts) > _PARTS:
        parts[_PARTS:] = [f"so on in {len(parts) - _PARTS} more places"]
    return " and ".join(parts) or "its topology allowed it"


def _name(factory: str, domain: str) -> str:
    return f"{factory}/{domain}" if domain else f"the quota of {factory}"
