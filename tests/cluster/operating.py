"""The operator as its own process, installed with its own rights and policies, and what it runs on."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import yaml
from prometheus_client.parser import text_string_to_metric_families

from aifactory.api import names
from aifactory.shell.terms import DURATION
from cluster.reading import get, read
from controlplane import ESTABLISHED, Cluster, Kubectl, KubectlError, service_account_kubeconfig, wait_until
from controlplane.ports import free_port
from controlplane.processes import dying_with_parent
from controlplane.waiting import PATIENCE

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
SYSTEM, ACCOUNT, LEASE = "aifactory-system", "aifactory", "aifactory"
FACTORIES, POOLS = f"aifactories.{names.GROUP}", f"gpupools.{names.GROUP}"
OCCUPIED = re.compile(rf"(occupied-factories|standing-nodes)\.{names.GROUP}")
GRACE = 30  # seconds that a pod gets to end, as the Deployment says
TAKE_OVER = DURATION + PATIENCE  # seconds until another one leads: its predecessor's Lease has to run out
# To drain a node and to release it takes some cycles, and what each of them writes is a storm of its own: a
# tenth of a second without a change is its end, not a whole one.
PROMPT = {"storm_begins": 0.05, "storm_ends": 0.1}
HASTY = PROMPT | {"longest_watch_pause": 0.05}  # and tries again after hundredths of a second
# A proxy in the environment is not for loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Operator:
    """`aifactory run` as a process. Its log is in `log`."""

    started: ClassVar[list["Operator"]] = []

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        name: str = "operator",
        *more: str,
        module: str = "aifactory",
        wrapped: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`wrapped` is the command that runs it; `env` takes the place of this process's environment."""
        self.log = folder / f"{name}.log"
        self._health, self._metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        command = [
            *(*wrapped, sys.executable, "-m", module, "run", f"--kubeconfig={kubeconfig}"),
            *(f"--namespace={SYSTEM}", f"--lease={LEASE}"),
            *(f"--health-bind={self._health}", f"--metrics-bind={self._metrics}", *more),
        ]
        folders = [str(ROOT / part) for part in ("operator", "solver", "tests")]
        path = os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])
        env = {**(os.environ if env is None else env), "PYTHONPATH": path}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(dying_with_parent(command), stdout=log, stderr=log, env=env)
        self.started.append(self)

    def health(self, path: str = "/healthz") -> Object | None:
        """What a probe's path says; None while it does not answer, or not with 200."""
        try:
            with _direct.open(f"http://{self._health}{path}", timeout=5) as answer:
                says: Object = json.load(answer)
                return says
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    @property
    def ports(self) -> tuple[int, int]:
        """Where probes and scrapes are answered, on loopback."""
        health, metrics = (int(where.rpartition(":")[2]) for where in (self._health, self._metrics))
        return health, metrics

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels; 0 while there is none."""
        try:
            with _direct.open(f"http://{self._metrics}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return 0
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    def leads(self) -> bool:
        """Whether it says that it leads."""
        return self.metric("aifactory_leader") == 1

    def cycles(self) -> int:
        """Cycles that have come to their end."""
        return int(self.metric("aifactory_cycle_seconds_count", phase="report"))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def end(self, *, ctrl_c: bool = False) -> int:
        """Tell it to end, and return its exit code. Raises TimeoutExpired where a pod would be killed."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGINT if ctrl_c else signal.SIGTERM)
        try:
            return self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def as_in_background() -> Iterator[None]:
    """What is started meanwhile has SIGINT ignored, as a shell does it for jobs in its background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def options(settings: Mapping[str, float]) -> list[str]:
    """Settings as options of `aifactory run`."""
    return [f"--set={name}={value}" for name, value in settings.items()]


Start = Callable[..., Operator]


@contextmanager
def operators(kubectl: Kubectl, kubeconfig: Path, folder: Path) -> Iterator[Start]:
    """Start operators: `start(name, module=..., leads=...)` gives one that leads, or only answers.

    Settings are given by name. By default it is prompt. All are ended afterwards, and the lease is free.
    """
    started: list[Operator] = []

    def start(
        name: str = "operator",
        *,
        module: str = "aifactory",
        leads: bool = True,
        pace: Mapping[str, float] = PROMPT,
        **settings: float,
    ) -> Operator:
        operator = Operator(kubeconfig, folder, name, "-v", *options({**pace, **settings}), module=module)
        started.append(operator)
        what = f"{name} {'leads' if leads else 'answers'}; its log is {operator.log}"
        wait_until(operator.leads if leads else operator.health, what)
        return operator

    try:
        yield start
    finally:
        for operator in started:
            operator.end()
        kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")


def install(cluster: Cluster, kubectl: Kubectl, folder: Path, *components: str) -> Path:
    """Install what the operator needs and what binds it: all of the base, but for its Deployment.

    With these components of the manifests. Gives a kubeconfig with its own rights.
    """
    beside, parts = (ROOT / "manifests" / part for part in ("overlays/beside", "components"))
    # kustomize takes relative paths only.
    said = {"resources": [beside], "components": [parts / name for name in components]}
    relative = {key: [os.path.relpath(path, folder) for path in paths] for key, paths in said.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(relative))
    kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", str(folder))
    kubectl("wait", ESTABLISHED, f"crd/{FACTORIES}", f"crd/{POOLS}")
    return service_account_kubeconfig(cluster.kubeconfig, SYSTEM, ACCOUNT, folder / "kubeconfig")


@contextmanager
def installed(cluster: Cluster, kubectl: Kubectl, folder: Path, *components: str) -> Iterator[Path]:
    """The same for a while: afterwards nothing is bound any more, and no object is left."""
    path = install(cluster, kubectl, folder, *components)
    clear(kubectl)  # a module without an operator may have left pools in a namespace that was just deleted
    yield path

    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        ours = [name for name in kubectl("get", kind, "--output=name").split() if name.endswith(names.GROUP)]
        kubectl("delete", "--wait=false", *ours)
    for component in components:
        kubectl("delete", "clusterrolebinding", f"aifactory-{component}", "--ignore-not-found")
    clear(kubectl)


def clear(kubectl: Kubectl) -> None:
    """Take away all factories, pools and nodes at once. No operator is at work, or none that matters.

    A policy that was deleted is in force for a moment more, and whoever deletes a namespace deletes its pools
    at the same time: so it is tried until nothing is left.
    """

    def cleared() -> bool:
        found = [obj for kind in (POOLS, FACTORIES) for obj in get(kubectl, kind)]
        held = [obj for obj in found if obj["metadata"].get("finalizers")]
        let_go = ("patch", "--type=merge", '--patch={"metadata": {"finalizers": null}}')
        for objects, ask in ((held, let_go), (found, ("delete", "--wait=false"))):
            text = yaml.safe_dump_all(objects)
            said = refusal(partial(kubectl, *ask, "--filename=-", stdin=text)) if objects else ""
            refused = [line for line in said.splitlines() if "Error from server" in line]
            assert all("NotFound" in line or OCCUPIED.search(line) for line in refused), said
            assert refused or not said, said
        return not found

    wait_until(cleared, "no factory and no pool is left")
    delete_nodes(kubectl, names.LABEL_FACTORY)
    kubectl("delete", "lease", LEASE, f"--namespace={SYSTEM}", "--ignore-not-found")


def delete_factory(kubectl: Kubectl, name: str) -> None:
    """Delete a factory that is being emptied, as soon as the policy lets it go: its status lags a little."""

    def deleted() -> bool:
        said = refusal(lambda: kubectl("delete", FACTORIES, name, "--ignore-not-found"))
        assert not said or OCCUPIED.search(said), said
        return not said

    wait_until(deleted, f"factory {name} is deleted")


def refusal(ask: Callable[[], object]) -> str:
    """What the API server says against a request; empty if it takes it."""
    try:
        ask()
    except KubectlError as error:
        return str(error)
    return ""


def delete_nodes(kubectl: Kubectl, selector: str) -> None:
    """Delete all nodes that a selector finds, in one request."""
    kubectl("delete", "--raw", f"/api/v1/nodes?labelSelector={quote(selector)}")


@contextmanager
def a_namespace(kubectl: Kubectl, name: str) -> Iterator[str]:
    """A namespace in which pods can be created; it goes afterwards, with all that is in it."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kubectl("create", "--filename=-", stdin=json.dumps(body))
    try:
        wait_until(lambda: get(kubectl, "serviceaccounts", name), "the default service account exists")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def nodes_of(kubectl: Kubectl, pool: str, namespace: str) -> list[Object]:
    """The nodes of a pool."""
    selector = f"{names.LABEL_POOL}={pool},{names.LABEL_POOL_NAMESPACE}={namespace}"
    return get(kubectl, "nodes", selector=selector)


def nodes_in(kubectl: Kubectl, factory: str) -> list[Object]:
    """The nodes in a factory."""
    return get(kubectl, "nodes", selector=f"{names.LABEL_FACTORY}={factory}")


def apply(kubectl: Kubectl, *objects: Object) -> None:
    """Apply objects, as a user does."""
    kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(objects))


def factory(name: str, *, rows: int = 2, racks: int = 1, limit: str = "100k", **spec: Any) -> Object:
    """A factory of four-node HGX racks: each node has 8 GPUs and counts 10,200 W."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "AIFactory",
        "metadata": {"name": name},
        "spec": {
            "power": {
                "quota": "1M",
                "basis": "CriticalIT",
                "domains": [{"path": "row", "count": rows, "limit": limit}],
            },
            "racks": [{"domain": "row", "system": "hgx-h100", "count": racks}],
            "backend": {"kwok": {}},
            **spec,
        },
    }


def pool(name: str, namespace: str, gpus: int, factory: str, **spec: Any) -> Object:
    """A pool of HGX nodes in one factory."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": "GPUPool",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"gpus": gpus, "systems": ["hgx-h100"], "factories": {"names": [factory]}, **spec},
    }


def guard(kubectl: Kubectl, namespace: str, node: str, *, tolerant: bool = True) -> None:
    """Put a pod on a node that its budget lets nobody evict; it tolerates everything, or nothing."""
    labels = {"app": "trainer"}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "hold-on", "namespace": namespace},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
    }
    trainer = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trainer", "namespace": namespace, "labels": labels},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}] if tolerant else [],
            "containers": [{"name": "main", "image": "none"}],
        },
    }
    apply(kubectl, budget, trainer)
    kubectl("wait", "--for=condition=Ready", "pod/trainer", f"-n={namespace}", "--timeout=30s")


def condition(obj: Object, kind: str) -> Object:
    """One condition of a resource; empty where it is not there."""
    conditions: Iterable[Object] = obj.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})


def settled(obj: Object) -> bool:
    """Whether a resource's status is of its present generation, with nothing under way."""
    seen = obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
    return bool(seen) and not condition(obj, "Reconciling")


def is_ready(kubectl: Kubectl, pool: str, namespace: str) -> bool:
    """Whether a pool is settled, and Ready."""
    obj = read(kubectl, POOLS, pool, namespace)
    return settled(obj) and condition(obj, "Ready").get("status") == "True"
