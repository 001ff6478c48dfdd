"""Where downloaded and built files are kept, and how they get there whole."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for everything kept between runs; it may not exist yet.

    It is `controlplane` in $AIFACTORY_CACHE, else in $XDG_CACHE_HOME/aifactory, else in ~/.cache/aifactory.
    """
    if own := os.environ.get("AIFACTORY_CACHE"):
        return Path(own).expanduser() / "controlplane"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "aifactory" / "controlplane"


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file for the block. `on_wait` is called once if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def temporary_folder(kind: str) -> Iterator[Path]:
    """Give a new empty folder, removed at the end of the block.

    A killed process cannot remove its own, so each call removes those of its `kind` that nobody holds.
    """
    base = cache_folder() / kind
    with locked(base / ".lock"):
        for old in base.iterdir():
            if old.is_dir() and not _held(old):
                shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=base))
        hold = os.open(folder, os.O_RDONLY)
        fcntl.flock(hold, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(hold)


@contextmanager
def made_whole(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `folder`, in the cache, if the block ends well."""
    with temporary_folder("unfinished") as unfinished:
        yield unfinished
        unfinished.chmod(0o755)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run made the same one meanwhile
                raise


def _held(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:  # its owner has just removed it
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
