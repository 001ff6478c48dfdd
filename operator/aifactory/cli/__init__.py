"""The command line: `aifactory plan`, `aifactory validate`, `aifactory systems`, `aifactory run`."""

from aifactory.cli.app import app

__all__ = ["app"]
