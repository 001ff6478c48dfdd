"""The bugs that `seeded` sows in the solver."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from aifactory_solver.problem import Problem, Solution
from unit.bug import Bug, Function, instead, result

SOLVER = "aifactory_solver."


def better_of(problem: Problem, first: Solution, second: Solution) -> Solution:
    """The second, whatever it is worth."""
    return second


def growth_first(sound: Function) -> Function:
    """Values of which growth counts before minima."""

    def broken(*args: Any) -> Any:
        value = sound(*args)
        return replace(value, minima=value.growth, growth=value.minima)

    return broken


def prices(watt: float, unit: float) -> Callable[[Function], Function]:
    """Shadow prices, multiplied."""
    return result(lambda found: found and replace(found, watt=found.watt * watt, unit=found.unit * unit))


BUGS = (
    # The guide
    Bug(
        "what is best",
        "systems that are meant come last",
        f"{SOLVER}targets",
        "Targets.systems",
        result(lambda systems: list(systems)[::-1]),
    ),
    Bug(
        "what is best",
        "factories that are meant come last",
        f"{SOLVER}targets",
        "Targets.factories",
        result(lambda choices: choices[::-1]),
    ),
    Bug(
        "what is best",
        "the relaxation leads nobody",
        f"{SOLVER}improve",
        "_Search._follow_the_targets",
        instead(lambda search: None),
    ),
    Bug(
        "what is best",
        "what failed is never asked out of turn",
        f"{SOLVER}improve",
        "_Search._hard",
        instead(lambda search, plan: frozenset()),
    ),
    Bug(
        "what is best",
        "a rock tries the same factory each time",
        f"{SOLVER}improve",
        "_Search._in_vain",
        instead(lambda search, lost, cells: frozenset()),
    ),
    Bug(
        "priority",
        "pools are asked in any order",
        f"{SOLVER}strict.guide",
        "Guide.turns",
        result(lambda order: order[::-1]),
    ),
    # Choosing
    Bug("what is best", "the last candidate is taken", f"{SOLVER}improve", "better_of", instead(better_of)),
    Bug("what is best", "growth counts before minima", f"{SOLVER}improve", "value", growth_first),
    Bug(
        "calm",
        "an exact answer that moves in vain is taken",
        f"{SOLVER}improve",
        "_comes_back",
        instead(lambda problem, solution: False),
    ),
    # The engine
    Bug(
        "priority",
        "a moved pool gives way to nobody",
        f"{SOLVER}strict.moving",
        "Moving.give_way",
        instead(lambda moving: False),
    ),
    Bug(
        "calm",
        "a pool keeps its size where it stood, or not at all",
        f"{SOLVER}strict.minima",
        "Minima._keep_size",
        instead(lambda minima, pool: None),
    ),
    Bug(
        "calm",
        "a spread pool gives up all its places",
        f"{SOLVER}strict.minima",
        "Minima._mend",
        instead(lambda minima, p: False),
    ),
    Bug(
        "priority",
        "who keeps what is tried in one order only",
        f"{SOLVER}strict.sharing",
        "_EQUALS",
        instead(0),
    ),
    Bug(
        "priority",
        "who is asked a third time stays as it was",
        f"{SOLVER}strict.minima",
        "Minima._may_be_served",
        instead(lambda minima, p: False),
    ),
    Bug(
        "power",
        "a limit counts a watt too much",
        f"{SOLVER}strict.space",
        "Space.fitting",
        lambda sound: lambda space, cell, watts, units: sound(space, cell, watts - 1, units),
    ),
    Bug(
        "calm",
        "who has to move takes the room of the lowest, though others are lost",
        f"{SOLVER}improve",
        "regroup",
        instead(lambda layout, plan, engine: None),
    ),
    # What is proved
    Bug(
        "truth",
        "a bound is a GPU too low",
        f"{SOLVER}certificate",
        "Certifier.bound",
        result(lambda most: most - 1),
    ),
    Bug(
        "truth",
        "a bound is cut by a hundredth",
        f"{SOLVER}relax.bound",
        "Bound.__call__",
        result(lambda most: most * 0.99),
    ),
    Bug(
        "truth",
        "a bound is always what is wished",
        f"{SOLVER}certificate",
        "Certifier.bound",
        lambda sound: lambda it, above, target: int(it.problem.minimum[target].sum()),
    ),
    Bug(
        "truth",
        "rows lose a unit more than they waste",
        f"{SOLVER}relax.relaxation",
        "tighten",
        result(lambda sides: (np.maximum(sides[0] - 1, 0), sides[1])),
    ),
    Bug("truth", "prices of power are halved", f"{SOLVER}certificate", "shadow_prices", prices(0.5, 1.0)),
    Bug("truth", "prices of units are doubled", f"{SOLVER}certificate", "shadow_prices", prices(1.0, 2.0)),
    Bug("truth", "a move too many is forced", f"{SOLVER}moves", "_optimum", result(lambda gpus: gpus + 1)),
    Bug(
        "truth",
        "anybody could make room for those that are forced to move",
        f"{SOLVER}moves",
        "_loose",
        result(np.ones_like),
    ),
    # What is explained
    Bug(
        "truth",
        "a relief is not made as small as it can be",
        f"{SOLVER}explain.relief",
        "_least",
        instead(lambda finder, ask, most, step, add: most),
    ),
    Bug(
        "truth",
        "a relief is a step too small",
        f"{SOLVER}explain.explainer",
        "Relief.least",
        result(lambda found: found and ({d: w - 1 for d, w in found[0].items()}, found[1])),
    ),
    Bug(
        "truth",
        "room is held by the next priority",
        f"{SOLVER}explain.relief",
        "Relief.held_by",
        result(lambda priority: None if priority is None else priority + 1),
    ),
    # Losses
    Bug(
        "truth",
        "who waits anyway falls",
        f"{SOLVER}batch.losses",
        "Losses.falls",
        lambda sound: (
            lambda it, domain: tuple(sorted({*sound(it, domain), *np.flatnonzero(it.stands.waits)}))
        ),
    ),
    Bug(
        "truth",
        "every loss is sure to be safe",
        f"{SOLVER}batch.safe",
        "Safe.among",
        instead(lambda safe, domains: set(domains)),
    ),
    # The same every time
    Bug(
        "level-triggered",
        "an exact answer is never at the end of its budget",
        f"{SOLVER}exact.budget",
        "Budget.seconds",
        instead(property(lambda budget: __import__("time").monotonic())),
    ),
)
