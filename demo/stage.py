"""What stands there before the first day: the factory, and each tenant's namespace, rights and pool."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from controlplane import Cluster, KubectlError, kubectl, wait_until
from demo.running import apply
from demo.tenants import namespace_of

VENUS: Final = Path(__file__).with_name("venus")
FACTORY: Final = "venus"
POOL: Final = "main"


def factory_manifest() -> dict[str, Any]:
    """The factory as it is written down."""
    factory: dict[str, Any] = yaml.safe_load((VENUS / "factory.yaml").read_text(encoding="utf-8"))
    return factory


def pool_manifests(gpus: Mapping[str, int]) -> list[dict[str, Any]]:
    """The tenants' pools as they are written down, with the GPUs of one day."""
    sizes = {namespace_of(tenant): number for tenant, number in gpus.items()}
    pools = list(yaml.safe_load_all((VENUS / "pools.yaml").read_text(encoding="utf-8")))
    for pool in pools:
        pool["spec"]["gpus"] = sizes[pool["metadata"]["namespace"]]
    return pools


def set_stage(cluster: Cluster, gpus: Mapping[str, int]) -> None:
    """Apply all of it, as the platform team would, and wait until tenants may scale their pools."""
    tenants = [item for tenant in gpus for item in _tenant(tenant)]
    apply(cluster, [factory_manifest(), *tenants])
    apply(cluster, pool_manifests(gpus))
    tenant = next(iter(gpus))
    # The controller manager has yet to add the rights on pools to the role `edit`.
    wait_until(lambda: _may_scale(cluster, tenant), "tenants may scale their pools", poll=0.2)


def clear_stage(cluster: Cluster, gpus: Mapping[str, int]) -> None:
    """Delete all of it again; the operator has to run, since it releases the nodes first."""
    spaces = [namespace_of(tenant) for tenant in gpus]
    kubectl(cluster.kubeconfig, "delete", "namespaces", "--wait=true", *spaces, seconds=300)
    # It is refused as long as the status says that nodes draw power there.
    wait_until(lambda: _delete_factory(cluster), f"{FACTORY} can be deleted", poll=0.5)


def _delete_factory(cluster: Cluster) -> bool:
    try:
        kubectl(cluster.kubeconfig, "delete", "aifactory", FACTORY, "--wait=true")
    except KubectlError:
        return False
    return True


def _tenant(tenant: str) -> list[dict[str, Any]]:
    """A namespace, and the usual rights in it for the tenant's user."""
    namespace = namespace_of(tenant)
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "edit", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": tenant}],
        },
    ]


def _may_scale(cluster: Cluster, tenant: str) -> bool:
    try:
        answer = kubectl(
            cluster.kubeconfig,
            *("auth", "can-i", "patch", f"gpupools.aifactory.dev/{POOL}", "--subresource=scale"),
            *(f"--as={tenant}", f"--namespace={namespace_of(tenant)}"),
        )
    except KubectlError:  # it ends with an error where the answer is no
        return False
    return answer.strip() == "yes"
