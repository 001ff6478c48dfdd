"""Plans as column values and back, what they amount to, and whether they hold: all in exact integers."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from aifactory_solver.exact.model import Model
from aifactory_solver.exact.ways import Option, Ways
from aifactory_solver.problem import Ints
from aifactory_solver.question import Plan
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.search import SPREADS, find, most

Shares = list[tuple[int, int]]  # (pool, units)


class Plans:
    """Reads and writes plans of one model."""

    def __init__(self, ways: Ways, model: Model) -> None:
        self.ways, self.model = ways, model
        self.problem = ways.problem
        self._class_of = {c: k for k, kind in enumerate(ways.classes) for c in kind.cells}
        self._cells = [frozenset(node.cells) for node in ways.nodes]

    # What a plan amounts to

    def scores(self, plan: Plan) -> list[int]:
        """What a plan has of every goal of the model, in their order."""
        minima: dict[tuple[str, int], int] = defaultdict(int)
        for pool, units in plan.items():
            o = self.option(pool, units)
            priority, minimum = int(self.problem.priority[pool]), self.ways.minimum(pool)
            gpus = sum(units.values()) * int(self.problem.system_gpus[o.system])
            minima["minimum", priority] += minimum
            minima["growth", priority] += min(gpus, int(self.problem.need[pool])) - minimum
            minima["systems", 0] -= o.rank
            for cell, n in units.items():
                minima["money", 0] -= n * int(self.problem.cell_cost[cell])
                minima["carbon", 0] -= n * int(self.problem.cell_carbon[cell])
        return [minima[goal.kind, goal.priority] for goal in self.model.goals]

    def option(self, pool: int, units: dict[int, int]) -> Option:
        """The option that a pool with these units takes."""
        for o in self.ways.options[pool]:
            nodes = [s.node for s in o.spots] if o.spots else [o.node]
            cells = self._cells[nodes[0]].union(*(self._cells[n] for n in nodes[1:]))
            if cells.issuperset(units):
                return o
        raise LookupError(f"pool {pool} has no option for cells {sorted(units)}")

    def faults(self, plan: Plan) -> list[str]:
        """Every rule that the plan breaks, one line each."""
        problem, found = self.problem, list[str]()
        used = np.zeros(problem.cells, np.int64)
        load = np.zeros(problem.domains, np.int64)
        for pool, units in plan.items():
            if pool not in self.ways.options or not units or min(units.values()) < 1:
                found.append(f"pool {pool} may not have {units}")
                continue
            found += self._misplaced(pool, units)
            for cell, n in units.items():
                used[cell] += n
                load[list(self.ways.above(cell))] += n * int(problem.cell_watts[cell])
        for cell in np.flatnonzero(used > self.ways.free).tolist():
            found.append(f"cell {cell} has {self.ways.free[cell]} slots, {used[cell]} are used")
        for d in np.flatnonzero(load > self.ways.left).tolist():
            found.append(f"domain {d} has {self.ways.left[d]} watts left, {load[d]} are used")
        return found

    def _misplaced(self, pool: int, units: dict[int, int]) -> list[str]:
        problem, total = self.problem, sum(units.values())
        systems = {int(problem.cell_system[c]) for c in units}
        if len(systems) > 1 or not systems <= set(problem.systems[pool]):
            return [f"pool {pool} stands on systems {sorted(systems)}"]
        gpus = int(problem.system_gpus[systems.pop()])
        least, wish = -(-int(problem.minimum[pool]) // gpus), -(-int(problem.need[pool]) // gpus)
        if not max(least, int(problem.spread[pool])) <= total <= wish:
            return [f"pool {pool} has {total} units"]
        if not all(problem.allowed[pool, problem.factory[problem.cell_domain[c]]] for c in units):
            return [f"pool {pool} stands in a factory where it may not"]
        places: dict[int, int] = defaultdict(int)
        for cell, n in units.items():
            places[self.ways.place(pool, cell)] += n
        k = int(problem.spread[pool])
        spread = problem.topology[pool] in SPREADS
        apart = len(places) >= k and max(places.values()) <= -(-total // max(k, 1))
        if -1 in places or not (apart if spread else len(places) == 1):
            return [f"pool {pool} stands in places {dict(places)}"]
        return []

    # Columns to a plan

    def read(self, values: npt.NDArray[np.float64]) -> Plan | None:
        """The plan that column values mean; None where they are not integral or the plan does not hold."""
        whole = np.rint(values).astype(np.int64)
        at: list[Shares] = [[] for _ in self.ways.nodes]
        for pool, options in self.ways.options.items():
            for o in options:
                if whole[o.taken]:
                    if o.spots:
                        for s in o.spots:
                            at[s.node].append((pool, int(whole[s.units])))
                    else:
                        more = sum(int(whole[column]) for column, _, _ in o.more)
                        at[o.node].append((pool, o.least + more))
        plan: Plan = {}
        free = self.ways.free.copy()
        for number in self.ways.downwards:
            node = self.ways.nodes[number]
            if sum(n for _, n in at[number]) != int(whole[node.arcs].sum()):
                return None
            targets = node.below or node.classes
            for target, column in zip(targets, node.arcs, strict=True):
                part = _take(at[number], int(whole[column]))
                if node.below:
                    at[target].extend(part)
                elif not self._fill(self.ways.classes[target].cells, part, free, plan):
                    return None
        plan = self.settled(plan)
        return None if self.faults(plan) else plan

    def _fill(self, cells: list[int], part: Shares, free: Ints, plan: Plan) -> bool:
        for pool, units in part:
            rest = units
            for cell in cells:
                n = min(rest, int(free[cell]))
                if n > 0:
                    mine = plan.setdefault(pool, {})
                    mine[cell] = mine.get(cell, 0) + n
                    free[cell] -= n
                    rest -= n
            if rest:
                return False
        return True

    def settled(self, plan: Plan) -> Plan:
        """The plan with the parts of pools that are alike in order: the older has more, and lower cells."""
        plan = dict(plan)
        for group in self.ways.alike:
            parts = [plan.pop(p) for p in group if p in plan]
            parts.sort(key=lambda units: (-sum(units.values()), sorted(units)))
            plan.update(zip(group, parts, strict=False))
        return {p: dict(sorted(plan[p].items())) for p in sorted(plan)}

    def trimmed(self, plan: Plan) -> Plan:
        """The minima of a plan alone, as the model has them while only minima count."""
        return self.settled({p: self._least(p, units) for p, units in plan.items() if self.ways.minimum(p)})

    def _least(self, pool: int, units: dict[int, int]) -> dict[int, int]:
        o, kept = self.option(pool, units), dict(units)
        rest = 0 if o.shares else sum(units.values()) - o.least
        while rest:
            # The fullest place gives, so that no other is left empty.
            places: dict[int, int] = defaultdict(int)
            for cell, n in kept.items():
                places[self.ways.place(pool, cell)] += n
            fullest = max(places, key=lambda place: places[place])
            cell = max(c for c in kept if self.ways.place(pool, c) == fullest)
            n = 1 if o.spots else min(rest, kept[cell])
            rest -= n
            kept[cell] -= n
            if not kept[cell]:
                del kept[cell]
        return kept

    # What still fits

    def filled(self, plan: Plan, *, grow: bool) -> Plan:
        """The plan with whatever else fits in strict order of priority; without ``grow`` the minima alone.

        Each pool keeps its place unless one that goes before it now takes it, so what is already the most
        that can be served of the highest priorities stays as it is.
        """
        finder, result = Finder(self.ways.room, self.ways.left.copy(), self.ways.free.copy()), Plan()
        problem, minima = self.problem, self.trimmed(plan)

        def turn(p: int) -> tuple[int, bool, int, int]:
            return (-int(problem.priority[p]), p not in plan, -int(problem.minimum[p]), int(problem.age[p]))

        order = sorted(self.ways.options, key=turn)
        for p in order:
            if p in minima and _put(finder, minima[p]):
                result[p] = minima[p]
            elif self.ways.minimum(p):
                self._add(result, p, self._found(finder, p, {}, grow=False))
        for p in order if grow else ():
            mine, growth = result.get(p, {}), dict(plan.get(p, {}))
            for cell, n in mine.items():
                growth[cell] = growth.get(cell, 0) - n
            growth = {cell: n for cell, n in growth.items() if n}
            if min(growth.values(), default=0) > 0 and _put(finder, growth):
                self._add(result, p, growth)
            if p in result or not self.ways.minimum(p):
                self._add(result, p, self._found(finder, p, result.get(p, {}), grow=True))
        return self.settled(result)

    @staticmethod
    def _add(plan: Plan, p: int, more: dict[int, int]) -> None:
        mine = plan.get(p, {})
        if more:
            plan[p] = {c: mine.get(c, 0) + more.get(c, 0) for c in (mine | more)}

    def _found(self, finder: Finder, p: int, beside: dict[int, int], *, grow: bool) -> dict[int, int]:
        """A place for a pool's minimum, or for its growth beside its minimum, where there is room."""
        options = [self.option(p, beside)] if beside else self.ways.options[p]
        best: tuple[int, Ask] | None = None
        for o in {o.system: o for o in options}.values():
            have, gpus = sum(beside.values()), int(self.problem.system_gpus[o.system])
            wish = -(-int(self.problem.need[p]) // gpus)
            asked = Ask(p, o.system, (wish if grow else o.least) - have, beside, {}, wish - have)
            if asked.units <= 0:
                continue
            units = most(finder, asked)
            served = min(units * gpus, int(self.problem.need[p]))
            if units > 0 and (grow or units == asked.units) and (best is None or served > best[0]):
                best = served if grow else 10**18, replace(asked, units=units)
        found = find(finder, best[1]) if best else None
        return found if found and _put(finder, found) else {}

    # A plan to columns

    def write(self, plan: Plan) -> npt.NDArray[np.float64]:
        """The column values of a plan that holds and is `settled`."""
        values = np.zeros(self.model.upper.shape[0])
        for pool, units in plan.items():
            o, total = self.option(pool, units), sum(units.values())
            values[o.taken] = 1
            rest = total - o.least
            for column, room, _ in o.more:
                values[column] = min(rest, room)
                rest -= min(rest, room)
            if o.share >= 0:
                values[o.share] = -(-total // o.places)
            for s in o.spots:
                here = {c: n for c, n in units.items() if self.ways.place(pool, c) == s.domain}
                values[s.units] = sum(here.values())
                values[s.used] = bool(here)
                self._send(values, s.node, here)
            if not o.spots:
                self._send(values, o.node, units)
        return values

    def _send(self, values: npt.NDArray[np.float64], number: int, units: dict[int, int]) -> None:
        node = self.ways.nodes[number]
        for target, column in zip(node.below or node.classes, node.arcs, strict=True):
            inside = self._cells[target] if node.below else self.ways.classes[target].cells
            here = {c: n for c, n in units.items() if c in inside}
            values[column] += sum(here.values())
            if node.below:
                self._send(values, target, here)
            else:
                values[self.ways.classes[target].total] += sum(here.values())


def _put(finder: Finder, units: dict[int, int]) -> bool:
    """Use up the room of these units, unless it is not there."""
    left, free = finder.left.copy(), finder.free.copy()
    if all(finder.take(cell, n) == n for cell, n in units.items()):
        return True
    finder.left[:], finder.free[:] = left, free
    return False


def _take(shares: Shares, units: int) -> Shares:
    """Take so many units from the front of a list of shares."""
    part: Shares = []
    while units > 0 and shares:
        pool, n = shares.pop(0)
        part.append((pool, min(n, units)))
        if n > units:
            shares.insert(0, (pool, n - units))
        units -= min(n, units)
    return part
