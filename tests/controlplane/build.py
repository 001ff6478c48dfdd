"""Build the control plane from its pinned modules, with nothing but Python and a package index."""

import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .cache import cache_folder, locked, made_whole
from .client import kubectl_command
from .cluster import UnavailableError
from .families import DEFINITIONS, STAGES, Family
from .processes import dying_with_parent, tail
from .progress import Estimate, OnProgress, Progress, ignore
from .toolchain import go_command, go_environment

TOOLCHAIN = "installing Go"
TOOLCHAIN_SECONDS = 10
LONGEST = 3600.0
"""Seconds for each command: an hour is many times what the slowest takes."""
LINKING = 0.1
"""The part of a build that comes after the last package: `go build -v` says nothing then."""


def log_file() -> Path:
    """Return the log of the last build. Only the holder of the build lock writes it."""
    return cache_folder() / "build.log"


def build(families: Iterable[Family], on_progress: OnProgress = ignore) -> None:
    """Build what is not built yet. A second run waits for the first one and uses its result.

    Each family appears in the cache at once and whole. Raises UnavailableError with the end of the build's
    log; what was built before stays.
    """

    def wait() -> None:
        on_progress(Progress("waiting for another run's build", 0))

    with locked(cache_folder() / "build.lock", wait):
        missing = [family for family in families if not family.built]
        if missing:
            _build(missing, on_progress)
    on_progress(Progress("built", 1, 0))


def _build(families: Sequence[Family], on_progress: OnProgress) -> None:
    estimate = Estimate({TOOLCHAIN: TOOLCHAIN_SECONDS} | {f"building {x.name}": x.seconds for x in families})
    on_progress(estimate.at(TOOLCHAIN, 0))
    go = go_command()
    for family in families:
        with made_whole(family.folder) as folder:

            def report(fraction: float, detail: str, stage: str = f"building {family.name}") -> None:
                on_progress(estimate.at(stage, fraction, detail))

            _build_family(go, family, folder, report)


def _build_family(go: Path, family: Family, folder: Path, report: Callable[[float, str], None]) -> None:
    flags = ["-mod=readonly", "-trimpath", f"-ldflags={_linker_flags(family)}"]
    report(0, "fetching modules")
    # The packages that are not in Go's build cache: those that the build will name as it compiles them.
    listed = _go(go, family, "list", "-deps", *flags, "-f", "{{.Stale}}", *family.packages).split()
    stale = listed.count("true")
    # With a warm build cache less is left than the family's seconds say.
    start = (1 - LINKING) * (1 - stale / len(listed))
    step = (1 - LINKING - start) / max(stale, 1)
    command = [str(go), "build", "-v", *flags, "-o", f"{folder}/", *family.packages]
    process = subprocess.Popen(
        dying_with_parent(command),
        cwd=family.source,
        env=go_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        with log_file().open("w") as log, process.stderr as said:
            for count, line in enumerate(said, 1):
                log.write(line)
                report(start + step * min(count, stale), f"{count} of {stale} packages")
        status = process.wait(LONGEST)
    except BaseException:
        process.kill()
        raise
    _check(status, f"{family.name} could not be built")
    if STAGES in family.files:
        _write_stages(go, family, folder / STAGES)
    if DEFINITIONS in family.files:
        _write_definitions(go, family, folder / DEFINITIONS)


def _linker_flags(family: Family) -> str:
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in family.variables)])


def _write_stages(go: Path, family: Family, target: Path) -> None:
    """Keep kwok's own fast stages beside it: its module's folder may be gone when it runs."""
    module = _module(go, family, "sigs.k8s.io/kwok")
    rendered = subprocess.run(
        [kubectl_command(), "kustomize", f"{module}/kustomize/stage/fast"],
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )
    if rendered.returncode:
        raise UnavailableError(
            f"kwok's stages could not be rendered: {rendered.stderr.decode(errors='replace')}"
        )
    target.write_bytes(rendered.stdout)


def _write_definitions(go: Path, family: Family, target: Path) -> None:
    """Keep the definitions of Karpenter's kinds beside it."""
    module = _module(go, family, "sigs.k8s.io/karpenter")
    folders = (module / "pkg" / "apis" / "crds", module / "kwok" / "apis" / "crds")
    target.write_text(
        "".join(path.read_text() for folder in folders for path in sorted(folder.glob("*.yaml")))
    )


def _module(go: Path, family: Family, name: str) -> Path:
    """The folder of a module that a family is built from."""
    return Path(_go(go, family, "list", "-m", "-f", "{{.Dir}}", name).strip())


def _go(go: Path, family: Family, *arguments: str) -> str:
    with log_file().open("w") as log:
        done = subprocess.run(
            [go, *arguments],
            cwd=family.source,
            env=go_environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    _check(done.returncode, f"go {arguments[0]} failed for {family.name}")
    return done.stdout


def _check(status: int, what: str) -> None:
    if status:
        raise UnavailableError(f"{what}\n{tail(log_file())}")
