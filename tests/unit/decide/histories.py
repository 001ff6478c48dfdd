"""Random worlds with random histories, for hypothesis: what people, nodes, backends and crashes may do.

Limits are tight, trees are deep, units are small and priorities many, so that most pools are in each
other's way. Every single write is judged for power, every plan for what it touches, and every settled state
for everything else.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from aifactory.api.meta import ObjectMeta
from aifactory.api.reading import Invalid
from aifactory.decide import Plan
from aifactory.decide.model.plan import Drain, Order
from aifactory.decide.model.world import Refused
from unit.decide.build import Factory, Pool, Thing
from unit.decide.count import locked, standing, units
from unit.decide.fleets import SITES, some_factory, some_pool, some_pool_edit, some_site_edit
from unit.decide.judge import judge_settled
from unit.decide.operated import Cluster
from unit.decide.room import below_minimum
from unit.decide.state import Fault

DICE = st.integers(0, 2**32 - 1).map(Random)


NONSENSE = ObjectMeta(namespace="tenant-0", name="nonsense", generation=1)


class Histories(RuleBasedStateMachine):
    """One cluster and what happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Cluster()
        self.count = 0
        self.partly: set[str] = set()  # pools that something else than the operator's will left with a part

    @initialize(dice=DICE, sites=st.sampled_from((2, 1, 3)), crowd=st.integers(2, 7))
    def begin(self, dice: Random, sites: int, crowd: int) -> None:
        for name in SITES[:sites]:
            self._apply(some_factory(dice, name))
        for _ in range(crowd):
            self._new_pool(dice)
        self.settle()

    # People

    @rule(dice=DICE)
    def people(self, dice: Random) -> None:
        """Somebody changes an object."""
        acts = {
            self._edit_site: 30,
            self._edit_pool: 30,
            self._new_pool: 20,
            self._delete_pool: 10,
            self._spoil_pool: 5,
            self._delete_site: 5,
        }
        dice.choices([*acts], [*acts.values()])[0](dice)

    def _apply(self, thing: Thing) -> None:
        note(f"{thing}")
        self.it.apply(thing)

    def _edit(self, path: str, words: dict[str, Any]) -> None:
        note(f"{path}: {words}")
        try:
            self.it.edit(path, **words)
        except Invalid:
            note("refused at apply")

    def _new_pool(self, dice: Random) -> None:
        self.count += 1
        self.it.tick()
        self._apply(some_pool(dice, f"tenant-{self.count % 3}/pool-{self.count}"))

    def _some_pool(self, dice: Random) -> str:
        alive = [path for path, it in self.it.pools.items() if it.metadata.deletion_timestamp is None]
        return dice.choice([*sorted(alive)] or [""])

    def _edit_pool(self, dice: Random) -> None:
        words = self.it.words.get(self._some_pool(dice))
        if isinstance(words, Pool):
            self._edit(words.path, some_pool_edit(dice, words))
            self.partly.add(words.path)

    def _delete_pool(self, dice: Random) -> None:
        if path := self._some_pool(dice):
            note(f"{path} is deleted")
            self.it.delete(path)

    def _spoil_pool(self, dice: Random) -> None:
        spoiled = sorted(path for path in self.it.refused if "/" in path)
        if spoiled:
            self._apply(self.it.words[spoiled[0]])
            self.partly.add(spoiled[0])
        elif path := self._some_pool(dice):
            note(f"{path} is spoiled")
            self.it.spoil(path)

    def _edit_site(self, dice: Random) -> None:
        words = self.it.words.get(dice.choice(SITES))
        if isinstance(words, Factory) and words.name in self.it.factories:
            self._edit(words.name, some_site_edit(dice, words))

    def _delete_site(self, dice: Random) -> None:
        name = dice.choice(SITES)
        if name in self.it.factories:
            note(f"{name} is deleted")
            self.it.delete(name)
        else:
            self._apply(some_factory(dice, name))

    # Nodes and backends

    @rule(dice=DICE)
    def nature(self, dice: Random) -> None:
        """Something happens to nodes, or to a backend."""
        acts = {
            self._lose: 25,
            self._mark: 20,
            self._delete_by_hand: 10,
            self._cordon: 15,
            self._hide_or_show: 15,
            self._backend: 25,
            self._stray: 5,
        }
        dice.choices([*acts], [*acts.values()])[0](dice)

    def _some_nodes(self, dice: Random, most: int) -> list[str]:
        seen = sorted(name for name, node in self.it.nodes.items() if node.factory not in self.it.blind)
        first = dice.randrange(max(1, len(seen)))
        return seen[first:][: dice.randint(1, most)]

    def _lose(self, dice: Random) -> None:
        names = self._some_nodes(dice, 4)
        note(f"lost: {names}")
        self._excuse(names)
        self.it.lose(*names)

    def _mark(self, dice: Random) -> None:
        names, broken = self._some_nodes(dice, 1), dice.random() < 0.6
        note(f"{'broken' if broken else 'mended'}: {names}")
        self._excuse(names)
        self.it.mark(*names, broken=broken)

    def _excuse(self, names: list[str]) -> None:
        self.partly |= {unit.pool for unit in units(self.it.nodes[name] for name in names)}

    def _delete_by_hand(self, dice: Random) -> None:
        names = self._some_nodes(dice, 2)
        note(f"deleted by hand: {names}")
        self._excuse(names)
        for name in names:
            self.it.change(name, deleting=True)
            self.it.lingering[name] = 2

    def _cordon(self, dice: Random) -> None:
        names, off = self._some_nodes(dice, 3), dice.random() < 0.6
        note(f"{'uncordoned' if off else 'cordoned'}: {names}")
        self.it.cordon(*names, off=off)

    def _stray(self, dice: Random) -> None:
        taken = f"{dice.choice(SITES)}.hall.{dice.choice(('box', 'rack'))}.1.{dice.randint(1, 3)}"
        if dice.random() < 0.3 and taken not in self.it.nodes:
            note(f"{taken} is another's")
            self.it.stranger(taken)
        for name in self._some_nodes(dice, 1):
            note(f"{name} becomes a stray")
            self._excuse([name])
            if dice.random() < 0.3:
                self.it.scribble(name, factory=dice.choice(SITES))
            elif dice.random() < 0.5:
                self.it.scribble(name, rack=dice.choice(("zero", "1", "2")), slot=dice.choice(("1", "4")))
            elif "by-hand" not in self.it.nodes:
                self.it.stray(like=name, name="by-hand")

    def _hide_or_show(self, dice: Random) -> None:
        name = dice.choice(SITES)
        note(f"{name} is {'seen again' if name in self.it.blind else 'hidden'}")
        (self.it.show if name in self.it.blind else self.it.hide)(name)

    def _backend(self, dice: Random) -> None:
        self.it.linger, self.it.boot = dice.choice((0, 0, 1, 3)), dice.choice((1, 1, 5))
        self.it.denies = dice.random() < 0.5
        self.it.busy = dice.random() < 0.4
        self.it.budgets = frozenset(path for path in self.it.pools if dice.random() < 0.3)

    # The operator

    @rule(cycles=st.integers(1, 3))
    def work(self, cycles: int) -> None:
        for _ in range(cycles):
            self.carry_out(self.it.decide())
            self.it.tick()

    @rule(stop=st.integers(0, 15), recovers=st.booleans())
    def crash(self, stop: int, recovers: bool) -> None:
        """The operator dies after so many writes, and starts again; sometimes nothing else comes first."""
        plan = self.it.decide()
        note(f"crash after {stop} of {len(self.it.writes(plan))} writes")
        self.carry_out(plan, stop_after=stop)
        self.it.restart()
        self.it.tick()
        if recovers:
            self.settle()
        else:
            self.partly |= {str(a.pool) for a in plan.actions if isinstance(a, Order)}

    @rule()
    def look_again(self) -> None:
        """The order of lists, and an object that makes no sense, change nothing for the others."""
        self.it.adopted = None  # a plan that was begun may be another one than a new one
        plan = self.it.decide()
        other = self.it.copy()
        other.backwards = True
        other.refused["tenant-0/nonsense"] = Refused("GPUPool", NONSENSE, "found 7")
        again = other.decide()
        if again.actions != plan.actions:
            raise Fault(f"the same world in another order gives {again.actions} for {plan.actions}")
        assert [w for w in again.statuses if w.name != "nonsense"] == list(plan.statuses)

    @rule(dice=DICE, at=st.integers(0, 5))
    def race(self, dice: Random, at: int) -> None:
        """Somebody edits a factory while a plan is being carried out."""
        self.carry_out(self.it.decide(), meanwhile=lambda n: self._edit_site(dice) if n == at else None)
        self.it.tick()

    @rule()
    def settle(self) -> None:
        for _ in range(80):
            plan = self.it.decide()
            if not self.carry_out(plan) and not self.it.pending:
                break
            self.it.tick()
        else:
            left = [repr(w)[:300] for w in self.it.writes(self.it.decide())]
            raise Fault("it never settles; it still writes:\n" + "\n".join(left[:6]))
        judge_settled(self.it)
        self.judge_parts()

    def teardown(self) -> None:
        if self.it.objects:
            self.settle()

    def carry_out(
        self, plan: Plan, stop_after: int | None = None, meanwhile: Callable[[int], None] | None = None
    ) -> int:
        """Make a plan's writes, and remember whom the operator itself took from."""
        fleet = {n.name: u for u in units(self.it.nodes.values()) for n in u.nodes}
        writes = self.it.writes(plan)[:stop_after]
        note(f"{[type(w).__name__ for w in writes if not hasattr(w, 'status')]}")
        for it in writes:
            if isinstance(it, Drain):
                unit = fleet[it.node.name]
                if not unit.leaving and not any(n.out_of_service for n in unit.nodes):
                    self.partly.discard(unit.pool)
        return self.it.carry_out(plan, stop_after, meanwhile)

    def judge_parts(self) -> None:
        """Promise 4: nothing, or the minimum; less only where the operator had no hand in it."""
        for path, pool in self.it.pools.items():
            mine = standing(self.it, path)
            if not mine or not below_minimum(pool, mine):
                if not any(n.out_of_service for u in mine for n in u.nodes):  # those are still to go
                    self.partly.discard(path)
            elif path not in self.partly and not any(locked(self.it, u.factory) for u in mine):
                raise Fault(f"{path} is left with {len(mine)} units, and needs {pool.spec.minimum} GPUs")
