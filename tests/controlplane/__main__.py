"""`python -m controlplane build|prepare|up|where`, with the folder `tests` on PYTHONPATH."""

import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from . import FEATURES, Lines, ProcessError, RefusedError, UnavailableError, open_cluster
from . import prepare as prepare_cluster
from .binaries import FILES, built, kept, needed
from .families import FAMILIES

app = typer.Typer(add_completion=False)
show = Lines(lambda line: typer.echo(line, err=True))


@app.callback()
def stop_in_order() -> None:
    """A Kubernetes control plane on loopback."""
    # A shell starts what runs in its background with SIGINT ignored; and SIGTERM alone would just kill.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


@app.command()
def build(
    karpenter: Annotated[bool, typer.Option(help="Karpenter too, which few tests need.")] = False,
) -> None:
    """Build what is not in the cache yet."""
    for name, path in built(needed(FEATURES | ({"karpenter"} if karpenter else set())), show).items():
        typer.echo(f"{name}: {path}")


@app.command()
def prepare() -> None:
    """Fetch or build what a cluster needs, unless there is another source of one."""
    prepare_cluster(show)


@app.command()
def where() -> None:
    """Say where each binary is, or would be once built."""
    files = kept(needed(FILES))
    for family in FAMILIES:
        for name in family.files:
            typer.echo(f"{name}: {files.get(name) or f'missing (a build puts it into {family.folder})'}")


@app.command()
def up(folder: Annotated[Path | None, typer.Option(help="Keep data and logs here.")] = None) -> None:
    """Keep a cluster up until Ctrl-C."""
    with suppress(KeyboardInterrupt), open_cluster(on_progress=show, folder=folder) as cluster:
        typer.echo(f"export KUBECONFIG={cluster.kubeconfig}")
        typer.echo(f"export AIFACTORY_KUBECONFIG={cluster.kubeconfig}  # to let the tests use it")
        signal.pause()


if __name__ == "__main__":
    try:
        app()
    except (UnavailableError, RefusedError, ProcessError) as error:
        sys.exit(str(error))
