"""Whether more room brings what its price promises: the change is made, and asked about in whole units."""

from dataclasses import replace

import numpy as np

from aifactory_solver.problem import Array, Problem, Solution
from aifactory_solver.relax.shadow import ShadowPrices
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.places import Ask, Finder
from aifactory_solver.strict.room import Room
from aifactory_solver.strict.search import fits
from aifactory_solver.strict.trial import Trial

MEGAWATT = 1_000_000
_MOST = 20_000  # questions that are asked; what could not be tried has no price


def tried(prices: ShadowPrices, problem: Problem, solution: Solution, xp: Array = np) -> ShadowPrices:
    """The same with what was tried: a MW more of a limit, or a unit more, lets one of the pools in."""
    room = Room(Layout(problem, xp))
    room.follow(solution)
    trials = _Trials(room, _asks(room, prices.highest, prices.lowest))
    watt = np.zeros(prices.watt.shape, dtype=np.bool_)
    unit = np.zeros(prices.unit.shape, dtype=np.bool_)
    for d in np.argsort(-prices.watt, kind="stable")[: np.count_nonzero(prices.watt)].tolist():
        watt[d] = trials.power(d)
    for f, s in np.argwhere(prices.unit > 0).tolist():
        unit[f, s] = trials.unit(f, s)
    return replace(prices, serves_watt=watt, serves_unit=unit)


def _asks(room: Room, highest: int, lowest: int) -> dict[int, list[Ask]]:
    """By system, what the minima of the pools with these priorities lack, each kind of question once."""
    problem, layout, found = room.problem, room.layout, dict[tuple[object, ...], Ask]()
    mine = (problem.priority <= highest) & (problem.priority >= lowest) & ~problem.frozen
    for p in np.flatnonzero(mine & (np.asarray(room.gpus_of) < problem.minimum)).tolist():
        held = room.places(p)
        stands = {layout.cell_system[c] for c in held}
        for s in problem.systems[p]:
            units = max(layout.least(p, s), layout.spread[p]) - sum(held.values())
            if units > 0 and not stands - {s}:
                own = p if held else -1
                place = (layout.signature[p], layout.topology[p], layout.level[p], layout.spread[p])
                found.setdefault((s, units, own, *place), Ask(p, s, units, held, {}))
    by_system: dict[int, list[Ask]] = {}
    for ask in sorted(found.values(), key=lambda ask: ask.units):
        by_system.setdefault(ask.system, []).append(ask)
    return by_system


class _Trials:
    """Changes of one room that are made, asked about and taken back."""

    def __init__(self, room: Room, asks: dict[int, list[Ask]]) -> None:
        self.problem, self.layout, self.asks = room.problem, room.layout, asks
        self.trials = {s: Trial(room.layout, room.left, room.free) for s in asks}
        self.left = _MOST

    def power(self, domain: int) -> bool:
        """Whether one of them fits once a domain carries a megawatt more."""
        factory = self.layout.factory[domain]
        for system, trial in self.trials.items():
            trial.widen(domain, MEGAWATT)
            found = self._fits(system, factory)
            trial.widen(domain, -MEGAWATT)
            if found:
                return True
        return False

    def unit(self, factory: int, system: int) -> bool:
        """Whether one of them fits once some place in a factory has a slot more of a system."""
        if system not in self.trials:
            return False
        trial, layout = self.trials[system], self.layout
        for cell in np.flatnonzero(self.problem.cell_open & (self.problem.cell_system == system)).tolist():
            room = min([trial.left[d] for d in layout.chains[cell]])
            if layout.cell_factory[cell] == factory and room >= layout.cell_watts[cell]:
                trial.extend(cell, 1)
                found = self._fits(system, factory)
                trial.extend(cell, -1)
                if found:
                    return True
        return False

    def _fits(self, system: int, factory: int) -> bool:
        finder = Finder.over(self.trials[system])
        for ask in self.asks[system]:
            if self.problem.allowed[ask.pool, factory] and self.left:
                self.left -= 1
                if fits(finder, ask):
                    return True
        return False
