"""Who keeps what among the pools that stand in the way of a higher one.

All of them give way, then they take back in turn whatever still fits. Orders are tried on copies of the free
watts and slots; only what comes of the best one is done to the room.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from aifactory_solver.strict.giving import settle_spread
from aifactory_solver.strict.room import Room

_EQUALS = 12  # pools that are tried in the stead of one that has to go


@dataclass(slots=True, eq=False)
class _Victim:
    """A pool that may have to give way."""

    pool: int
    turn: int  # its place among all of them, by `worth`
    rank: int  # of its priority, 0 is the highest
    gpus: int  # of a unit
    had: int  # units
    least: int  # it keeps its minimum or nothing; if it stood below that, all that stood or nothing
    rows: list[tuple[int, int]]  # row, units


@dataclass(slots=True)
class _Trial:
    """Free watts and slots, and what the victims keep."""

    left: "array[int]"  # (D,)
    free: "array[int]"  # (C,)
    kept: dict[int, int]  # units of each row
    held: list[int]  # units of each victim, by turn

    def copy(self) -> "_Trial":
        return _Trial(self.left[:], self.free[:], self.kept.copy(), self.held[:])


@dataclass(slots=True)
class _Refusal:
    """A minimum that did not fit at its turn, and the room that there was for each row."""

    victim: _Victim
    rows: list[tuple[int, int, list[int]]]  # units that it lacks, free slots, free watts up the chain


def worth(room: Room, pool: int) -> tuple[int, int, int]:
    """Sort key: who keeps first. Higher priority, then more GPUs (so the fewest are lost), then older."""
    layout = room.layout
    gpus = layout.gpus[layout.cell_system[layout.row_cell[room.rows_of[pool][0]]]]
    return (-layout.priority[pool], -room.stood_of[pool] * gpus, layout.age[pool])


class Sharing:
    """What pools may keep of what they have in a room where too much stands."""

    def __init__(self, room: Room, pools: list[int]) -> None:
        """``pools``: all that stand in the way, by `worth`; what they were newly given is taken back."""
        self.room, self.layout = room, room.layout
        ranks: dict[int, int] = {}
        for pool in pools:
            ranks.setdefault(room.layout.priority[pool], len(ranks))
            room.drop_new(pool)
        self._ranks = len(ranks)
        self.victims = [
            self._victim(pool, turn, ranks[room.layout.priority[pool]]) for turn, pool in enumerate(pools)
        ]
        self._start = _Trial(room.space.left[:], room.space.free[:], {}, [v.had for v in self.victims])
        for victim in self.victims:
            self._start.kept.update(victim.rows)
            self._give_up(self._start, victim)
        self._settled: dict[tuple[int, ...], list[int]] = {}

    def _victim(self, pool: int, turn: int, rank: int) -> _Victim:
        room, layout = self.room, self.layout
        rows = [(r, room.stays(r)) for r in room.rows_of[pool]]
        system, had = layout.cell_system[layout.row_cell[rows[0][0]]], room.kept_of[pool]
        return _Victim(pool, turn, rank, layout.gpus[system], had, min(had, layout.least(pool, system)), rows)

    def settle(self, near: Iterable[int]) -> None:
        """Let all keep whatever still fits, in their turn.

        Where some have to go, each of their equals that are ``near`` is also tried in their stead, for the
        fewest GPUs lost.
        """
        trial, refused = self._start.copy(), list[_Refusal]()
        keepers = self._minima(trial, self.victims, refused)
        middle = trial.copy()
        self._growth(trial, keepers)
        gone = [victim.rank for victim in self.victims if victim.least and not trial.held[victim.turn]]
        if gone:
            margin = min(gone)
            priority = next(self.layout.priority[v.pool] for v in self.victims if v.rank == margin)
            equals = [pool for pool in near if self.layout.priority[pool] == priority]
            equals = sorted(equals, key=lambda pool: worth(self.room, pool))[:_EQUALS]
            victims = {victim.pool: victim for victim in self.victims}
            last = [victims[pool] for pool in equals if pool in victims]
            if all(trial.kept[r] >= units for r, units in middle.kept.items()):
                last = [q for q in last if not self._alike(q, middle, trial, refused)]
            if last:
                trial = self._best(trial, margin, last)
        for r, units in trial.kept.items():
            self.room.keep(r, units)

    def _alike(self, last: _Victim, middle: _Trial, end: _Trial, refused: list[_Refusal]) -> bool:
        """Whether it is known that nobody keeps anything else if this pool comes last.

        So it is where what it leaves for the others in between lets in none that was refused after it: then
        all of them keep the same, and it finds its own room as it was. ``middle`` is the trial after the
        minima, ``end`` that after growth, both in turn; nobody may have lost anything between them.
        """
        if any(end.kept[r] != middle.kept[r] for r, _ in last.rows):
            return False
        if middle.held[last.turn] < last.least:
            return not self._may_fit(middle, last)
        layout, watts, slots = self.layout, dict[int, int](), dict[int, int]()
        for r, _ in last.rows:
            cell, units = layout.row_cell[r], middle.kept[r] - self._start.kept[r]
            slots[cell] = slots.get(cell, 0) + units
            for d in layout.chains[cell] if units else ():
                watts[d] = watts.get(d, 0) + units * layout.row_watts[r]
        return not any(
            self._lets_in(refusal, watts, slots) for refusal in refused if refusal.victim.turn > last.turn
        )

    def _lets_in(self, refusal: _Refusal, watts: dict[int, int], slots: dict[int, int]) -> bool:
        """Whether a refused minimum might fit with so much more room, row by row each for itself."""
        layout, victim = self.layout, refusal.victim
        most = self._start.held[victim.turn]
        for (r, _), (more, free, left) in zip(victim.rows, refusal.rows, strict=True):
            cell = layout.row_cell[r]
            room = [n + watts.get(d, 0) for n, d in zip(left, layout.chains[cell], strict=True)]
            fit = min(more, min(room) // layout.row_watts[r])
            most += max(0, min(fit, free + slots.get(cell, 0)) if layout.cell_open[cell] else fit)
        return most >= victim.least

    def _best(self, best: _Trial, margin: int, last: list[_Victim]) -> _Trial:
        """The trial that costs least: the one that there is, or one in which a pool comes last."""
        lost, before = self._lost(best), self._start.copy()
        equals = [victim for victim in self.victims if victim.rank == margin]
        lower = [victim for victim in self.victims if victim.rank > margin]
        keepers = self._minima(before, [victim for victim in self.victims if victim.rank < margin])
        first = 0
        for victim in last:  # in their turn, so that those before one need to be asked once only
            turn = equals.index(victim)
            keepers = keepers + self._minima(before, equals[first:turn])
            first, trial = turn, before.copy()
            others = self._minima(trial, equals[turn + 1 :])
            # From here on room only shrinks: a minimum that is lost by now stays so.
            safe = self._lost_minima(trial, margin)
            if self._may_fit(trial, victim):
                safe[margin] -= victim.least * victim.gpus
            if safe > lost[: margin + 1]:
                continue
            self._growth(trial, keepers + others + self._minima(trial, [*lower, victim]))
            loss = self._lost(trial)
            if loss < lost:
                best, lost = trial, loss
        return best

    def _lost(self, trial: _Trial) -> list[int]:
        """GPUs lost, in the order in which they matter: minima from the highest priority, then growth."""
        growth = [0] * self._ranks
        for victim in self.victims:
            growth[victim.rank] += (victim.had - max(trial.held[victim.turn], victim.least)) * victim.gpus
        return self._lost_minima(trial, self._ranks - 1) + growth

    def _lost_minima(self, trial: _Trial, last: int) -> list[int]:
        """GPUs lost of minima, from the highest priority to the one of a rank."""
        lost, held = [0] * (last + 1), trial.held
        for victim in self.victims:
            if victim.rank > last:
                break
            if held[victim.turn] < victim.least:
                lost[victim.rank] += (victim.least - held[victim.turn]) * victim.gpus
        return lost

    def _minima(
        self, trial: _Trial, victims: list[_Victim], refused: list[_Refusal] | None = None
    ) -> list[_Victim]:
        """Give back minima, each whole or not at all; the pools that have theirs."""
        keepers = []
        for victim in victims:
            if self._give_back(trial, victim, victim.least, whole=True):
                keepers.append(victim)
            elif refused is not None:
                refused.append(self._refusal(trial, victim))
        return keepers

    def _refusal(self, trial: _Trial, victim: _Victim) -> _Refusal:
        rows = []
        for r, had in victim.rows:
            cell = self.layout.row_cell[r]
            left = [trial.left[d] for d in self.layout.chains[cell]]
            rows.append((had - trial.kept[r], trial.free[cell], left))
        return _Refusal(victim, rows)

    def _growth(self, trial: _Trial, keepers: list[_Victim]) -> None:
        """Give back what is above the minima. A spread pool may lose by that what no split allows."""
        for victim in keepers:
            if victim.least < victim.had:
                self._give_back(trial, victim, victim.had, whole=False)
            if self.layout.spread[victim.pool]:
                self._settle_spread(trial, victim)
            if trial.held[victim.turn] < victim.least:
                self._give_up(trial, victim)

    # Small steps

    def _give_back(self, trial: _Trial, victim: _Victim, units: int, *, whole: bool) -> bool:
        """Let a pool keep up to ``units`` of what it had; ``whole``: all of them or nothing."""
        layout, kept, left = self.layout, trial.kept, trial.left
        rest = units - trial.held[victim.turn]
        for r, had in victim.rows:
            if rest <= 0:
                break
            cell, more = layout.row_cell[r], min(had - kept[r], rest)
            if layout.cell_open[cell]:
                more = min(more, trial.free[cell])
            if more > 0:
                more = min(more, min([left[d] for d in layout.chains[cell]]) // layout.row_watts[r])
                if more > 0:
                    self._keep(trial, victim, r, kept[r] + more)
                    rest -= more
        if whole and rest > 0:
            self._give_up(trial, victim)
            return False
        return True

    def _may_fit(self, trial: _Trial, victim: _Victim) -> bool:
        """Whether a pool's minimum may still fit; exact where it stands in one cell."""
        layout, most = self.layout, 0
        for r, had in victim.rows:
            cell = layout.row_cell[r]
            more = had - trial.kept[r]
            if layout.cell_open[cell]:
                more = min(more, trial.free[cell])
            room = min([trial.left[d] for d in layout.chains[cell]]) // layout.row_watts[r]
            most += trial.kept[r] + max(0, min(more, room))
        return most >= victim.least

    def _give_up(self, trial: _Trial, victim: _Victim) -> None:
        for r, _ in victim.rows:
            if trial.kept[r] and not self.layout.row_locked[r]:
                self._keep(trial, victim, r, 0)

    def _keep(self, trial: _Trial, victim: _Victim, row: int, units: int) -> None:
        layout, more = self.layout, units - trial.kept[row]
        cell, watts, left = layout.row_cell[row], more * layout.row_watts[row], trial.left
        trial.kept[row] = units
        trial.held[victim.turn] += more
        if layout.cell_open[cell]:
            trial.free[cell] -= more
        for d in layout.chains[cell]:
            left[d] -= watts

    def _settle_spread(self, trial: _Trial, victim: _Victim) -> None:
        """`settle_spread` on trial: it looks only at what the pool itself keeps."""
        room, rows = self.room, [r for r, _ in victim.rows]
        units = [trial.kept[r] for r in rows]
        key = (victim.pool, *units)
        if key not in self._settled:
            saved = room.save()
            for r, n in zip(rows, units, strict=True):
                room.keep(r, n)
            settle_spread(room, victim.pool)
            self._settled[key] = [room.stays(r) for r in rows]
            room.load(saved)
        for r, n in zip(rows, self._settled[key], strict=True):
            if n != trial.kept[r]:
                self._keep(trial, victim, r, n)
