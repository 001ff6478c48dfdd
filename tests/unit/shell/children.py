"""Which processes a process has started."""

from pathlib import Path


def children(pid: int) -> set[int]:
    """Those that are still there, also as a zombie for which nobody has waited."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid:
            found.add(int(stat.parent.name))
    return found
