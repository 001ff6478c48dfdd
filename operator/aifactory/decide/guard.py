"""One object stops nobody: what goes wrong about one is reported as its own, and the others go on."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple, TypeVar

from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.decide.model.world import Refused, World, key_of

T = TypeVar("T", AIFactory, GPUPool)


class Name(NamedTuple):
    """Names one object; a factory has no namespace."""

    kind: str
    namespace: str
    name: str


def name_of(it: AIFactory | GPUPool) -> Name:
    """An object's name."""
    return (
        Name("GPUPool", *key_of(it)) if isinstance(it, GPUPool) else Name("AIFactory", "", it.metadata.name)
    )


class Broken(Exception):  # noqa: N818 - as it reads in `except Broken`
    """Objects about which a decision could not be made, each with what went wrong."""

    def __init__(self, errors: Mapping[Name, Exception]) -> None:
        super().__init__(", ".join("/".join(name) for name in errors))
        self.errors = errors


class Guard:
    """Gathers what goes wrong about single objects."""

    def __init__(self) -> None:
        self._errors: dict[Name, Exception] = {}

    @contextmanager
    def about(self, name: Name) -> Iterator[None]:
        """What is done in here is about this object; if it fails, the rest goes on."""
        try:
            yield
        except Exception as error:
            self._errors.setdefault(name, error)

    def judge(self) -> None:
        """Raise Broken if anything went wrong."""
        if self._errors:
            raise Broken(self._errors)


def culprits(world: World, build: Callable[[World], object]) -> Broken | None:
    """Which objects the building of a world fails for; None where no single one is to blame."""

    def failing(objects: Sequence[T], alone: Callable[[Sequence[T]], World]) -> dict[Name, Exception]:
        try:
            build(alone(objects))
        except Exception as error:
            if len(objects) == 1:
                return {name_of(objects[0]): error}
            half = len(objects) // 2
            return failing(objects[:half], alone) | failing(objects[half:], alone)
        return {}

    empty = replace(world, factories=(), pools=(), claims=())
    errors = failing(world.factories, lambda some: replace(empty, factories=tuple(some)))
    sound = tuple(f for f in world.factories if name_of(f) not in errors)
    errors |= failing(world.pools, lambda some: replace(empty, factories=sound, pools=tuple(some)))
    return Broken(errors) if errors else None


def without(world: World, broken: Broken) -> tuple[World, list[str]]:
    """The world with these objects as ones that make no sense, and what is to be logged of each."""
    refused, log = list(world.refused), []
    objects: list[AIFactory | GPUPool] = [*world.factories, *world.pools]
    for it in objects:
        if error := broken.errors.get(name_of(it)):
            says = f"The operator cannot make sense of it: {type(error).__name__}: {error}"
            kind = type(it).__name__
            refused.append(Refused(kind, it.metadata, says[:_LONGEST], it.status.wire()))
            trace = "".join(traceback.format_exception(error))
            log.append(f"{' '.join(part for part in name_of(it) if part)} is left aside: {trace}")
    world = replace(
        world,
        factories=tuple(f for f in world.factories if name_of(f) not in broken.errors),
        pools=tuple(p for p in world.pools if name_of(p) not in broken.errors),
        refused=tuple(refused),
    )
    return world, log


_LONGEST = 1024  # characters of a message
