"""Multiple knapsack as pools: a knapsack is a factory of one system, an item a pool packed into a factory.

The families are those of S. Martello and P. Toth, Knapsack Problems (Wiley, 1990), for several knapsacks as
D. Pisinger uses them ("An exact algorithm for large multiple knapsack problems", European Journal of
Operational Research 114, 1999): weights w from 10 to R = 100, and profits p that are

- uncorrelated: from 10 to R;
- weakly correlated: from w - R/10 to w + R/10;
- strongly correlated: w + R/10;
- subset-sum: w.

Capacities sum to half of all weights: *similar* ones are from 0.4 to 0.6 of their mean share, *dissimilar*
ones from 0 to what is left. A GPU is a unit of weight. Here a profit is a priority, so it counts in strict
order and not as a sum; subset-sum has one priority for all, and its optimum is the classical one.
In *planted* instances the knapsacks are cut into the items, so that all of them fit and nothing is left.
"""

from collections.abc import Callable
from itertools import pairwise
from random import Random

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.decide.model.world import World
from bench.solver.instances import SCALES

R = 100
UNIT = 1_000  # watts of a GPU
FAMILIES: dict[str, Callable[[int, Random], int]] = {
    "uncorrelated": lambda w, random: random.randint(10, R),
    "weak": lambda w, random: max(1, random.randint(w - R // 10, w + R // 10)),
    "strong": lambda w, random: w + R // 10,
    "subset-sum": lambda w, random: 0,
    "dissimilar": lambda w, random: 0,  # subset-sum with dissimilar capacities
}


def knapsack(family: str, scale: str, seed: int) -> World:
    """An instance with as many knapsacks and items as the scale has factories and pools."""
    bins, _, items = SCALES[scale]
    random = Random(f"knapsack {family} {scale} {seed}")
    if family == "planted":
        weights, capacities = _planted(bins, items, random)
        priorities = [0] * len(weights)
    else:
        weights = [random.randint(10, R) for _ in range(items)]
        capacities = _capacities(sum(weights), bins, random, similar=family != "dissimilar")
        priorities = [FAMILIES[family](weight, random) for weight in weights]
    return World(
        factories=tuple(_factory(i, capacity) for i, capacity in enumerate(capacities)),
        pools=tuple(_pool(i, w, p) for i, (w, p) in enumerate(zip(weights, priorities, strict=True))),
    )


def _capacities(total: int, bins: int, random: Random, *, similar: bool) -> list[int]:
    half, found = total // 2, list[int]()
    for _ in range(bins - 1):
        low, high = (
            (4 * total // (10 * bins), 6 * total // (10 * bins)) if similar else (0, half - sum(found))
        )
        found.append(random.randint(low, high))
    return [*found, max(0, half - sum(found))]


def _planted(bins: int, items: int, random: Random) -> tuple[list[int], list[int]]:
    """Weights that fill the knapsacks exactly, shuffled, and the capacities."""
    weights = [random.randint(10, R) for _ in range(items)]
    ends = sorted(random.sample(range(1, items), bins - 1))
    cuts = [0, *ends, items]
    capacities = [sum(weights[a:b]) for a, b in pairwise(cuts)]
    random.shuffle(weights)
    return weights, capacities


def _factory(number: int, capacity: int) -> AIFactory:
    return parse_factory(
        {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": "AIFactory",
            "metadata": {"name": f"knapsack-{number:02d}"},
            "spec": {
                "power": {
                    "quota": capacity * UNIT,
                    "basis": "CriticalIT",
                    "domains": [{"path": "hall", "limit": capacity * UNIT}],
                },
                # A few slots more than watts, so that it is power that binds.
                "racks": [{"domain": "hall", "system": "unit", "count": capacity // 100 + 1}],
                "systems": [
                    {
                        "name": "unit",
                        "unit": "Node",
                        "nodesPerRack": 100,
                        "gpusPerNode": 1,
                        "maxWatts": UNIT,
                        "resourceName": "nvidia.com/gpu",
                    }
                ],
                "backend": {"kwok": {}},
            },
        }
    )


def _pool(number: int, weight: int, priority: int) -> GPUPool:
    return parse_pool(
        {
            "apiVersion": "aifactory.dev/v1alpha1",
            "kind": "GPUPool",
            "metadata": {"name": f"item-{number:05d}", "namespace": "items"},
            "spec": {
                "gpus": weight,
                "systems": ["unit"],
                "priority": priority,
                "topology": {"pack": "Factory"},
            },
        }
    )
