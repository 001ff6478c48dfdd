"""Bands: reporting groups of whole priorities, five of them with about equal demanded GPUs, from the top."""

import numpy as np

from aifactory_solver.problem import Ints, Problem

BANDS = 5


def bands(problem: Problem) -> Ints:
    """(P,) the band of each pool, 0 for the highest priorities.

    Cut where the sum of demanded GPUs is nearest to a fifth, two fifths and so on; where there are fewer than
    five priorities each is a band.
    """
    values, which = np.unique(-problem.priority, return_inverse=True)
    ends = np.cumsum(np.bincount(which, weights=problem.need, minlength=values.size).astype(np.int64))
    count, cuts = min(BANDS, values.size), list[int]()
    for k in range(1, count):
        low, high = (cuts[-1] + 1 if cuts else 1), values.size - (count - k)
        off = np.abs(ends[low - 1 : high] * count - k * ends[-1])
        cuts.append(low + int(np.argmin(off)))
    return np.searchsorted(np.asarray(cuts, dtype=np.int64), which, side="right").astype(np.int64)
