"""What is worked out once for an object is worked out again for another, and kept as long as the object."""

import weakref
from dataclasses import dataclass

from aifactory.api.reading import parse_pool
from aifactory.decide.once import once
from unit.decide.build import pool


@dataclass(frozen=True, eq=False)
class Thing:
    number: int


@dataclass(frozen=True)
class Result:
    number: int


def test_it_is_worked_out_once_for_each_object() -> None:
    asked: list[int] = []

    @once
    def result(thing: Thing) -> Result:
        asked.append(thing.number)
        return Result(thing.number)

    one, alike = Thing(1), Thing(1)
    assert result(one) is result(one)
    assert result(alike) == result(one)
    assert result(alike) is not result(one)
    assert asked == [1, 1]


def test_nothing_is_kept_of_an_object_that_is_gone() -> None:
    @once
    def result(thing: Thing) -> Result:
        return Result(thing.number)

    for number in range(100):  # the next one often has the place of the last in memory
        thing = Thing(number)
        given = weakref.ref(result(thing))
        assert result(thing) == Result(number)
        del thing
        assert given() is None


def test_an_edited_copy_of_a_resource_is_another_object() -> None:
    @once
    def gpus(it: object) -> int:
        return int(it.spec.gpus)  # type: ignore[attr-defined]

    before = parse_pool(pool("a/t", 8).manifest())
    assert gpus(before) == 8
    after = before.model_copy(update={"spec": before.spec.model_copy(update={"gpus": 16})})
    assert (gpus(after), gpus(before)) == (16, 8)
