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
from aifactory.cli.diff import differences
from aifactory.cli.manifests import BadInput, Manifests, read, world_of
from aifactory.decide import Plan, decide
from aifactory.decide.placed import Placed
from aifactory_solver import Problem, certify, solve
from aifactory_solver.array import namespace as array_namespace

SERVED, BAD_INPUT, WAITING = 0, 1, 3


class Output(StrEnum):
    """What `aifactory plan` prints."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def plan(
    files: Annotated[
        list[Path],
        typer.Option(
            "--filename", "-f", help="File or folder with AIFactories and GPUPools; - is standard input."
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
) -> None:
    """Plan where every pool goes, without a cluster.

    A status in the files is the present state, so a what-if is a pipe: plan -o yaml, change, plan again.

    An object that is not valid is left as it is, and the others are planned.

    Exit codes: 0 every pool has its minimum, 3 some pool waits, 1 something in the input is not valid,
    2 wrong usage.
    """
    try:
        array_namespace()
        manifests = read(files)
    except (BadInput, ValueError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    for line in manifests.wrong:
        print(line, file=sys.stderr)
    decided = decide(world_of(manifests), datetime.now(UTC), _place, acting=False)
    for line in decided.log:
        print(line, file=sys.stderr)
    lost = lose_one.losses(manifests, decided) if n_1 else None
    if output is Output.TABLE:
        console = tables.open_console()
        tables.show_factories(console, manifests, decided, every_domain=domains)
        tables.show_pools(console, manifests, decided)
        if lost is not None:
            lose_one.show(console, lost)
    else:
        more = {} if lost is None else {"nMinusOne": lose_one.to_json(lost)}
        _dump(_with_status(manifests, decided) | more, output)
    if diff:
        console = tables.open_console(stderr=output is not Output.TABLE)
        tables.show_differences(console, differences(manifests, decided))
    waits = any(
        condition["type"] == "Placed" and condition["status"] == "False"
        for write in decided.statuses
        if write.kind == "GPUPool"
        for condition in write.status["conditions"]
    )
    raise typer.Exit(BAD_INPUT if manifests.refused else WAITING if waits else SERVED)


def _place(problems: tuple[Problem, ...]) -> Placed:
    """A plan as good as it gets, and what is proved about it."""
    solutions = tuple(map(solve, problems))
    return Placed(solutions, certify(problems[0], solutions[0]))


def _with_status(manifests: Manifests, decided: Plan) -> dict[str, Any]:
    """The resources as they were read, with their new status, as one List."""
    statuses = {(write.kind, write.namespace, write.name): write.status for write in decided.statuses}
    items = []
    for obj in manifests.objects:
        meta = obj["metadata"]
        namespace = "" if obj["kind"] == "AIFactory" else meta.get("namespace", "default")
        items.append({**obj, "status": statuses[obj["kind"], namespace, meta["name"]]})
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _dump(content: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        json.dump(content, sys.stdout, indent=2)
        print()
    else:
        yaml.dump(content, sys.stdout, Dumper=yaml.CSafeDumper, sort_keys=False, width=120)
