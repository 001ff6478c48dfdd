"""Child processes that are waited for, stopped in order, and never outlive their parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from .waiting import PATIENCE, wait_until

CHILD = Path(__file__).with_name("child.py")
LAZY = {"GOGC": "300", "GOMEMLIMIT": "1GiB"}
"""Servers in Go collect their garbage less often: there is memory enough, and time is what runs short."""


class ProcessError(Exception):
    """A child ended, or was not ready in time. The text has the end of its log."""


class Process:
    """One server: `argv`, its log file, and the question whether it is ready.

    It must be started from a thread that lives as long as it does: Linux ends the child with the
    thread that started it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        seconds: float = PATIENCE,
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`env` comes on top of this process's environment."""
        self.argv = argv
        self.log = log
        self._env = env
        self._ready = ready
        self._seconds = seconds
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return Path(self.argv[0]).name

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it and wait until it is ready. Raises ProcessError, and leaves nothing running then."""
        if self.running:
            return
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                dying_with_parent(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**LAZY, **os.environ, **self._env},
                process_group=0,  # Ctrl-C reaches the parent only, which then stops all in order
            )
        try:
            wait_until(self._ready_or_ended, f"{self.name} is ready", self._seconds)
        except TimeoutError as error:
            self.stop(grace=0)
            raise ProcessError(f"{error}\n{tail(self.log)}") from None
        except BaseException:
            self.stop(grace=0)
            raise

    def stop(self, grace: float = 20) -> None:
        """End it: SIGTERM, then SIGKILL after `grace` seconds. With no grace, SIGKILL at once."""
        popen, self._popen = self._popen, None
        if popen is None or popen.poll() is not None:
            return
        if grace > 0:
            popen.terminate()
            try:
                popen.wait(grace)
                return
            except subprocess.TimeoutExpired:
                pass
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait(PATIENCE)

    def _ready_or_ended(self) -> bool:
        if not self.running:
            raise ProcessError(f"{self.name} ended before it was ready\n{tail(self.log)}")
        return self._ready()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def dying_with_parent(argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` (an absolute path first) so that it ends when this process does."""
    return [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), *argv]


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, with its path above them."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join([f"--- end of {log}", *text.splitlines()[-lines:]])
