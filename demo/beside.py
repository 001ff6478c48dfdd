"""The fleet on paper, in a process beside everything else."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Final, Self

from controlplane.processes import dying_with_parent
from demo.running import ROOT

_SECONDS: Final = 1800.0
_END_SECONDS: Final = 60.0  # from a process's last word, or from SIGKILL, to its end


class Beside:
    """Runs `python -m demo.paper FOLDER` in the repository and hands on what it prints, all at once."""

    def __init__(
        self, folder: Path, log: Path, show: Callable[[str], None], *, width: int, colour: bool
    ) -> None:
        self._argv = [sys.executable, "-m", "demo.paper", str(folder)]
        self._log = log
        self._environment = {**os.environ, "COLUMNS": str(width)}
        if colour:
            self._environment["FORCE_COLOR"] = "1"
        self._show = show
        self._thread = Thread(target=self._read, name="paper", daemon=True)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                dying_with_parent(self._argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
                cwd=ROOT,  # so that the folder can be shown as one types it
                process_group=0,  # Ctrl-C is for the parent
            )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_END_SECONDS)
        self._thread.join(_END_SECONDS)

    def ended_well(self) -> bool:
        """Wait for its end; whether it ended well, and within half an hour."""
        self._thread.join(_SECONDS)
        return not self._thread.is_alive() and self._process.wait(_END_SECONDS) == 0

    def _read(self) -> None:
        assert self._process.stdout is not None
        text = self._process.stdout.read()
        if text:
            self._show(text)
