"""What is the kwok driver's own; what all drivers keep is in tests/cluster/backends."""

import yaml

from aifactory.backends import Backend, Mandate
from aifactory.backends.steps import FEW_NODES
from aifactory.decide.model.plan import Cause, Delete, Drain
from aifactory.decide.model.world import Pod
from cluster.backends.bed import now
from cluster.shell.nodes import made, order, seen
from controlplane import Kubectl


async def test_the_pods_that_have_to_leave_are_found(
    driver: Backend, site: str, kubectl: Kubectl, namespace: str
) -> None:
    await driver.create(order(site), Mandate("x", 1))
    node = (await seen(driver, site))[1]
    for name, where in (
        ("goes", {"nodeName": node.name}),
        ("waits", {"nodeSelector": {"is": "nowhere"}}),
    ):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": where | {"containers": [{"name": "main", "image": "none"}]},
        }
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
    (goes,) = await driver.pods([node.name])
    assert (goes.namespace, goes.name, goes.node) == (namespace, "goes", node.name)
    # Of many nodes they are found by one LIST.
    many = [node.name, *(f"other-{i}" for i in range(FEW_NODES))]
    assert await driver.pods(many) == [goes]
    # What is left at the timeout goes before its node: it would stay bound to the name.
    await driver.drain(Drain(node, now(), Cause.SPEC))
    # One that came back under its old name, perhaps elsewhere, is another pod.
    again = Pod(namespace, "waits", node.name, uid="of-the-former-one")
    left = (goes, again, Pod(namespace, "gone", node.name, uid="x"))
    drained = (await seen(driver, site))[1]
    await made(lambda: driver.delete(Delete(drained, left)))
    assert kubectl("get", "pods", f"--namespace={namespace}", "--output=name").split() == ["pod/waits"]
    assert await seen(driver, site) == {}
