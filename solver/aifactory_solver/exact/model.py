"""A question as one integer programme, in neutral arrays that any solver can be fed with.

Every pool has options: a system, and for packed pools the domain that all units stand in. A binary says
which option is taken. Units are flows: from the option into a node (the cells that it may use), from there
into cells. Only how many units of all pools together a cell gets is an integer column, and even that only
where units of several watts share a limit: with those numbers and the binaries fixed, what is left is a
network flow with integral bounds, so it has an integral solution that is no worse.

All numbers are integers. Every column is at least 0.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from math import floor, gcd

import numpy as np

from aifactory_solver.exact.ways import Node, Option, Spot, Ways
from aifactory_solver.problem import Bools, Ints
from aifactory_solver.question import Question

FAR = 2**62  # no bound
KINDS = ("minimum", "growth", "systems", "money", "carbon")  # of goals, in their order
SERVED = ("minimum", "growth")  # those that count GPUs
ROUGH = ("money", "carbon")  # those that are proved to within a hundred-thousandth
_EVEN = 1e-5  # the share that a bound of those may be off
Terms = list[tuple[int, int]]  # (column, coefficient)


@dataclass(frozen=True, eq=False)
class Goal:
    """Something to maximise, before every goal after it. No plan has more than ``top``."""

    kind: str  # one of KINDS; systems, money and carbon are negative
    priority: int  # of minimum and growth, else 0
    row: int  # the row of the model that holds it, in multiples of ``unit``
    unit: int
    top: int
    weight: float  # that makes a handy objective of the row
    values: Ints  # of minimum and growth: all sums that its pools can make, ascending, each in its own place

    def most(self, bound: float) -> int:
        """The most that a plan can have where no plan has more than ``bound``."""
        if not self.values.size:
            return min(self.top, floor(bound / self.unit) * self.unit)
        return int(self.values[max(0, int(np.searchsorted(self.values, bound, side="right")) - 1)])

    def proves(self, score: int, most: int) -> bool:
        """Whether no plan has more than ``score`` where no plan has more than ``most``."""
        return score >= most - (_EVEN * abs(score) if self.kind in ROUGH else 0)

    def gap(self, score: int) -> float:
        """How near a bound has to come to a value of at least ``score`` to prove it, times ``weight``.

        Half a step of the goal is left to hints.
        """
        if self.kind in ROUGH:
            return _EVEN / 2 * abs(score) / self.unit * self.weight
        more = self.values[self.values >= score]
        step = int(np.diff(more).min()) if more.size > 1 else self.unit
        return step / self.unit - 0.5


@dataclass(frozen=True, eq=False)
class Model:
    """Maximise goal after goal, such that row_lower <= A x <= row_upper and 0 <= x <= upper."""

    upper: Ints  # (N,)
    early: Ints  # (N,) upper bounds that suffice for goals of the kind "minimum"
    integer: Bools  # (N,)
    start: Ints  # (M + 1,) rows of A, compressed: where each begins in index and value
    index: Ints  # column numbers
    value: Ints
    row_lower: Ints  # (M,) -FAR where there is none
    row_upper: Ints  # (M,) FAR where there is none
    goals: tuple[Goal, ...]


class Builder:
    """Builds a model; what its columns mean stays in the options and nodes."""

    def __init__(self, question: Question) -> None:
        self.ways = ways = Ways(question)
        self._upper: list[int] = []
        self._early: list[int] = []
        self._integer: list[bool] = []
        self._rows: list[tuple[Terms, int, int]] = []
        self._into: list[Terms] = [[] for _ in ways.nodes]
        for options in ways.options.values():
            for option in options:
                self._option(option)
            self._row([(o.taken, 1) for o in options], -FAR, 1)
        for older, younger in (pair for group in ways.alike for pair in pairwise(group)):
            first, second = ways.options[older], ways.options[younger]
            self._row([*((o.taken, 1) for o in first), *((o.taken, -1) for o in second)], 0, FAR)
        self._flows()
        goals = self._goals()
        flat = [term for terms, _, _ in self._rows for term in terms]
        self.model = Model(
            upper=_ints(self._upper),
            early=_ints(self._early),
            integer=np.asarray(self._integer, np.bool_),
            start=_ints([0, *np.cumsum([len(terms) for terms, _, _ in self._rows]).tolist()]),
            index=_ints([column for column, _ in flat]),
            value=_ints([value for _, value in flat]),
            row_lower=_ints([lower for _, lower, _ in self._rows]),
            row_upper=_ints([upper for _, _, upper in self._rows]),
            goals=goals,
        )

    def _column(self, upper: int, *, integer: bool = False, early: int | None = None) -> int:
        self._upper.append(upper)
        self._early.append(upper if early is None else early)
        self._integer.append(integer)
        return len(self._upper) - 1

    def _row(self, terms: Terms, lower: int, upper: int) -> int:
        merged: dict[int, int] = {}
        for column, value in terms:
            merged[column] = merged.get(column, 0) + value
        self._rows.append(([term for term in merged.items() if term[1]], lower, upper))
        return len(self._rows) - 1

    # What pools take

    def _option(self, o: Option) -> None:
        grows_only = 0 if self.ways.minimum(o.pool) == 0 else 1
        o.taken = self._column(1, integer=True, early=grows_only)
        units: Terms = [(o.taken, o.least)]
        # Every further unit earns its GPUs, the last one perhaps only what the wish still lacks.
        for room, earns in o.pieces:
            column = self._column(room, early=room if o.shares else 0)
            self._row([(column, 1), (o.taken, -room)], -FAR, 0)
            o.more.append((column, room, earns))
            units.append((column, 1))
        if not o.spots:
            self._into[o.node].extend(units)
            return
        if o.shares:
            # share <= ceil(units / places); both sides are integers
            o.share = self._column(o.most_share, integer=True)
            self._row([(o.share, 1), (o.taken, -o.most_share)], -FAR, 0)
            at_most = [(column, -n) for column, n in units]
            self._row([(o.share, o.places), (o.taken, 1 - o.places), *at_most], -FAR, 0)
        for spot in o.spots:
            self._spot(o, spot, grows_only)
        self._row([*((s.units, 1) for s in o.spots), *((c, -n) for c, n in units)], 0, 0)
        self._row([*((s.used, 1) for s in o.spots), (o.taken, -o.places)], 0, FAR)

    def _spot(self, o: Option, spot: Spot, early: int) -> None:
        most = min(spot.fits, o.most_share)
        spot.used = self._column(1, integer=True, early=early)
        spot.units = self._column(most)
        self._row([(spot.used, 1), (o.taken, -1)], -FAR, 0)
        self._row([(spot.units, 1), (spot.used, -most)], -FAR, 0)
        self._row([(spot.units, 1), (spot.used, -1)], 0, FAR)
        if o.shares:
            self._row([(spot.units, 1), (o.share, -1)], -FAR, 0)
        self._into[spot.node].append((spot.units, 1))

    # Where it goes

    def _flows(self) -> None:
        ways = self.ways
        into_class: list[Terms] = [[] for _ in ways.classes]
        for number in ways.downwards:
            node: Node = ways.nodes[number]
            out: Terms = []
            for target in node.below:
                column = self._column(sum(ways.classes[c].units for c in ways.nodes[target].classes))
                node.arcs.append(column)
                out.append((column, -1))
                self._into[target].append((column, 1))
            for target in () if node.below else node.classes:
                column = self._column(ways.classes[target].units)
                node.arcs.append(column)
                out.append((column, -1))
                into_class[target].append((column, 1))
            self._row([*self._into[number], *out], 0, 0)
        for kind, terms in zip(ways.classes, into_class, strict=True):
            kind.total = self._column(kind.units, integer=kind.mixed)
            self._row([*terms, (kind.total, -1)], -FAR, 0)
        for limit in ways.limits:
            terms = [(ways.classes[c].total, ways.classes[c].watts) for c in limit.classes]
            divisor = gcd(*(watts for _, watts in terms))
            self._row([(column, watts // divisor) for column, watts in terms], -FAR, limit.left // divisor)

    # What is wanted

    def _goals(self) -> tuple[Goal, ...]:
        ways = self.ways
        terms: dict[tuple[str, int], Terms] = defaultdict(list)
        values: dict[tuple[str, int], int] = defaultdict(lambda: 1)  # bit n is set where n can be had
        systems: Terms = []
        for pool, options in ways.options.items():
            priority, minimum = int(ways.problem.priority[pool]), ways.minimum(pool)
            grown = set[int]()
            for o in options:
                have = o.least_served - minimum
                terms["minimum", priority].append((o.taken, minimum))
                terms["growth", priority] += [(o.taken, have), *((c, earns) for c, _, earns in o.more)]
                systems.append((o.taken, -o.rank))
                grown.add(have)
                for room, earns in o.pieces:
                    grown.update(have + n * earns for n in range(1, room + 1))
                    have += room * earns
            for kind, sums in (("minimum", {minimum}), ("growth", grown)):
                before = values[kind, priority]
                for n in sums:
                    values[kind, priority] |= before << n
        goals = []
        for kind, priority in sorted(terms, key=lambda key: (key[0] == "growth", -key[1])):
            goals += self._goal(kind, priority, terms[kind, priority], values[kind, priority])
        goals += self._goal("systems", 0, systems, 1)
        for kind, each in (("money", ways.problem.cell_cost), ("carbon", ways.problem.cell_carbon)):
            goals += self._goal(kind, 0, [(c.total, -int(each[c.cells[0]])) for c in ways.classes], 1)
        return tuple(goals)

    def _goal(self, kind: str, priority: int, terms: Terms, values: int) -> list[Goal]:
        terms = [(column, value) for column, value in terms if value]
        unit = gcd(*(value for _, value in terms))
        if not terms:
            return []
        row = self._row([(column, value // unit) for column, value in terms], -FAR, FAR)
        bits = np.frombuffer(values.to_bytes(values.bit_length() // 8 + 1, "little"), np.uint8)
        sums = np.flatnonzero(np.unpackbits(bits, bitorder="little")) if kind in SERVED else np.zeros(0)
        weight = 1.0 if kind not in ROUGH else unit / max(abs(value) for _, value in terms)
        return [Goal(kind, priority, row, unit, values.bit_length() - 1, weight, sums.astype(np.int64))]


def _ints(values: list[int]) -> Ints:
    return np.asarray(values, np.int64)
