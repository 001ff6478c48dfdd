"""Parts of a problem."""

import numpy as np

from aifactory_solver.check import validate
from bench.solver.cut import cut
from unit.solver.build import World
from unit.solver.worlds import hard


def test_all_of_a_problem_is_the_problem() -> None:
    for seed in range(20):
        problem = hard(seed)
        for array, again in zip(vars(problem).values(), vars(cut(problem)).values(), strict=True):
            assert np.array_equal(array, again) if isinstance(array, np.ndarray) else array == again


def test_what_belongs_to_what_goes_goes_along() -> None:
    made = World().factory("a").slots("a", 4).factory("b").domain("b/hall").slots("b/hall", 4)
    made.pool("p", 2).stands("p", "a", 2).pool("q", 3, minimum=1).stands("q", "b/hall", 3)
    whole = made.problem()
    part = cut(whole, factories=np.asarray([False, True]))
    assert (part.domains, part.cells, part.rows, part.pools) == (2, 1, 1, 2)
    assert (part.parent.tolist(), part.factory.tolist()) == ([-1, 0], [0, 0])
    assert (part.cell_domain.tolist(), part.cell_fabric.tolist()) == ([1], [1])
    assert (part.row_pool.tolist(), part.row_cell.tolist(), part.row_units.tolist()) == ([1], [0], [3])
    assert part.allowed.shape == (2, 1)
    alone = cut(part, pools=np.asarray([False, True]))
    assert (alone.need.tolist(), alone.minimum.tolist(), alone.row_pool.tolist()) == ([3], [1], [0])


def test_a_part_of_a_world_is_a_world() -> None:
    rng = np.random.default_rng(0)
    for seed in range(100):
        problem = hard(seed)
        factories = np.asarray(rng.random(problem.allowed.shape[1]) < 0.7)
        part = cut(problem, factories=factories, pools=np.asarray(rng.random(problem.pools) < 0.7))
        if factories.any():
            validate(part)
