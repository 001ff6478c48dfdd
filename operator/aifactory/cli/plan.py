"""`aifactory plan`: the operator's own decision, on YAML alone."""

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from aifactory.cli import lose_one, tables
from aifactory.cli.changes import BadChange, make_changes, read_change
from aifactory.cli.diff import differences
from aifactory.cli.manifests import FILES, BadInput, Manifests, namespace_of, read, world_of
from aifactory.cli.present import missing_pools
from aifactory.cli.progress import telling
from aifactory.cli.shown import LARGE_POOLS, Shown, read_priorities
from aifactory.decide import Plan, decide
from aifactory.decide.phrases import counted
from aifactory.decide.place.placed import Asked, Placed, Stopped, Trouble
from aifactory_solver import Solution, certify, solve
from aifactory_solver.array import namespace as array_namespace

SERVED, BAD_INPUT, WAITING = 0, 1, 3


class Output(StrEnum):
    """What `aifactory plan` prints."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def plan(
    *,
    files: Annotated[
        list[Path],
        typer.Option(
            "--filename",
            "-f",
            help=FILES,
        ),
    ],
    output: Annotated[
        Output,
        typer.Option(
            "--output",
            "-o",
            help="table for people; json or yaml: the same resources with the operator's status.",
        ),
    ] = Output.TABLE,
    diff: Annotated[
        bool, typer.Option("--diff", help="Say what moves and who loses against the given status.")
    ] = False,
    domains: Annotated[
        bool, typer.Option("--domains", help="List every domain, not only the tightest.")
    ] = False,
    n_1: Annotated[
        bool, typer.Option("--n-1", help="Say which pools would fall if one factory or domain were lost.")
    ] = False,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OBJECT:FIELD=VALUE",
            help="Change a field first, as often as you like: aifactory/dfw-1:spec.power.quota=92M, "
            "gpupool/ml/train:spec.gpus=64, aifactory/dfw-1:spec.power.domains[hall].limit=15M. The value is "
            "read as YAML; null takes the field out.",
        ),
    ] = None,
    pools: Annotated[
        bool,
        typer.Option("--pools", help=f"List every pool, also where there are more than {LARGE_POOLS}."),
    ] = False,
    factory: Annotated[
        list[str] | None, typer.Option(help="List only this factory and pools that stand in or wait for it.")
    ] = None,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="List only pools of this namespace.")
    ] = None,
    priority: Annotated[
        str,
        typer.Option(
            metavar="RANGE", help="List only pools of these priorities: 500, 100..500, 500.. or ..100."
        ),
    ] = "",
    reason: Annotated[
        list[str] | None,
        typer.Option(help="List only pools that wait for this reason, such as InsufficientPower."),
    ] = None,
) -> None:
    """Plan where every pool goes, without a cluster.

    A status in the files is the present state: a what-if is --set, or a pipe: plan -o yaml, change, plan
    again. What the statuses count and no pool here explains is held back.

    An object that is not valid is left as it is, and the others are planned. What is listed can be narrowed;
    everything is planned all the same.

    Exit codes: 0 every pool has its minimum, 3 some pool waits, 1 something in the input cannot be read or is
    not valid, 2 wrong usage.
    """
    try:
        priorities = read_priorities(priority) if priority else None
        changes = [read_change(text) for text in changed or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    shown = Shown(
        pools=pools,
        factories=frozenset(factory or ()),
        namespaces=frozenset(namespace or ()),
        reasons=frozenset(reason or ()),
        priorities=priorities,
    )
    try:
        array_namespace()
        with telling("Reading"):
            manifests = read(files, lambda objects: make_changes(changes, objects))
    except BadChange as error:
        raise typer.BadParameter(str(error)) from None
    except (BadInput, ValueError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    for line in (*manifests.wrong, *missing_pools(manifests.factories, manifests.pools)):
        print(line, file=sys.stderr)
    size = f"{counted(len(manifests.pools), 'pool')} on {_sites(manifests)}"
    with telling(f"Planning {size}"):
        decided = decide(world_of(manifests), datetime.now(UTC), _place, acting=False)
    for line in decided.log:
        print(line, file=sys.stderr)
    lost = lose_one.losses(manifests, decided) if n_1 else None
    if output is Output.TABLE:
        console = tables.open_console()
        tables.show_totals(console, manifests, decided)
        tables.show_factories(console, manifests, decided, shown, every_domain=domains)
        tables.show_pools(console, manifests, decided, shown)
        if lost is not None:
            lose_one.show(console, lost)
    else:
        more = {} if lost is None else {"nMinusOne": lose_one.to_json(lost)}
        _dump(_with_status(manifests, decided) | more, output)
    if diff:
        console = tables.open_console(stderr=output is not Output.TABLE)
        listed = tables.listed(manifests, decided, shown)
        tables.show_differences(console, [it for it in differences(manifests, decided) if it.pool in listed])
    waits = any(
        condition["type"] == "Placed" and condition["status"] == "False"
        for write in decided.statuses
        if write.kind == "GPUPool"
        for condition in write.status["conditions"]
    )
    raise typer.Exit(BAD_INPUT if manifests.refused else WAITING if waits else SERVED)


def _sites(manifests: Manifests) -> str:
    number = len(manifests.factories)
    return "1 factory" if number == 1 else f"{number} factories"


def _place(asked: Asked) -> Placed:
    """A plan as good as it gets, and what is proved about it; the safe one where the solver fails."""
    solutions: tuple[Solution, ...] = ()
    try:
        solutions = tuple(map(solve, asked.problems))
        return Placed(solutions, certify(asked.problems[0], solutions[0]))
    except Exception as error:  # whatever it is, the greedy plan needs none of it
        return Placed(solutions, trouble=Trouble(Stopped.FAILED, f"the solver failed: {error}"))


def _with_status(manifests: Manifests, decided: Plan) -> dict[str, Any]:
    """The resources as they were read, with their new status, as one List."""
    statuses = {(write.kind, write.namespace, write.name): write.status for write in decided.statuses}
    items = [
        {**obj, "status": statuses[obj["kind"], namespace_of(obj), obj["metadata"]["name"]]}
        for obj in manifests.objects
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _dump(content: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        json.dump(content, sys.stdout, indent=2)
        print()
    else:
        yaml.dump(content, sys.stdout, Dumper=yaml.CSafeDumper, sort_keys=False, width=120)
