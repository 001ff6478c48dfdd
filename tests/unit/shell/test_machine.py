"""How much memory there is, in every shape in which a kernel tells it."""

import os
from pathlib import Path

import pytest

from aifactory.shell.machine import memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
GIB = 2**30
UNLIMITED = 9223372036854771712  # as version 1 writes it


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/", {"memory.max": "1073741824\n"}, GIB, id="a container with version 2"),
        pytest.param("0::/", {"memory.max": "max\n"}, MACHINE, id="no limit"),
        pytest.param("0::/", {}, MACHINE, id="the root of all groups has no such file"),
        pytest.param(
            "0::/system.slice/aifactory.service",
            {"system.slice/memory.max": f"{GIB}", "system.slice/aifactory.service/memory.max": "max"},
            GIB,
            id="a group above is limited",
        ),
        pytest.param(
            "0::/a/b", {"a/memory.max": f"{2 * GIB}", "a/b/memory.max": f"{GIB}"}, GIB, id="the lowest holds"
        ),
        pytest.param(
            "11:cpu,cpuacct:/x\n7:memory:/pod/box\n0::/",
            {"memory/pod/box/memory.limit_in_bytes": f"{GIB}"},
            GIB,
            id="version 1",
        ),
        pytest.param(
            "7:memory:/kubepods/pod1/box\n",
            {"memory/memory.limit_in_bytes": f"{GIB}"},
            GIB,
            id="a container with version 1, which sees its own group as the root",
        ),
        pytest.param(
            "7:memory:/box\n",
            {"memory/box/memory.limit_in_bytes": f"{UNLIMITED}"},
            MACHINE,
            id="version 1, no limit",
        ),
        pytest.param("0::/../../neighbour", {"memory.max": f"{GIB}"}, GIB, id="outside of its namespace"),
        pytest.param("", {}, MACHINE, id="no groups"),
    ],
)
def test_the_lowest_limit_that_the_kernel_tells_holds(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    mounted = tmp_path / "mounted"
    for name, says in files.items():
        (mounted / name).parent.mkdir(parents=True, exist_ok=True)
        (mounted / name).write_text(says)
    assert memory(tmp_path / "cgroup", mounted) == min(expected, MACHINE)


def test_where_nothing_is_told_of_groups_the_machine_is_the_limit(tmp_path: Path) -> None:
    assert memory(tmp_path / "nowhere", tmp_path) == MACHINE


def test_here_it_is_something_that_a_process_can_live_on() -> None:
    assert 2**27 < memory() <= MACHINE
