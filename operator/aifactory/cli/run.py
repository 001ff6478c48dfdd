"""`aifactory run`: the operator itself."""

import asyncio
import logging
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aifactory.shell.settings import chosen
from aifactory_solver.array import namespace as array_namespace

logger = logging.getLogger(__name__)


class LogFormat(StrEnum):
    """How log lines look."""

    PLAIN = "plain"
    JSON = "json"


def run(
    *,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="Default: $KUBECONFIG, the pod's service account, or ~/.kube/config."),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option(envvar="POD_NAMESPACE", help="Namespace of the Lease. Default: the pod's, or default."),
    ] = "",
    lease: Annotated[
        str, typer.Option(help="Name of the Lease; of all replicas that share it, one leads.")
    ] = "aifactory",
    pod_uid: Annotated[
        str,
        typer.Option(
            envvar="POD_UID",
            help="uid of its pod: restarted there, it need not wait for its former self's Lease.",
        ),
    ] = "",
    health_bind: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where /livez and /healthz are served.")
    ] = "127.0.0.1:8081",
    metrics_bind: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Where /metrics is served: plain on loopback, else with TLS and to whoever may read it.",
        ),
    ] = "127.0.0.1:8080",
    metrics_certs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="tls.crt and tls.key for /metrics, read again when they change. Default: self-signed.",
        ),
    ] = None,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SETTING=VALUE",
            help="Change a setting, as often as you like: solver_memory_percent=70. They are listed in "
            "docs/reference/settings.md.",
        ),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How log lines look.")] = LogFormat.PLAIN,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every decision and write.")] = False,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C.

    Exit codes: 0 it was told to end, 1 it cannot start or has ended by itself, 2 wrong usage.
    """
    _have_a_home()
    # Kopf takes a second to import, which `aifactory plan` need not wait for.
    from aifactory import handlers  # noqa: PLC0415

    health, metrics = _address(health_bind), _address(metrics_bind)
    try:
        settings = chosen(changed or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None
    handlers.log_to_stderr(as_json=log_format is LogFormat.JSON, verbose=verbose)
    try:
        logger.info("%s", array_namespace()[1])
    except ValueError as error:
        sys.exit(str(error))
    try:
        asyncio.run(
            handlers.operate(
                str(kubeconfig or ""),
                namespace,
                lease,
                pod_uid,
                settings,
                health=health,
                metrics=metrics,
                certificates=metrics_certs,
            )
        )
    except handlers.OperatorError as error:
        sys.exit(str(error))


def _have_a_home() -> None:
    """A user who is only a number may have none, and the Kubernetes client asks for it as it is imported."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = "/"  # as container runtimes have it


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise typer.BadParameter(f"found {text!r}, allowed is HOST:PORT, such as 127.0.0.1:8081")
    return host, int(port)
