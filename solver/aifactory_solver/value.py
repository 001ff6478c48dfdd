"""What a plan is worth, exactly, in the order in which the rules of deciding name it."""

from dataclasses import dataclass

import numpy as np

from aifactory_solver.problem import Ints, Problem, Solution


@dataclass(frozen=True, eq=False)
class Value:
    """One plan's worth; plans of one problem are compared number by number, the more the better.

    GPUs served to minima, priority by priority from the highest; GPUs served to growth, likewise; fewer GPUs
    evicted; fewer GPUs moved; better-listed systems; less money a day; less carbon. What is left are ties,
    which end with the lowest pool and cell.
    """

    priorities: Ints  # (V,) from the highest
    minima: Ints  # (V,) GPUs
    growth: Ints  # (V,) GPUs
    evicted: int  # GPUs
    moved: int  # GPUs
    listed: int  # places of the systems in the lists of the pools that are placed, 0 for the best
    cost: int  # a day
    carbon: int  # grams a day
    ties: Ints

    def _numbers(self) -> Ints:
        lesser = np.asarray([self.evicted, self.moved, self.listed, self.cost, self.carbon], dtype=np.int64)
        return np.concatenate((self.minima, self.growth, -lesser))

    def serves_more_than(self, other: "Value") -> bool:
        """Whether it serves more to minima or growth, at the first priority where the two differ."""
        mine, theirs = (np.concatenate((value.minima, value.growth)) for value in (self, other))
        return _first_difference(mine, theirs) > 0

    def __gt__(self, other: "Value") -> bool:
        """Whether it is the better plan."""
        by_worth = _first_difference(self._numbers(), other._numbers())
        if by_worth or self.ties.size != other.ties.size:
            return by_worth > 0
        return _first_difference(other.ties, self.ties) > 0


def _first_difference(mine: Ints, theirs: Ints) -> int:
    at = np.flatnonzero(mine != theirs)
    return int(np.sign(mine[at[0]] - theirs[at[0]])) if at.size else 0


def value(problem: Problem, solution: Solution) -> Value:
    """What a plan is worth."""
    had, kept, new = gpus_by_pool(problem, solution)
    has = kept + new
    least = np.minimum(has, problem.minimum)
    priorities, at = np.unique(-problem.priority, return_inverse=True)
    units, cells = solution.new_units, solution.new_cell
    uses = set(zip(solution.new_pool.tolist(), problem.cell_system[cells].tolist(), strict=True))
    return Value(
        priorities=-priorities,
        minima=_sums(at, least, priorities.size),
        growth=_sums(at, np.minimum(has, problem.need) - least, priorities.size),
        evicted=int(had[(has == 0) & (had >= problem.minimum)].sum()),
        moved=int((np.minimum(had, has) - kept).sum()),
        listed=sum(problem.systems[p].index(s) for p, s in uses),
        cost=int((units * problem.cell_cost[cells]).sum()),
        carbon=int((units * problem.cell_carbon[cells]).sum()),
        ties=np.stack((solution.new_pool, cells, units), axis=1).reshape(-1),
    )


def gpus_by_pool(problem: Problem, solution: Solution) -> tuple[Ints, Ints, Ints]:
    """(P,) GPUs that each pool had, keeps of them, and is given anew."""
    gpus = problem.system_gpus[problem.cell_system]
    each = gpus[problem.row_cell]
    return (
        _sums(problem.row_pool, problem.row_units * each, problem.pools),
        _sums(problem.row_pool, solution.kept * each, problem.pools),
        _sums(solution.new_pool, solution.new_units * gpus[solution.new_cell], problem.pools),
    )


def _sums(keys: Ints, amounts: Ints, groups: int) -> Ints:
    total = np.zeros(groups, dtype=np.int64)
    np.add.at(total, keys.reshape(-1), amounts)
    return total
