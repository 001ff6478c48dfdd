"""The relaxation by HiGHS' simplex, its columns generated as they are needed.

A vertex splits few demands over several offers, which is what a plan wants for its targets. Most columns are
never used: the program begins with those that a plan at hand uses, and those whose reduced costs say that
they would pay are added until there are none (Gilmore and Gomory 1961). The primal simplex goes on from where
it was.
"""

import highspy
import numpy as np

from aifactory_solver.problem import Bools, Ints
from aifactory_solver.relax.bound import Prices
from aifactory_solver.relax.demand import Floats
from aifactory_solver.relax.engine import MISSED, Aim, Optimum
from aifactory_solver.relax.relaxation import Relaxation

_FIRST, _MORE = 2, 4  # columns of a demand that no plan serves to begin with, and at most added in each round
_PAYS = 1e-7  # reduced cost, relative to the largest weight
_PRIMAL = 4  # HiGHS' simplex_strategy


class NotSolved(RuntimeError):  # noqa: N818 - reads as it is used
    """HiGHS came to no end that can be used."""


def simplex(relaxation: Relaxation, aim: Aim) -> Optimum:
    """Solve to optimality. Raises `NotSolved`."""
    demands, offers, classes = relaxation.demands, relaxation.offers, relaxation.classes
    may, gain = demands.may_use, relaxation.gain
    worth = aim.weight[demands.band][:, None] * gain
    first = _begin(may, relaxation.used)
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, setting in (("output_flag", False), ("threads", 1), ("presolve", "off")):
        highs.setOptionValue(option, setting)
    highs.passModel(linear_program(relaxation, aim, first))
    columns = [np.nonzero(first)]
    others = offers.pair_cell.size + relaxation.bands  # columns between the first and the added ones
    missing = may & ~first
    ends = np.cumsum([demands.count, offers.count, classes.cells, classes.domains])
    while True:
        dual = _run(highs)
        price, rent, floor = dual[: ends[0]], dual[ends[0] : ends[1]], dual[ends[3] :]
        reduced = worth - gain * (price - floor[demands.band])[:, None] - rent[None, :]
        pays = missing & (reduced > _PAYS * float(aim.weight.max(initial=1.0)))
        if not pays.any():
            break
        added = _best(np.where(pays, reduced, -np.inf), _MORE) & pays
        d, u = np.nonzero(added)
        columns.append((d, u))
        missing &= ~added
        g, one = gain[d, u], np.ones(d.size)
        index = np.stack((d, ends[0] + u, ends[3] + demands.band[d]), axis=1).reshape(-1)
        value = np.stack((g, one, -g), axis=1).reshape(-1)
        starts, top = np.arange(0, 3 * d.size, 3), np.full(d.size, highspy.kHighsInf)
        highs.addCols(d.size, worth[d, u], 0 * one, top, index.size, starts, index, value)
        highs.setOptionValue("simplex_strategy", _PRIMAL)
    found = np.asarray(highs.getSolution().col_value)
    x = np.delete(found, np.s_[columns[0][0].size : columns[0][0].size + others])
    targets = np.zeros(may.shape)
    targets[tuple(np.concatenate(axis) for axis in zip(*columns, strict=True))] = x
    slot, watt = dual[ends[1] : ends[2]], dual[ends[2] : ends[3]] / _largest(relaxation)
    return Optimum(Prices(slot, watt, np.maximum(0.0, floor)), targets)


def _run(highs: highspy.Highs) -> Floats:
    """(rows,) the dual values of an optimum."""
    highs.run()
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise NotSolved(f"HiGHS ended with {highs.modelStatusToString(status)}")
    return np.asarray(highs.getSolution().row_dual)


def _begin(may: Bools, used: Bools | None) -> Bools:
    """The columns that a plan uses; a few at random, the same ones every time, of demands without any.

    The cheapest alone would all crowd together.
    """
    some = _best(np.where(may, np.random.default_rng(0).random(may.shape), -np.inf), _FIRST) & may
    return some if used is None else np.where(used.any(axis=1, keepdims=True), used, some)


def _best(values: Floats, count: int) -> Bools:
    """The ``count`` highest of each row."""
    chosen = np.zeros(values.shape, dtype=np.bool_)
    if values.size:
        count = min(count, values.shape[1])
        np.put_along_axis(chosen, np.argpartition(-values, count - 1, axis=1)[:, :count], True, axis=1)
    return chosen


def _largest(relaxation: Relaxation) -> float:
    """Rows of watts are divided by this, so that the largest unit is 1."""
    return float(relaxation.classes.watts.max(initial=1))


def linear_program(relaxation: Relaxation, aim: Aim, used: Bools) -> highspy.HighsLp:
    """The program as HiGHS takes it, rows as `Relaxation` lists them.

    Columns: x where ``used`` (D, U), z, and what each band's floor is missed by, at a price that no GPU is
    worth, so that no rounding makes the program infeasible.
    """
    demands, offers, classes = relaxation.demands, relaxation.offers, relaxation.classes
    d, u = np.nonzero(used)
    gain, band, bands = relaxation.gain[d, u], demands.band[d], np.arange(relaxation.bands)
    x, z = np.arange(d.size), d.size + np.arange(offers.pair_cell.size)
    missed = x.size + z.size + bands
    first = np.cumsum([0, demands.count, offers.count, classes.cells, classes.domains])
    entries: list[tuple[Ints, Ints, Floats]] = [
        (d, x, gain),
        (first[1] + u, x, np.ones(x.size)),
        (first[1] + offers.pair_offer, z, -np.ones(z.size)),
        (first[2] + offers.pair_cell, z, np.ones(z.size)),
    ]
    for above in relaxation.chain[offers.pair_cell].T:
        some = above < classes.domains
        watts = classes.watts[offers.pair_cell][some] / _largest(relaxation)
        entries.append((first[3] + above[some], z[some], watts))
    entries += [(first[4] + band, x, -gain), (first[4] + bands, missed, -np.ones(bands.size))]
    rows, columns, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    order = np.lexsort((rows, columns))
    lp = highspy.HighsLp()
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.num_col_, lp.num_row_ = int(x.size + z.size + missed.size), int(first[4]) + bands.size
    missing = np.full(bands.size, -MISSED * float(aim.weight.max(initial=1.0)))
    lp.col_cost_ = np.concatenate((aim.weight[band] * gain, np.zeros(z.size), missing))
    lp.col_lower_ = np.zeros(lp.num_col_)
    lp.col_upper_ = np.full(lp.num_col_, highspy.kHighsInf)
    lp.row_lower_ = np.full(lp.num_row_, -highspy.kHighsInf)
    lp.row_upper_ = _right_hand_sides(relaxation, aim)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_ = np.concatenate(([0], np.cumsum(np.bincount(columns, minlength=lp.num_col_))))
    lp.a_matrix_.index_ = rows[order]
    lp.a_matrix_.value_ = values[order]
    return lp


def _right_hand_sides(relaxation: Relaxation, aim: Aim) -> Floats:
    rows = (
        relaxation.demands.need,
        np.zeros(relaxation.offers.count),
        relaxation.slots,
        relaxation.limit / _largest(relaxation),
        np.where(aim.floor > 0, -aim.floor, highspy.kHighsInf),
    )
    return np.concatenate([row.astype(np.float64) for row in rows])
