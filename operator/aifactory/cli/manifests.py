"""The AIFactories and GPUPools of some files, judged as the API server does, and a world of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aifactory.api import names
from aifactory.api.backend import KINDS
from aifactory.api.factory import AIFactory
from aifactory.api.meta import ObjectMeta
from aifactory.api.pool import GPUPool
from aifactory.api.reading import Invalid, Problem, parse_factory, parse_pool, status_problems
from aifactory.cli.documents import documents
from aifactory.cli.present import held_back
from aifactory.decide.model.layout import lay_out, quota_watts, smallest_unit
from aifactory.decide.model.world import Refused, World, claims_of, key_of

FILES = "File with AIFactories and GPUPools, or folder that is searched for files; - is standard input."

_KINDS = ("AIFactory", "GPUPool")


class BadInput(ValueError):  # noqa: N818 - as it reads in `except BadInput`
    """Manifests that cannot be read: one line for each thing that is wrong, with its file."""


@dataclass(frozen=True)
class Manifests:
    """The resources of some files, in the order in which they stand there."""

    factories: tuple[AIFactory, ...]
    pools: tuple[GPUPool, ...]
    objects: tuple[dict[str, Any], ...]  # as they were read
    refused: tuple[Refused, ...] = ()
    wrong: tuple[str, ...] = ()  # what is wrong with those


@dataclass
class _Reading:
    """What was read so far."""

    factories: dict[str, AIFactory] = field(default_factory=dict)
    pools: dict[tuple[str, str], GPUPool] = field(default_factory=dict)
    objects: list[dict[str, Any]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)  # nothing can be done with these files
    invalid: list[str] = field(default_factory=list)
    named: set[tuple[str, str, str]] = field(default_factory=set)


def read(
    paths: list[Path], change: Callable[[list[dict[str, Any]]], None] | None = None, *, present: bool = True
) -> Manifests:
    """Read all AIFactories and GPUPools of files and folders (`-` is standard input).

    Objects of other kinds are left aside, as they may well stand in the same files. ``change`` is given all
    objects before they are judged. Where they are the ``present`` state, their statuses have to be readable.
    Raises BadInput for what is no object, has no name or is there twice, and where nothing is found; an
    object that is only not valid stops no other.
    """
    so_far = _Reading()
    found = [
        (source, obj)
        for source, obj in documents(paths, so_far.unusable)
        if str(obj.get("apiVersion", "")).startswith(f"{names.GROUP}/")
    ]
    if not found and not so_far.unusable:
        so_far.unusable.append(f"{', '.join(map(str, paths))}: there is no AIFactory and no GPUPool")
    if change is not None:
        change([obj for _, obj in found])
    for source, obj in found:
        _read_one(source, obj, so_far, present=present)
    if so_far.unusable:
        raise BadInput("\n".join((*so_far.unusable, *so_far.invalid)))
    return Manifests(
        tuple(so_far.factories.values()),
        tuple(so_far.pools.values()),
        tuple(so_far.objects),
        tuple(so_far.refused),
        tuple(so_far.invalid),
    )


def _read_one(source: str, obj: dict[str, Any], so_far: _Reading, *, present: bool) -> None:
    kind, meta = obj.get("kind"), obj.get("metadata")
    if kind not in _KINDS:
        so_far.unusable.append(f"{source}: found kind {kind!r}, allowed are AIFactory and GPUPool")
        return
    # What judges as the API server does takes its time to import, and `aifactory run` needs none of it.
    from aifactory.cli.admission import admit  # noqa: PLC0415

    answer = admit(obj)
    name = meta.get("name") if isinstance(meta, dict) else None
    title = f"{source}: {kind} {name if isinstance(name, str) and name else '(without a name)'}"
    if not isinstance(name, str) or not name:
        so_far.unusable.append(_listed(f"{title} is not valid", answer.problems))
        return
    key = (str(kind), namespace_of(obj), name)
    if key in so_far.named:
        so_far.unusable.append(f"{title} is there twice")
        return
    so_far.named.add(key)
    so_far.objects.append(obj)
    if unreadable := status_problems(obj) if present else ():
        so_far.unusable.append(_listed(f"{title} has a status that cannot be read", unreadable))
        return
    if answer.problems:
        so_far.invalid.append(_listed(f"{title} is not valid", answer.problems))
        so_far.refused.append(_refused(obj, answer.problems))
        return
    kept = answer.kept | ({"status": obj["status"]} if obj.get("status") else {})
    try:
        if kind == "AIFactory":
            so_far.factories[name] = parse_factory(kept)
            if useless := _useless_quota(so_far.factories[name]):
                so_far.invalid.append(_listed(f"{title} is taken at apply, but of no use", [useless]))
        else:
            pool = parse_pool(kept)
            so_far.pools[key_of(pool)] = pool
    except Invalid as error:
        taken = f"{title} is taken at apply, but not followed (InvalidSpec)"
        so_far.invalid.append(_listed(taken, error.problems))
        so_far.refused.append(_refused(obj, error.problems))


def _useless_quota(factory: AIFactory) -> Problem | None:
    quota, smallest = quota_watts(factory), smallest_unit(lay_out(factory))
    if not 0 < quota < smallest:
        return None
    message = f"carries {quota} W, allowed is 0, or at least the smallest unit of the racks, {smallest} W"
    return Problem("spec.power.quota", f"{message}: 100M is 100 MW")


def namespace_of(obj: dict[str, Any]) -> str:
    """The namespace that an object is in once it is applied; empty for a factory."""
    return "" if obj["kind"] == "AIFactory" else str(obj["metadata"].get("namespace") or "default")


def _listed(title: str, problems: Iterable[Problem]) -> str:
    return "\n".join([f"{title}:", *(f"  {problem}" for problem in problems)])


def _refused(obj: dict[str, Any], problems: Iterable[Problem]) -> Refused:
    meta, status = obj["metadata"], obj.get("status")
    generation = meta.get("generation")
    known = ObjectMeta(
        name=meta["name"],
        namespace=namespace_of(obj),
        generation=generation if isinstance(generation, int) else 0,
    )
    message = "; ".join(map(str, problems))
    return Refused(obj["kind"], known, message, status if isinstance(status, dict) else {})


def _telling(factory: AIFactory) -> AIFactory:
    """The factory as one that tells its numbers."""
    spec = factory.spec.model_copy(update={"tell_tenants": "Numbers"})
    return factory.model_copy(update={"spec": spec})


def world_of(manifests: Manifests) -> World:
    """The world that manifests describe: their statuses are the present state.

    Every backend can be planned for, and who plans is told all numbers.
    """
    placed = tuple(claim for pool in manifests.pools for claim in claims_of(pool))
    return World(
        factories=tuple(map(_telling, manifests.factories)),
        pools=manifests.pools,
        claims=(*placed, *held_back(manifests.factories, manifests.pools)),
        refused=manifests.refused,
        backends=frozenset(KINDS),
    )
