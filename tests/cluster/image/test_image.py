"""The image, built here and started as the Deployment starts it, on a real API server.

What a kubelet does beyond that is not tried: seccomp, limits of memory, and the pull from a registry.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

import image
from aifactory.shell.service import METRICS
from cluster.conftest import shown_by
from cluster.image.container import Container
from cluster.operating import ACCOUNT, LEASE, POOLS, ROOT, SYSTEM, apply, is_ready, nodes_of, pool
from cluster.reading import read
from controlplane import Kubectl, wait_until
from image import Image, UnavailableError
from image.sbom import write_sbom

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # the first build takes minutes

LARGEST = 300_000_000  # bytes, unpacked


@pytest.fixture(scope="module")
def built(pytestconfig: pytest.Config) -> Image:
    """The image. None is a failure in CI, and elsewhere said as loud as a skip can be."""
    try:
        return image.build(shown_by(pytestconfig))
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(f"THE IMAGE CANNOT BE BUILT: {error}", pytrace=False)
        pytest.skip(f"THE IMAGE IS NOT BUILT AND NOT TESTED HERE: {error}")


@pytest.fixture(scope="module")
def pod(kubectl: Kubectl) -> dict[str, object]:
    """The spec of the Deployment's pods."""
    built = yaml.safe_load_all(kubectl("kustomize", str(ROOT / "manifests" / "base")))
    (deployment,) = (obj for obj in built if obj["kind"] == "Deployment")
    spec: dict[str, object] = deployment["spec"]["template"]["spec"]
    return spec


def view(kubectl: Kubectl) -> dict[str, str]:
    """Where the API server is, and what it is known by."""
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--minify", "--flatten"))
    found: dict[str, str] = config["clusters"][0]["cluster"]
    return found


@pytest.fixture
def account(kubectl: Kubectl, kubeconfig: Path, tmp_path: Path) -> Path:
    """The operator's account, whose rights and policies are in force, as it is mounted into a pod."""
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text(kubectl("create", "token", ACCOUNT, f"--namespace={SYSTEM}").strip())
    (folder / "namespace").write_text(SYSTEM)
    (folder / "ca.crt").write_bytes(base64.b64decode(view(kubectl)["certificate-authority-data"]))
    return folder


@pytest.fixture
def container(
    built: Image, pod: dict[str, object], account: Path, kubectl: Kubectl, tmp_path: Path
) -> Iterator[Container]:
    """A container as one of the Deployment's."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    with ExitStack() as stack:
        root = stack.enter_context(built.mounted())
        server = view(kubectl)["server"]
        made = Container(built, root, pod, account=account, server=server, folder=bundle)
        stack.callback(made.remove)
        yield made
    kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")


def test_it_starts_as_the_deployment_starts_it_leads_places_a_pool_and_ends_in_time(
    container: Container, pod: dict[str, object], kubectl: Kubectl, site: str
) -> None:
    def health() -> dict[str, object]:
        status, text = container.get(8081, "/healthz")
        assert container.process.poll() is None, container.log.read_text()
        return json.loads(text) if status == 200 else {}

    wait_until(lambda: health().get("leader"), f"it leads; its log is {container.log}")
    status = (Path("/proc") / str(container.pid) / "status").read_text()
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert said["Uid"].split() == ["65532"] * 4
    assert {int(said[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert said["NoNewPrivs"] == "1"

    apply(kubectl, pool("llm", site, 16, site))
    wait_until(lambda: is_ready(kubectl, "llm", site), "its pool is ready")
    assert len(nodes_of(kubectl, "llm", site)) == 2

    assert container.get(9090, METRICS, tls=True)[0] == 401
    name = f"--serviceaccount={site}:default"
    kubectl("create", "clusterrolebinding", site, "--clusterrole=aifactory-metrics-reader", name)
    try:
        token = kubectl("create", "token", "default", f"--namespace={site}").strip()
        code, text = container.get(9090, METRICS, token=token, tls=True)
    finally:
        kubectl("delete", "clusterrolebinding", site)
    assert (code, "aifactory_leader 1.0" in text) == (200, True)

    kubectl("delete", POOLS, "llm", f"--namespace={site}", "--timeout=60s")
    assert container.end(pod["terminationGracePeriodSeconds"]) == 0  # type: ignore[arg-type]
    lease = read(kubectl, "leases.coordination.k8s.io", LEASE, SYSTEM)
    assert lease["spec"].get("holderIdentity", "") == "", "it is given back"


def test_it_is_not_large_and_carries_no_more_than_it_needs(built: Image) -> None:
    assert built.bytes <= LARGEST
    with built.mounted() as root:
        (packages,) = (root / "opt" / "aifactory" / "lib").glob("python3.*/site-packages")
        assert (packages / "kubernetes" / "aio" / "client" / "api_client.py").exists()
        assert not (packages / "pip").exists()
        assert "65532" not in (root / "etc" / "passwd").read_text()


def test_all_that_is_in_it_is_listed(built: Image, tmp_path: Path) -> None:
    out = tmp_path / "sbom.json"
    write_sbom(built, out)
    components = json.loads(out.read_text())["components"]
    listed = {(normal(it["name"]), it.get("version")) for it in components}
    with built.mounted() as root:
        packages = root.glob("opt/aifactory/lib/python3.*/site-packages/*.dist-info/METADATA")
        wanted = set(map(named, packages))
        status = (root / "var" / "lib" / "dpkg" / "status").read_text()
    assert {"aifactory-operator", "kopf", "kubernetes"} <= {name for name, _ in wanted}
    assert wanted <= listed
    debian = {it["name"] for it in components if it.get("purl", "").startswith("pkg:deb/debian/")}
    assert set(re.findall("^Package: (.+)$", status, re.M)) <= debian
    again = tmp_path / "again.json"
    write_sbom(built, again)
    assert again.read_text() == out.read_text()


def named(metadata: Path) -> tuple[str, str]:
    """The name of a package, as an index has it, and its version."""
    text = metadata.read_text()
    found = [re.search(f"^{field}: (.+)$", text, re.M) for field in ("Name", "Version")]
    name, version = (match[1] for match in found if match)
    return normal(name), version


def normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def test_two_builds_of_the_same_sources_are_equal(built: Image, pytestconfig: pytest.Config) -> None:
    again = image.build(shown_by(pytestconfig), again=True)
    assert again.layers == built.layers
    assert again.config == built.config
