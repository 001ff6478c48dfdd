"""`python -m aifactory`."""

from aifactory.cli import app

app()
