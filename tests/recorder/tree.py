"""A factory's limits, spread out from its spec: every domain instance with the watts that it may carry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from aifactory.api.factory import AIFactory
from aifactory.api.reading import Invalid, parse_factory
from aifactory.api.systems import systems_of

from .objects import Resource


@dataclass(frozen=True)
class Tree:
    """The limits of one generation. The path '' is the factory itself."""

    limits: Mapping[str, int]  # IT watts, by the path that nodes are stamped with
    shown: Mapping[str, str]  # the same paths as people read them
    rated: Mapping[str, int]  # watts of a unit of each system, with overhead
    paused: bool

    def rated_watts(self, system: str) -> int:
        """What a unit is rated at in this generation; 0 where nothing is known of it."""
        return self.rated.get(system, 0)


def read_tree(resource: Resource) -> Tree | None:
    """Spread the spec out; None where it makes no sense."""
    try:
        factory = parse_factory(
            {
                "apiVersion": "aifactory.dev/v1alpha1",
                "kind": "AIFactory",
                "metadata": {"name": resource.name},
                "spec": resource.spec,
            }
        )
    except Invalid:
        return None
    power = factory.spec.power
    quota = power.quota / (power.peak_pue or 1) if power.basis == "Gross" else power.quota
    limits, shown = {"": _floor(quota)}, {"": ""}
    counts = {domain.path: domain.count for domain in power.domains}
    for domain in power.domains:
        steps = domain.path.split("/")
        numbers = [range(1, counts["/".join(steps[: i + 1])] + 1) for i in range(len(steps))]
        for chosen in product(*numbers):
            path = identity("/".join(f"{s}-{n}" for s, n in zip(steps, chosen, strict=True)))
            several = [len(numbers[i]) > 1 for i in range(len(steps))]
            name = "/".join(
                f"{s}-{n}" if many else s for s, n, many in zip(steps, chosen, several, strict=True)
            )
            limits[path], shown[path] = _floor(domain.limit), name
    for entry in power.limits:
        path = identity(entry.domain)
        if path in limits:
            limits[path] = min(limits[path], _floor(entry.limit))
    return Tree(limits, shown, _rated(factory), factory.spec.paused)


def _rated(factory: AIFactory) -> dict[str, int]:
    overhead = factory.spec.power.overhead_percent
    watts = {
        name: system.max_watts * (100 + overhead) / 100
        for name, system in systems_of(factory.spec.systems).items()
        if system.max_watts is not None
    }
    return {name: -_floor(-value) for name, value in watts.items()}


def _floor(value: Fraction) -> int:
    return value.numerator // value.denominator


def identity(path: str) -> str:
    """A path as nodes are stamped with it: the first of several bears no number, whoever writes it."""
    return "/".join(re.sub(r"^(.+?)(-1)+$", r"\1", step) for step in path.split("/"))


def above(path: str) -> list[str]:
    """The path and all above it, the factory last."""
    steps = path.split("/") if path else []
    return ["/".join(steps[:n]) for n in range(len(steps), -1, -1)]
