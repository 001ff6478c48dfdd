"""The distribution's programs that build and start images, installed where root may do so."""

import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Final

PROGRAMS: Final = ("buildah", "mmdebstrap", "runc")
PACKAGES: Final = (*PROGRAMS, "debian-archive-keyring")
LONGEST: Final = 1800.0  # seconds: a slow line is waited for, a dead one is not for ever

Show = Callable[[str], None]


class UnavailableError(Exception):
    """The image cannot be built here. The text says what is missing."""


def install(show: Show) -> None:
    """Have all programs. Raises UnavailableError."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if os.geteuid() != 0:
        raise UnavailableError(f"an image is built and started by root only, with {', '.join(PROGRAMS)}")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise UnavailableError(f"missing are {', '.join(missing)}, and there is no apt-get to install them")
    show(f"installing {', '.join(missing)} with apt-get, once ...")
    run(["apt-get", "update", "-qq"])
    run(
        [
            *("apt-get", "install", "-qq", "--yes", "--no-install-recommends"),
            *("-o", "DPkg::Lock::Timeout=300", *PACKAGES),
        ]
    )


def run(command: list[str], on_line: Show = lambda line: None, **env: str) -> str:
    """Run a command and return what it printed; `on_line` sees each line. Raises UnavailableError."""
    process = subprocess.Popen(
        command,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"} | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    said = []
    try:
        with process.stdout as lines:
            for line in lines:
                said.append(line)
                on_line(line.rstrip())
        code = process.wait(LONGEST)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        end = "".join(said[-20:])
        raise UnavailableError(f"{command[0]} failed with exit code {code}:\n{end}")
    return "".join(said)
