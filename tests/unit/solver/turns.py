"""How the world turns against a fleet that was well."""

from dataclasses import replace

from unit.solver.draft import Draft, Rng
from unit.solver.fleet import resize, respec


def _limits_fall(draft: Draft, rng: Rng) -> None:
    for domain in range(len(draft.parent)):
        if rng.random() < 0.25:
            draft.limit[domain] = int(draft.limit[domain] * rng.choice((0, 0.3, 0.6, 0.9)))


def _units_are_lost(draft: Draft, rng: Rng) -> None:
    for row in list(draft.rows):
        if rng.random() < 0.15:
            row.units = int(rng.integers(0, row.units + 1))
    draft.rows = [row for row in draft.rows if row.units]


def _units_leave(draft: Draft, rng: Rng) -> None:
    """A unit out of service, a domain out of service, a factory that drains."""
    out = {domain for domain in range(len(draft.parent)) if rng.random() < 0.1}
    for cell, domain in enumerate(draft.cell_domain):
        if out & set(draft.chain(domain)):
            draft.cell_open[cell] = False
    rows = []
    for row in draft.rows:
        if out & set(draft.chain(draft.cell_domain[row.cell])):
            row.leave = True
        elif rng.random() < 0.1:
            sick = int(rng.integers(1, row.units + 1))
            draft.cell_units[row.cell] -= sick
            rows.append(replace(row, units=sick, leave=True))
            row.units -= sick
        rows.append(row)
    draft.rows = [row for row in rows if row.units]


def _cells_close(draft: Draft, rng: Rng) -> None:
    for cell in range(len(draft.cell_open)):
        if rng.random() < 0.15:
            draft.cell_open[cell] = False
            if rng.random() < 0.3:
                draft.cell_fabric[cell] = -1


def _factories_lock(draft: Draft, rng: Rng) -> None:
    """A paused factory, or one that cannot be seen. What leaves there keeps its slot."""
    for factory in range(draft.factories):
        if rng.random() < 0.3:
            shut = rng.random() < 0.8
            for row in draft.rows:
                if draft.factory[draft.cell_domain[row.cell]] == factory:
                    row.locked = True
            for cell, domain in enumerate(draft.cell_domain):
                if draft.factory[domain] == factory:
                    draft.cell_open[cell] &= not shut
    taken = draft.taken()
    draft.cell_units = [max(pair) for pair in zip(draft.cell_units, taken, strict=True)]


def _specs_change(draft: Draft, rng: Rng) -> None:
    """By the pool's own spec, which may move it, or by a factory's labels and catalogue, which may not."""
    for number, pool in enumerate(draft.pools):
        if rng.random() < 0.4:
            respec(draft, rng, pool)
            draft.set_fits()
            apart = not all(row.fits for row in draft.rows_of(number))
            pool.changed = bool(rng.random() < 0.8) and (apart or pool.spread > 0)


def _pools_areresized(draft: Draft, rng: Rng) -> None:
    for pool in draft.pools:
        if rng.random() < 0.25:
            resize(draft, rng, pool)


def _watts_rise(draft: Draft, rng: Rng) -> None:
    for row in draft.rows:
        if rng.random() < 0.2:
            row.watts += 1 + int(row.watts * rng.uniform(0, 0.3))


def _units_are_leaving(draft: Draft, rng: Rng) -> None:
    taken = draft.taken()
    for cell, held in enumerate(taken):
        free = draft.cell_units[cell] - held
        if free > 0 and rng.random() < 0.3:
            units = int(rng.integers(1, free + 1))
            draft.cell_leaving[cell] += units
            draft.leaving[draft.cell_domain[cell]] += units * draft.cell_watts[cell]


def _releases_are_cut_off(draft: Draft, rng: Rng) -> None:
    """Some units of standing pools are being released, and what was to follow did not."""
    for number, pool in enumerate(draft.pools):
        rows = [row for row in draft.rows_of(number) if not row.locked]
        if not rows or rng.random() > 0.2:
            continue
        row = rows[int(rng.integers(len(rows)))]
        units = int(rng.integers(1, row.units + 1))
        row.units -= units
        # A slot that is out of service is none of the cell's any more: no other that stays may lose its own.
        others = [r for r in draft.rows if r.cell == row.cell and (r.locked or not r.leave)]
        slots = draft.cell_units[row.cell] - draft.cell_leaving[row.cell] - sum(r.units for r in others)
        draft.cell_leaving[row.cell] += max(0, min(units, slots))
        draft.leaving[draft.cell_domain[row.cell]] += units * row.watts
        pool.uprooted, pool.displaced = True, units * int(rng.integers(2))
    draft.rows = [row for row in draft.rows if row.units]


def _pools_pause(draft: Draft, rng: Rng) -> None:
    for pool in draft.pools:
        pool.frozen = bool(rng.random() < 0.15)


def _strays_appear(draft: Draft, rng: Rng) -> None:
    for domain in range(len(draft.parent)):
        if rng.random() < 0.15:
            draft.fixed[domain] += int(draft.limit[domain] * rng.uniform(0, 0.5))


TURNS = {
    "limits": _limits_fall,
    "lost": _units_are_lost,
    "leave": _units_leave,
    "closed": _cells_close,
    "locked": _factories_lock,
    "specs": _specs_change,
    "resized": _pools_areresized,
    "watts": _watts_rise,
    "leaving": _units_are_leaving,
    "cut off": _releases_are_cut_off,
    "paused": _pools_pause,
    "fixed": _strays_appear,
}
