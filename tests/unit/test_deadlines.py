"""Nothing that tests run waits without end: the suite's own limit is for what nobody has thought of."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[2]
FILES = sorted(file for folder in ("tests", "demo") for file in (ROOT / folder).rglob("*.py"))
WITH_TIMEOUT = {"run", "call", "check_call", "check_output", "communicate", "urlopen"}
WAITS = {"wait", "join", "result", "pause"}
# What people end with Ctrl-C; what polls until a deadline; what hangs on purpose; what is to be seen.
MAY = {
    ("tests/controlplane/__main__.py", "pause"),
    ("tests/attack/stage.py", "sleep"),
    ("tests/cluster/endless.py", "sleep"),
    ("tests/cluster/hung.py", "wait"),
    ("tests/controlplane/waiting.py", "sleep"),
    ("tests/unit/shell/test_loop.py", "sleep"),
    ("tests/unit/shell/solvers.py", "sleep"),
    ("demo/cluster.py", "pause"),
    ("demo/screen.py", "sleep"),
}


def endless(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each call that may never come back, and of each pause of a length that was guessed."""
    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    # `with` waits for the process, as long as it takes.
    held = {
        id(item.context_expr) for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or id(node) in awaited:
            continue
        match node.func:
            case ast.Attribute(value=owner, attr=name):
                module = owner.id if isinstance(owner, ast.Name) else ""
            case ast.Name(id=name):
                module = "subprocess" if name == "Popen" else "time" if name == "sleep" else ""
            case _:
                continue
        limited = any(keyword.arg == "timeout" for keyword in node.keywords)
        if (
            (
                name in WITH_TIMEOUT
                and (module == "subprocess" or name in ("communicate", "urlopen"))
                and not limited
            )
            or (name in WAITS and not node.args and not limited)
            or (name == "Popen" and id(node) in held)
            or (name == "sleep" and module == "time")
        ):
            yield node.lineno, name


def test_every_wait_has_a_deadline() -> None:
    found = []
    for file in FILES:
        place = file.relative_to(ROOT).as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found += [f"{place}:{line}: {name}" for line, name in endless(tree) if (place, name) not in MAY]
    assert found == []


def test_no_random_test_fails_because_the_machine_is_busy() -> None:
    assert settings.default is not None
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['x'])",
        "process.communicate()",
        "process.wait()",
        "thread.join()",
        "future.result()",
        "signal.pause()",
        "time.sleep(1)",
        "urllib.request.urlopen('x')",
        "with subprocess.Popen(['x']) as process: pass",
    ],
)
def test_a_wait_without_a_deadline_is_seen(code: str) -> None:
    assert [line for line, _ in endless(ast.parse(code))] == [1]


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['x'], timeout=9)",
        "process.wait(9)",
        "', '.join(words)",
        "run('x')",
        "async def f(): await event.wait()",
        "process = subprocess.Popen(['x'])",
    ],
)
def test_what_comes_to_an_end_is_let_pass(code: str) -> None:
    assert list(endless(ast.parse(code))) == []
