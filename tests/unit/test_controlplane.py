"""The parts of the test cluster that need no cluster."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

import controlplane
from controlplane import (
    Progress,
    RefusedError,
    UnavailableError,
    binaries,
    build,
    families,
    open_cluster,
    published,
)
from controlplane.cache import cache_folder, locked, made_whole, temporary_folder
from controlplane.existing import existing_cluster
from controlplane.families import FAMILIES, Family
from controlplane.kind import kind_cluster
from controlplane.kubeconfig import check_safe, features_in, write_kubeconfig
from controlplane.ports import free_port
from controlplane.processes import Process, ProcessError
from controlplane.progress import Estimate, Lines
from controlplane.published import Download, Release
from controlplane.waiting import PATIENCE


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an empty cache, and nothing of the user's own settings."""
    for name in ("AIFACTORY_KUBECONFIG", "AIFACTORY_ANY_CLUSTER", "KUBEBUILDER_ASSETS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIFACTORY_CACHE", str(tmp_path / "cache"))


def executable(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


# Which kubeconfig may be used


def config(*servers: str, context: str = "mine") -> dict[str, object]:
    clusters = [{"name": str(i), "cluster": {"server": server}} for i, server in enumerate(servers)]
    return {"clusters": clusters, "current-context": context}


@pytest.mark.parametrize(
    "content",
    [
        config("https://127.0.0.1:6443"),
        config("https://127.8.0.1:6443", "https://localhost:6443", "https://[::1]:6443"),
        config("https://172.18.0.2:6443", context="kind-test"),
    ],
)
def test_a_kubeconfig_of_this_machine_is_used(content: dict[str, object]) -> None:
    check_safe(content)


@pytest.mark.parametrize(
    "content",
    [
        config("https://10.0.0.1:6443"),
        config("https://127.0.0.1:6443", "https://prod.example.com"),
        config("https://127.0.0.1.example.com:6443"),
        config("https://127.0.0.1@prod.example.com"),
        config("https://[2001:db8::1]:6443"),
        config("https://prod.example.com", context="my-kind-cluster"),
        {"clusters": [{"cluster": {"server": "https://127.0.0.1", "proxy-url": "http://proxy.example.com"}}]},
        config(""),
        config(),
        {},
    ],
)
def test_any_other_kubeconfig_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        check_safe(content)


def use(path: Path, content: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("AIFACTORY_KUBECONFIG", str(path))


def test_a_refused_kubeconfig_is_final_and_no_other_source_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path / "config", config("https://10.0.0.1:6443"), monkeypatch)
    with pytest.raises(RefusedError, match=r"10\.0\.0\.1.*AIFACTORY_ANY_CLUSTER"), open_cluster():
        pass


def test_a_kubeconfig_whose_cluster_does_not_answer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(tmp_path / "config", config(f"https://127.0.0.1:{free_port()}"), monkeypatch)
    with pytest.raises(RefusedError, match="does not answer"), existing_cluster():
        pass


def test_the_user_may_insist_on_any_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tmp_path / "config", config(f"https://0.0.0.0:{free_port()}"), monkeypatch)
    monkeypatch.setenv("AIFACTORY_ANY_CLUSTER", "1")
    with pytest.raises(RefusedError, match="does not answer"), existing_cluster():
        pass


def test_an_unreadable_kubeconfig_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIFACTORY_KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(RefusedError, match="cannot be read"), existing_cluster():
        pass
    use(tmp_path / "config", "just text", monkeypatch)
    with pytest.raises(RefusedError, match="no kubeconfig"), existing_cluster():
        pass


def test_a_written_kubeconfig_is_private_and_says_what_the_cluster_has(tmp_path: Path) -> None:
    path = write_kubeconfig(
        tmp_path / "config", "https://127.0.0.1:1", b"ca", {"token": "t"}, features={"kwok"}
    )
    assert path.stat().st_mode & 0o777 == 0o600
    assert features_in(yaml.safe_load(path.read_text())) == frozenset({"kwok"})
    assert features_in(config("https://127.0.0.1:1")) is None


# Where the binaries are found


def test_assets_come_before_what_was_built_and_that_before_what_was_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Release("release", ("etcd",), {})
    monkeypatch.setattr(binaries, "releases", lambda _: (release,))
    downloaded = executable(release.folder / "etcd")
    assert binaries.found(["etcd"]) == {"etcd": downloaded}
    own = executable(FAMILIES[0].folder / "etcd")
    assert binaries.found(["etcd"]) == {"etcd": own}
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert binaries.found(["etcd"]) == {"etcd": own}
    asset = executable(tmp_path / "assets" / "etcd")
    assert binaries.found(["etcd"]) == {"etcd": asset}


def test_without_any_source_the_error_has_the_reason_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Sequence[Family], __: object) -> None:
        raise UnavailableError("no package index")

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(published, "releases", lambda _: ())
    monkeypatch.setattr(binaries, "build", fail)
    with pytest.raises(UnavailableError) as caught, open_cluster():
        pass
    _, *reasons = str(caught.value).splitlines()
    expected = ["AIFACTORY_KUBECONFIG", "KUBEBUILDER_ASSETS", "kind is not installed", "no package index"]
    assert [want in reason for want, reason in zip(expected, reasons, strict=True)] == [True] * 4


def test_another_version_or_machine_has_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {family.folder for family in FAMILIES}
    monkeypatch.setattr(families, "platform_name", lambda: "plan9-mips")
    assert before.isdisjoint(family.folder for family in FAMILIES)


def test_the_version_that_the_server_tells_is_the_one_that_is_built() -> None:
    family = next(family for family in FAMILIES if family.name == "kubernetes")
    version = dict(family.variables)["k8s.io/component-base/version.gitVersion"]
    lines = (family.source / "go.mod").read_text().splitlines()
    assert f"require k8s.io/kubernetes {version}" in lines
    staging = {line.split()[-1] for line in lines if "=>" in line}
    assert staging == {version.replace("v1.", "v0.")}


# What is published


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def release_of(path: Path, digest: str) -> Release:
    return Release("release", ("etcd",), {path.name: Download(path.as_uri(), f"sha512:{digest}")})


def test_an_archive_with_the_pinned_checksum_is_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path, {"tools/etcd": b"binary", "tools/kubectl": b"other", "../../etc/evil": b"evil"})
    release = release_of(path, hashlib.sha512(path.read_bytes()).hexdigest())
    published.fetch(release)
    assert [(x.name, x.read_bytes()) for x in release.folder.iterdir()] == [("etcd", b"binary")]
    assert os.access(release.folder / "etcd", os.X_OK)


def test_a_corrupted_archive_is_refused_and_nothing_of_it_stays(tmp_path: Path) -> None:
    path = archive(tmp_path, {"etcd": b"binary"})
    release = release_of(path, hashlib.sha512(path.read_bytes()).hexdigest())
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(UnavailableError, match="checksum"):
        published.fetch(release)
    assert leftovers() == []


def test_where_the_net_is_closed_the_reason_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}/etcd"
    with pytest.raises(UnavailableError, match="refused"):
        published.fetch(Release("release", ("etcd",), {"etcd": Download(url, "sha512:0")}))
    assert leftovers() == []


def leftovers() -> list[str]:
    return [
        path.name for path in cache_folder().rglob("*") if not path.name.startswith(".") and path.is_file()
    ]


# What is built


def test_a_half_finished_build_is_not_used_and_is_swept_away() -> None:
    family = FAMILIES[0]

    def broken_build() -> None:
        with made_whole(family.folder) as folder:
            executable(folder / "etcd")
            assert not family.built
            assert binaries.kept(["etcd"]) == {}
            raise RuntimeError

    # What a killed build leaves: a folder that nobody holds any more.
    dead = executable(cache_folder() / "unfinished" / "dead" / "etcd").parent
    with pytest.raises(RuntimeError):
        broken_build()
    assert not dead.exists()
    assert leftovers() == []


def test_a_finished_build_appears_whole() -> None:
    family = FAMILIES[0]
    with made_whole(family.folder) as folder:
        executable(folder / "etcd")
    assert family.built


def test_a_folder_in_use_is_not_swept_away() -> None:
    with temporary_folder("run") as one, temporary_folder("run") as other:
        assert one.is_dir()
        assert other.is_dir()
    assert not one.exists()


def test_a_lock_is_waited_for_and_that_is_told(tmp_path: Path) -> None:
    waiting, entered = threading.Event(), threading.Event()

    def second() -> None:
        with locked(tmp_path / "lock", waiting.set):
            entered.set()

    with ThreadPoolExecutor() as pool:
        with locked(tmp_path / "lock"):
            done = pool.submit(second)
            assert waiting.wait(10)
            assert not entered.is_set()
        done.result(PATIENCE)
    assert entered.is_set()


def test_of_two_builds_at_once_the_second_uses_the_result_of_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting, builds = threading.Event(), []

    def slow(missing: Sequence[Family], _: object) -> None:
        builds.append([family.name for family in missing])
        assert waiting.wait(10)
        with made_whole(FAMILIES[0].folder) as folder:
            executable(folder / "etcd")

    def note(progress: Progress) -> None:
        if "waiting" in progress.stage:
            waiting.set()

    monkeypatch.setattr(build, "_build", slow)
    with ThreadPoolExecutor() as pool:
        for run in [pool.submit(build.build, FAMILIES[:1], note) for _ in range(2)]:
            run.result(PATIENCE)
    assert builds == [["etcd"]]


def test_the_time_left_follows_the_speed_seen() -> None:
    now = 0.0
    estimate = Estimate({"one": 100, "two": 300}, clock=lambda: now)
    now = 200.0  # twice as slow as known
    assert estimate.at("two", 0) == Progress("two", 0.25, 600)
    now = 500.0
    assert estimate.at("two", 0.5) == Progress("two", 0.625, 300)


def test_progress_becomes_one_line_per_stage_and_tenth() -> None:
    lines: list[str] = []
    show = Lines(lines.append)
    for done in (0, 0.01, 0.02, 0.11, 0.12):
        show(Progress("building", done, 120))
    show(Progress("built", 1, 0))
    assert lines == ["building: 0%, about 2 min left", "building: 11%, about 2 min left", "built: 100%"]


# Starting it


def test_ports_are_given_once_even_to_parallel_runs() -> None:
    code = "from controlplane.ports import free_port\nprint(*(free_port() for _ in range(100)))"
    environment = os.environ | {"PYTHONPATH": str(Path(controlplane.__file__).parents[1])}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    ports = [port for run in runs for port in run.communicate(timeout=PATIENCE)[0].split()]
    assert len(set(ports)) == len(ports) == 300


def test_a_server_that_ends_early_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    server = Process(["/bin/sh", "-c", "echo the port is taken; exit 3"], tmp_path / "log", lambda: False)
    with pytest.raises(ProcessError, match="the port is taken"):
        server.start()
    assert not server.running


def test_a_server_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    server = Process(["/bin/sh", "-c", "exec sleep 600"], tmp_path / "log", lambda: False, seconds=0.3)
    with pytest.raises(ProcessError, match=r"not within 0\.3 s"):
        server.start()
    assert not server.running


def test_a_server_that_ignores_being_asked_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = "trap '' TERM; echo up; while :; do read x </dev/zero; done"
    server = Process(["/bin/sh", "-c", command], log, lambda: "up" in log.read_text())
    with server:
        assert server.running
        server.stop(grace=0.2)
    assert not server.running


@pytest.mark.parametrize("created", ["true", "false"])
def test_a_kind_cluster_is_deleted_however_it_ends(
    created: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    executable(tmp_path / "bin" / "docker", "#!/bin/sh\n")
    executable(
        tmp_path / "bin" / "kind", f'#!/bin/sh\necho "$@" >> {calls}\n[ "$1" = delete ] || {created}\n'
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    try:
        with kind_cluster() as cluster:
            assert cluster.provider.startswith("kind:aifactory-")
    except UnavailableError:
        assert created == "false"
    create, delete = calls.read_text().splitlines()
    assert create.startswith("create cluster --name=aifactory-")
    assert delete.split()[:3] == ["delete", *create.split()[1:3]]


def test_kind_is_passed_over_where_no_container_engine_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "bin" / "kind", "#!/bin/sh\n")
    executable(tmp_path / "bin" / "docker", "#!/bin/sh\necho cannot connect >&2; exit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    with pytest.raises(UnavailableError, match="cannot connect"), kind_cluster():
        pass
