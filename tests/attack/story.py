"""The story that every attack interrupts: two sites and four tenants, through all that may befall them.

In each step the rules leave one answer to how many GPUs each pool gets, whatever happened before: room or
power is short by whole pools, no two priorities are alike, and what is lower gives way. Which slot a unit
stands in is left open.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attack.stage import Stage, recorded
from cluster.operating import FACTORIES, POOLS, apply, factory, pool, refusal
from cluster.reading import get
from controlplane import Kubectl, wait_until
from controlplane.waiting import PATIENCE
from recorder import History, Resource

NODE = 10_200  # watts of a node in these factories
GPUS = 8  # of a node

Stores = Callable[[Kubectl, str], None]  # what users do, in a namespace


@dataclass(frozen=True)
class Step:
    """What users do, and the GPUs that each pool has afterwards, in each factory that there is."""

    name: str
    do: Stores
    served: Mapping[str, int]
    sites: frozenset[str] = frozenset({"east", "west"})

    def wrong(self, history: History) -> str:
        """What is not as it should be; empty where all is."""
        found = {name: pool.status.get("gpus", 0) for (_, name), pool in history.resources("GPUPool").items()}
        sites = {name for _, name in history.resources("AIFactory")}
        if found != self.served or sites != self.sites:
            return f"{sites} serve {found}, and {set(self.sites)} should serve {dict(self.served)}"
        return ""


def _east(quota: int = 10) -> dict[str, Any]:
    """A site with room for eight nodes; its quota carries so many."""
    return factory("east", rows=2, power={**factory("east")["spec"]["power"], "quota": quota * NODE})


def _west(**spec: Any) -> dict[str, Any]:
    """A site with room for four."""
    return factory("west", rows=1, **spec)


def _train(tenant: str, gpus: int) -> dict[str, Any]:
    return pool("train", tenant, gpus, "east", priority=10)


def _sites(kubectl: Kubectl, tenant: str) -> None:
    apply(kubectl, _east(), _west())


def _pools(kubectl: Kubectl, tenant: str) -> None:
    batch = pool("batch", tenant, 32, "east", minGpus=8, preemptible=True)
    chat = pool("chat", tenant, 16, "west", priority=5, purpose="Inference")
    apply(kubectl, _train(tenant, 16), batch, chat)


def _preempt(kubectl: Kubectl, tenant: str) -> None:
    apply(kubectl, pool("urgent", tenant, 24, "east", priority=100))


def _drain(kubectl: Kubectl, tenant: str) -> None:
    moving = pool("chat", tenant, 16, "west", priority=5, purpose="Inference")
    moving["spec"]["factories"] = {"names": ["east", "west"]}
    apply(kubectl, moving, _west(drain=True))


def _pools_gone(kubectl: Kubectl, tenant: str) -> None:
    kubectl("delete", POOLS, "--all", f"--namespace={tenant}", "--wait=false")


def _sites_gone(kubectl: Kubectl, tenant: str) -> None:
    for obj in get(kubectl, FACTORIES):
        _let_go(kubectl, obj["metadata"]["name"])


def _let_go(kubectl: Kubectl, site: str) -> None:
    """Delete a site that is empty, and wait for nobody: its operator may be in trouble."""

    def deleted() -> bool:
        return not refusal(lambda: kubectl("delete", FACTORIES, site, "--wait=false"))

    wait_until(deleted, f"site {site} is seen to be empty")


_EAST = frozenset({"east"})

STORY: tuple[Step, ...] = (
    Step("sites", _sites, {}),
    Step("pools", _pools, {"train": 16, "batch": 32, "chat": 16}),
    Step("grow", lambda k, t: apply(k, _train(t, 32)), {"train": 32, "batch": 32, "chat": 16}),
    Step("shrink", lambda k, t: apply(k, _train(t, 16)), {"train": 16, "batch": 32, "chat": 16}),
    # Five of eight nodes are left for batch and urgent, of which urgent takes three.
    Step("preemption", _preempt, {"train": 16, "batch": 24, "chat": 16, "urgent": 24}),
    Step(
        "limit down",
        lambda k, t: apply(k, _east(6)),
        {"train": 16, "batch": 8, "chat": 16, "urgent": 24},
    ),
    Step("limit up", lambda k, t: apply(k, _east()), {"train": 16, "batch": 24, "chat": 16, "urgent": 24}),
    # What drains needs two nodes elsewhere, which batch has above its minimum.
    Step("drain", _drain, {"train": 16, "batch": 8, "chat": 16, "urgent": 24}),
    Step(
        "factory gone",
        lambda k, t: _let_go(k, "west"),
        {"train": 16, "batch": 8, "chat": 16, "urgent": 24},
        _EAST,
    ),
    Step(
        "pool gone",
        lambda k, t: k("delete", POOLS, "urgent", f"--namespace={t}", "--wait=false"),  # type: ignore[arg-type]
        {"train": 16, "batch": 32, "chat": 16},
        _EAST,
    ),
    Step("pools gone", _pools_gone, {}, _EAST),
    Step("sites gone", _sites_gone, {}, frozenset()),
)
SHORT: tuple[Step, ...] = (
    *(it for it in STORY if it.name in {"sites", "pools", "preemption", "limit down"}),
    Step("pools gone", _pools_gone, {}),
    STORY[-1],
)
"""A part of it that is a story by itself."""


def play(
    stage: Stage,
    tenant: str,
    story: Sequence[Step],
    *,
    before: Callable[[Step], None] = lambda step: None,
    during: Callable[[Step], None] = lambda step: None,
    wrong: Callable[[Step, History], str] = lambda step, history: "",
    after: Callable[[Step, History], None] = lambda step, history: None,
    seconds: float = PATIENCE,
) -> None:
    """Play a story: what comes `before` each step, and `during` what the operator makes of it; what else may
    be `wrong` with its end, and what comes `after` it.

    Raises Attacked where it does not come to the end that the rules say, or the recorder complains.
    """
    with recorded(stage) as recorder:
        for step in story:
            before(step)
            step.do(stage.kubectl, tenant)
            during(step)

            def found(history: History, step: Step = step) -> str:
                return step.wrong(history) or wrong(step, history)

            stage.rest(recorder, found, step.name, seconds)
            after(step, recorder.history)


def summary(history: History) -> dict[str, Any]:
    """All that must not depend on history: what is served, counted and said, but not where and since when."""
    pools = {f"pool {name}": _pool(it) for (_, name), it in history.resources("GPUPool").items()}
    factories = {f"factory {name}": _factory(it) for (_, name), it in history.resources("AIFactory").items()}
    nodes: dict[str, int] = {}
    for node in history.nodes():
        key = (
            f"nodes of {node.pool and node.pool[1]} in {node.factory}: {node.unit_watts} W, {node.gpus} GPUs"
        )
        nodes[key] = nodes.get(key, 0) + 1
    return {**pools, **factories, **nodes}


def _pool(it: Resource) -> dict[str, Any]:
    kept = ("gpus", "readyGpus", "watts", "notReadyNodes", "cordonedNodes", "outOfServiceNodes")
    return _said(it) | {key: it.status.get(key) for key in kept}


def _factory(it: Resource) -> dict[str, Any]:
    kept = ("power", "nodes", "readyNodes", "wantedNodes", "gpus", "readyGpus", "wantedGpus", "pools")
    return _said(it) | {key: it.status.get(key) for key in (*kept, "unplaced", "energy")}


def _said(it: Resource) -> dict[str, Any]:
    """What its conditions say. How much is proved of a plan depends on how long one has looked for it."""
    said = {kind: (c["status"], c["reason"]) for kind, c in it.conditions.items() if kind != "Certified"}
    return {"conditions": said, "waits": it.status.get("waiting", {}).get("reason")}


def unlike(there: dict[str, Any], here: dict[str, Any]) -> str:
    """How two summaries differ; empty where they do not."""
    keys = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
    return "\n".join(f"{key}: {here.get(key)}, and was {there.get(key)}" for key in keys)
