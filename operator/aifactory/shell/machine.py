"""What this process runs on: how much memory it may use before the kernel ends something."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROCESS: Final = Path("/proc/self/cgroup")
_CGROUPS: Final = Path("/sys/fs/cgroup")


def memory(process: Path = _PROCESS, cgroups: Path = _CGROUPS) -> int:
    """Bytes that this process and its children may use: its container's limit, or all that the machine has.

    ``process`` tells which control groups it is in, ``cgroups`` is where they are mounted.
    """
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError):  # no Linux, or one without control groups
        for limit in _limits(process.read_text(), cgroups):
            with suppress(OSError, ValueError):  # none here: no such file, or the word "max"
                found.append(int(limit.read_text()))
    return min(found)


def _limits(groups: str, cgroups: Path) -> Iterator[Path]:
    """The files that may limit it, of its groups and of those above, in both versions of the interface."""
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = root / path.lstrip("/")
        yield from (it / name for it in (group, *group.parents) if it.is_relative_to(root))
