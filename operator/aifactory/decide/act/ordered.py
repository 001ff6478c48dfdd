"""What the orders of a cycle add to a factory.

Its status claims that before the first of them is made, so that nothing ever stands there which the status
does not count: a policy lets a factory be deleted by its status alone. It is taken back once it is seen not
to exist. Where the orders of a pool are refused, one at a time is made to see whether it is still so: that
alone is claimed.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from aifactory.decide.act.ledger import Ledger
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Action, Complete, Order
from aifactory.decide.model.world import PoolKey, Slot, Written


@dataclass
class Ordered:
    """What is ordered now in one factory. Units that only get lost nodes again add none of their own."""

    nodes: int = 0
    gpus: int = 0
    watts: int = 0


def ordered(case: Case, ledger: Ledger, actions: Iterable[Action]) -> dict[str, Ordered]:
    """What is ordered now, by factory; in the ledger it is committed from here on."""
    found: dict[str, Ordered] = defaultdict(Ordered)
    begun: set[Slot] = set()
    failures = (it for it in case.world.failures if it.what is Written.ORDER and it.slot is None)
    refused, tried = {(it.pool, it.factory) for it in failures}, set[tuple[PoolKey, str]]()
    for order in actions:
        if not isinstance(order, Order):
            continue
        slot = order.spec.slot
        if (order.pool, slot.factory) in tried:
            continue
        if (order.pool, slot.factory) in refused:
            tried.add((order.pool, slot.factory))
        here = found[slot.factory]
        here.nodes += 1
        stamp = order.spec.stamp
        unit = slot._replace(slot=0) if stamp.unit_nodes > 1 else slot
        if isinstance(order, Complete) or unit in begun:
            continue
        begun.add(unit)
        here.gpus += stamp.unit_gpus
        here.watts += stamp.unit_watts
        ledger.book(
            case.first_domain[slot.factory] + case.layouts[slot.factory].nearest(slot.path), stamp.unit_watts
        )
    return found
