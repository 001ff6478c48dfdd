"""The worlds that most rules are tried in."""

from typing import Any

from unit.solver.build import World


def hall(watts: int, slots: int = 100) -> World:
    """Factory a, with a limit."""
    return World().factory("a", watts).slots("a", slots)


def two_halls(first: int = 100, second: int = 100, factory: int = 1000) -> World:
    """Factory a with two halls, each with a limit and a hundred slots."""
    made = World().factory("a", factory).domain("a/hall-1", first).domain("a/hall-2", second)
    return made.slots("a/hall-1", 100).slots("a/hall-2", 100)


def site(**limits: int) -> World:
    """Factory a with two halls of one row each, ten slots a row; limits by name, dashes as underscores."""
    made = World()
    for path in ("a", "a/hall-1", "a/hall-2", "a/hall-1/row", "a/hall-2/row"):
        made.domain(path, limits.get(path.replace("/", "_").replace("-", ""), 100))
    return made.slots("a/hall-1/row", 10, fabric="a/hall-1").slots("a/hall-2/row", 10, fabric="a/hall-2")


ROW_1, ROW_2 = "a/hall-1/row", "a/hall-2/row"


def mixed() -> World:
    made = World().factory("a").factory("b")
    return made.slots("a", 9, "one").slots("a", 9, "two").slots("b", 9, "one")


def taken_from(high: int, watts: int, **low: dict[str, Any]) -> World:
    """A full factory, and a pool of higher priority that asks for room; `holds` is what each low one has."""
    made = hall(watts)
    for name, spec in low.items():
        fields = dict(spec)
        holds = fields.pop("holds")
        made.pool(name, **{"gpus": holds, "priority": 1, "preemptible": True, **fields}).stands(
            name, "a", holds
        )
    return made.pool("high", high, priority=9)


def halls() -> World:
    """Two factories, two halls each, two rows a hall, four slots a row; one fabric a hall."""
    made = World()
    for factory in ("a", "b"):
        made.factory(factory)
        for hall in (f"{factory}/hall-1", f"{factory}/hall-2"):
            made.domain(hall)
            for row in (f"{hall}/row-1", f"{hall}/row-2"):
                made.domain(row).slots(row, 4, fabric=hall)
    return made
