"""The test cluster itself: it behaves as a real one, and leaves nothing behind."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import controlplane
from cluster.operating import as_in_background
from controlplane import (
    FEATURES,
    Cluster,
    Kubectl,
    KubectlError,
    open_cluster,
    service_account_kubeconfig,
    wait_until,
)
from controlplane.waiting import PATIENCE

TESTS = Path(__file__).parents[1]


def node_manifest(name: str) -> str:
    resources = {"cpu": "64", "memory": "512Gi", "pods": "110", "nvidia.com/gpu": "8"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name},
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "status": {"capacity": resources, "allocatable": resources},
        }
    )


def deployment_manifest(node: str, replicas: int) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: train}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: train}}}}
  template:
    metadata: {{labels: {{app: train}}}}
    spec:
      nodeSelector: {{kubernetes.io/hostname: {node}}}
      containers:
        - name: train
          image: train
          resources: {{limits: {{nvidia.com/gpu: "1"}}}}
"""


def budget_manifest(available: int) -> str:
    return f"""
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: train}}
spec:
  minAvailable: {available}
  selector: {{matchLabels: {{app: train}}}}
"""


@pytest.fixture
def node(kubectl: Kubectl) -> Iterator[str]:
    """A fake node that is ready."""
    name = f"gpu-{secrets.token_hex(4)}"
    kubectl("apply", "--filename=-", stdin=node_manifest(name))
    kubectl("wait", f"node/{name}", "--for=condition=Ready")
    yield name
    kubectl("delete", "node", name)


def run_pods(kubectl: Kubectl, namespace: str, node: str, replicas: int = 2) -> list[str]:
    """Run a deployment on the node and return its pods' names."""
    kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=deployment_manifest(node, replicas))
    kubectl("rollout", "status", "deployment/train", f"--namespace={namespace}")
    return pods(kubectl, namespace)


def pods(kubectl: Kubectl, namespace: str) -> list[str]:
    return kubectl("get", "pods", f"--namespace={namespace}", "--output=name").replace("pod/", "").split()


def evict(kubectl: Kubectl, namespace: str, pod: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(eviction))


def test_a_fake_node_becomes_ready_with_its_gpus_and_a_deployment_runs_on_it(
    kubectl: Kubectl, namespace: str, node: str
) -> None:
    gpus = kubectl("get", "node", node, r"--output=jsonpath={.status.allocatable.nvidia\.com/gpu}")
    assert gpus == "8"
    assert len(run_pods(kubectl, namespace, node, replicas=2)) == 2


def test_an_eviction_honours_a_disruption_budget_and_then_removes_the_pod(
    kubectl: Kubectl, namespace: str, node: str
) -> None:
    victim = run_pods(kubectl, namespace, node, replicas=2)[0]

    def budget(available: int) -> None:
        kubectl("apply", f"--namespace={namespace}", "--filename=-", stdin=budget_manifest(available))
        allowed = (
            "get",
            "pdb/train",
            f"--namespace={namespace}",
            "--output=jsonpath={.status.disruptionsAllowed}",
        )
        wait_until(lambda: kubectl(*allowed) == str(2 - available), "the budget is counted")

    budget(available=2)
    with pytest.raises(KubectlError, match="TooManyRequests"):
        evict(kubectl, namespace, victim)
    budget(available=1)
    evict(kubectl, namespace, victim)
    wait_until(lambda: victim not in pods(kubectl, namespace), "the evicted pod is gone")


def test_a_service_account_kubeconfig_has_the_rights_of_the_account_only(
    cluster: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "serviceaccount", "reader", f"--namespace={namespace}")
    kubectl(
        "create", "rolebinding", "reader", "--clusterrole=view", f"--serviceaccount={namespace}:reader",
        f"--namespace={namespace}",
    )  # fmt: skip
    config = service_account_kubeconfig(cluster.kubeconfig, namespace, "reader", tmp_path / "reader")
    whoami = controlplane.kubectl(config, "auth", "whoami", "--output=jsonpath={.status.userInfo.username}")
    assert whoami == f"system:serviceaccount:{namespace}:reader"
    controlplane.kubectl(config, "get", "pods")
    with pytest.raises(KubectlError, match="forbidden"):
        controlplane.kubectl(config, "create", "configmap", "x")


def test_the_api_server_can_be_lost_and_comes_back_with_all_its_controllers(
    cluster: Cluster, kubectl: Kubectl, namespace: str, node: str
) -> None:
    if cluster.apiserver is None:
        pytest.skip(f"the API server of a cluster from {cluster.provider} is not ours to stop")
    cluster.stop_apiserver()
    with pytest.raises(KubectlError):
        kubectl("get", "nodes", seconds=5)
    cluster.start_apiserver()
    assert run_pods(kubectl, namespace, node)


def test_the_audit_log_has_the_requests_of_the_tested_and_not_those_of_the_cluster(
    cluster: Cluster, kubectl: Kubectl, namespace: str
) -> None:
    if cluster.audit is None:
        pytest.skip(f"a cluster from {cluster.provider} gives no audit log")
    users = {json.loads(line)["user"]["username"] for line in cluster.audit.read_text().splitlines()}
    assert "admin" in users
    assert users.isdisjoint({"kube-scheduler", "kube-controller-manager", "kwok"})


@pytest.mark.long
def test_kwok_runs_beside_an_existing_cluster_that_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIFACTORY_KUBECONFIG", raising=False)
    with open_cluster(FEATURES - {"kwok"}) as bare:
        monkeypatch.setenv("AIFACTORY_KUBECONFIG", str(bare.kubeconfig))
        with open_cluster() as cluster:
            assert (cluster.provider, cluster.features) == ("existing", FEATURES)
            controlplane.kubectl(cluster.kubeconfig, "apply", "--filename=-", stdin=node_manifest("gpu"))
            controlplane.kubectl(cluster.kubeconfig, "wait", "node/gpu", "--for=condition=Ready")


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="no other system ends children with their parent")
@pytest.mark.parametrize(
    ("end", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_cluster_kept_up_by_hand_leaves_no_process_behind(
    end: signal.Signals, status: int, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    environment.pop("AIFACTORY_KUBECONFIG", None)
    command = [sys.executable, "-m", "controlplane", "up"]
    said = tmp_path / "said"
    with said.open("w") as out, as_in_background():
        parent = subprocess.Popen(command, stdout=out, env=environment)
    try:
        wait_until(
            lambda: parent.poll() is not None or "AIFACTORY_KUBECONFIG=" in said.read_text(), "it is up"
        )
        assert said.read_text().startswith("export KUBECONFIG=")
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        parent.send_signal(end)
        assert parent.wait(PATIENCE) == status
    finally:
        parent.kill()
    assert len(children) == 5
    wait_until(lambda: not any(alive(pid) for pid in children), "no child lives")


def alive(pid: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # a zombie is dead; init has yet to note it
