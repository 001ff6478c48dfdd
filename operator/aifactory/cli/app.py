"""The Typer application."""

from importlib.metadata import version as version_of
from typing import Annotated

import typer

from aifactory.cli.plan import plan
from aifactory.cli.run import run
from aifactory.cli.systems import systems
from aifactory.cli.validate import validate

app = typer.Typer(name="aifactory", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(plan)
app.command()(validate)
app.command()(systems)
app.command()(run)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"aifactory {version_of('aifactory-operator')}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Provisions GPU node pools in AI factories under per-site power quotas."""
