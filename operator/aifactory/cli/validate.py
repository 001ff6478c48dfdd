"""`aifactory validate`: what the API server would refuse, without a cluster."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aifactory.cli.manifests import FILES, BadInput, read


def validate(
    files: Annotated[
        list[Path],
        typer.Option(
            "--filename",
            "-f",
            help=FILES,
        ),
    ],
) -> None:
    """Check AIFactories and GPUPools, each for itself: every wrong field with what was found and is allowed.

    The answer is the API server's at apply. What it takes, and the operator then reports as InvalidSpec, is
    said too. What only the other objects make wrong, such as a pool for a factory that is not there, is said
    by plan. A status is left aside, as it is at apply.

    Exit codes: 0 all are valid, 1 something is not or nothing was found, 2 wrong usage.
    """
    try:
        manifests = read(files, present=False)
    except BadInput as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    for line in manifests.wrong:
        print(line, file=sys.stderr)
    if manifests.wrong:
        raise typer.Exit(1)
    print(f"Valid: {len(manifests.factories)} AIFactories, {len(manifests.pools)} GPUPools.")
