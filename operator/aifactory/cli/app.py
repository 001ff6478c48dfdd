"""The Typer application."""

import typer

from aifactory.cli.plan import plan
from aifactory.cli.run import run
from aifactory.cli.systems import systems
from aifactory.cli.validate import validate

app = typer.Typer(
    name="aifactory",
    help="Provisions GPU node pools in AI factories under per-site power quotas.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(plan)
app.command()(validate)
app.command()(systems)
app.command()(run)
