"""The CRDs on a real API server: what it takes, what it refuses with which words, how kubectl shows it."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.reading import read
from controlplane import Kubectl, KubectlError
from unit.api.bad_objects import AT_APPLY, BAD, FACTORY, POOL, READING_ONLY, Bad, changed

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
KINDS = ("aifactories.aifactory.dev", "gpupools.aifactory.dev")


@pytest.fixture
def factory(kubectl: Kubectl, crds: None) -> Iterator[str]:
    """A factory of the test's own."""
    name = f"test-{secrets.token_hex(4)}"
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(changed(FACTORY, {"metadata.name": name})))
    yield name
    kubectl("delete", "aifactories.aifactory.dev", name, "--wait=false")


@pytest.fixture
def pool(kubectl: Kubectl, crds: None, namespace: str) -> tuple[str, str]:
    """A pool of the test's own: namespace and name."""
    kubectl("apply", "--server-side", "-f", "-", stdin=in_namespace(POOL, namespace))
    return namespace, "pool"


def in_namespace(obj: dict[str, Any], namespace: str) -> str:
    return json.dumps(changed(obj, {"metadata.namespace": namespace}))


def created(kubectl: Kubectl, obj: dict[str, Any]) -> dict[str, Any]:
    """Let the API server judge an object without keeping it; returns what it would keep."""
    text = kubectl("create", "--dry-run=server", "--output=json", "-f", "-", stdin=json.dumps(obj))
    result: dict[str, Any] = json.loads(text)
    return result


def refusal(kubectl: Kubectl, obj: dict[str, Any]) -> str:
    with pytest.raises(KubectlError) as caught:
        created(kubectl, obj)
    return str(caught.value)


@pytest.mark.usefixtures("crds")
def test_the_crds_are_established_without_complaint(kubectl: Kubectl) -> None:
    for kind in KINDS:
        crd = read(kubectl, "crd", kind)
        conditions = {item["type"]: item["status"] for item in crd["status"]["conditions"]}
        assert conditions["Established"] == "True"
        # It judges whether the schema is structural, among others.
        assert conditions.get("NonStructuralSchema", "False") == "False"
        assert conditions["NamesAccepted"] == "True"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
@pytest.mark.usefixtures("crds")
def test_every_example_is_accepted(kubectl: Kubectl, namespace: str, path: Path) -> None:
    for obj in yaml.safe_load_all(path.read_text("utf-8")):
        text = in_namespace(obj, namespace) if obj["kind"] == "GPUPool" else json.dumps(obj)
        kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=text)


@pytest.mark.usefixtures("crds")
def test_the_main_examples_are_accepted_as_files(kubectl: Kubectl) -> None:
    try:
        kubectl("create", "namespace", "research")
    except KubectlError as error:
        if "already exists" not in str(error):
            raise
    for name in ("aifactory.yaml", "gpupool.yaml"):
        kubectl(
            "apply", "--server-side", "--dry-run=server", "-f", str(ROOT / "manifests" / "examples" / name)
        )


@pytest.mark.parametrize("bad", [*BAD, *AT_APPLY], ids=str)
@pytest.mark.usefixtures("crds")
def test_every_wrong_field_is_refused_by_name(kubectl: Kubectl, bad: Bad) -> None:
    message = refusal(kubectl, bad.object)
    for path, words in bad.wrong.items():
        assert f"{path}: " in message
        assert (bad.server or words) in message


@pytest.mark.parametrize("bad", READING_ONLY, ids=str)
@pytest.mark.usefixtures("crds")
def test_what_only_the_operator_refuses_is_still_so(kubectl: Kubectl, bad: Bad) -> None:
    # Should a newer API server be able to say it, the rule belongs into the CRD.
    created(kubectl, bad.object)


@pytest.mark.usefixtures("crds")
def test_an_unknown_field_is_refused(kubectl: Kubectl) -> None:
    assert 'unknown field "spec.power.quotas"' in refusal(kubectl, changed(FACTORY, {"spec.power.quotas": 1}))


@pytest.mark.usefixtures("crds")
def test_too_many_domains_are_refused(kubectl: Kubectl) -> None:
    domains = [{"path": f"hall-{number}", "limit": 1} for number in range(2, 259)]
    message = refusal(kubectl, changed(FACTORY, {"spec.power.domains": domains, "spec.racks": []}))
    assert "spec.power.domains: Too many: 257: must have at most 256 items" in message


def domain_lists() -> dict[str, list[str]]:
    """Return lists of 256 long paths that are the dearest for one rule or another."""
    tops = [f"{'a' * 30}-{number}" for number in range(2, 10)]
    below = [f"{top}/{'b' * 40}-{number:06}" for number in range(100_000, 100_031) for top in tops]
    stem = "a" * 76
    return {
        "parents last": [*below, *tops],
        "siblings": [*(f"{stem}-{number}" for number in range(745, 1000)), stem],
        "deep": [
            *(f"{'a/' * 5}{'b' * 66}-{number}" for number in range(100, 350)),
            *("/".join("a" * depth) for depth in range(1, 7)),
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("name", "paths"), domain_lists().items(), ids=lambda value: str(value)[:12])
@pytest.mark.usefixtures("crds")
def test_the_largest_factories_fit_the_cost_budget(kubectl: Kubectl, name: str, paths: list[str]) -> None:
    assert len(paths) == 256
    assert max(map(len, paths)) == 80
    domains = [{"path": path, "count": 3, "limit": "999999999.999999999k"} for path in paths]
    racks = [
        {"domain": path, "system": "hgx-h100", "fabric": path, "count": 1, "nodesPerRack": 4}
        for path in paths
    ]
    obj = changed(FACTORY, {"spec.power.domains": domains, "spec.racks": racks})
    created(kubectl, obj)
    wrong = {"spec.racks.255.domain": "nowhere", "spec.power.domains.255.limit": "3W", "spec.backend": {}}
    message = refusal(kubectl, changed(obj, wrong))
    for path in ("spec.racks", "spec.racks[255].fabric", "spec.power.domains[255].limit", "spec.backend"):
        assert f"{path}: " in message, name


@pytest.mark.usefixtures("crds")
def test_defaults_are_visible(kubectl: Kubectl) -> None:
    spec = created(kubectl, POOL)["spec"]
    assert (spec["purpose"], spec["priority"], spec["drainTimeoutSeconds"]) == ("Training", 0, 600)
    spec = created(kubectl, changed(FACTORY, {"spec.power.basis": None}))["spec"]
    assert (spec["power"]["basis"], spec["power"]["overheadPercent"], spec["paused"]) == ("Gross", 0, False)


@pytest.mark.usefixtures("crds")
def test_quantities_are_kept_as_they_were_written(kubectl: Kubectl) -> None:
    quantities = [
        "0",
        0,
        "1T",
        10**12,
        "2600k",
        "1e6",
        "1E6",
        "1E3",
        "100Mi",
        "0.5M",
        ".5M",
        "5.",
        "+1",
        "1180",
    ]
    domains = [{"path": f"d{index}", "limit": value} for index, value in enumerate(quantities)]
    obj = created(kubectl, changed(FACTORY, {"spec.power.domains": domains, "spec.racks": []}))
    assert [domain["limit"] for domain in obj["spec"]["power"]["domains"]] == quantities


def test_status_given_by_a_user_is_dropped(kubectl: Kubectl, factory: str) -> None:
    status = {"status": {"gpus": 8, "conditions": []}}
    kubectl("patch", "aifactory", factory, "--type=merge", f"--patch={json.dumps(status)}")
    assert "status" not in read(kubectl, "aifactory", factory)


def test_teams_may_own_different_racks_of_one_factory(kubectl: Kubectl, factory: str) -> None:
    group = {"domain": "hall/row", "system": "hgx-h200", "count": 2}
    part = {"apiVersion": FACTORY["apiVersion"], "kind": "AIFactory", "metadata": {"name": factory}}
    body = json.dumps({**part, "spec": {"racks": [group]}})
    kubectl("apply", "--server-side", "--field-manager=other-team", "-f", "-", stdin=body)
    racks = read(kubectl, "aifactory", factory)["spec"]["racks"]
    assert [rack["system"] for rack in racks] == ["hgx-h100", "hgx-h200"]


def test_an_apply_of_the_same_changes_nothing(kubectl: Kubectl, factory: str) -> None:
    before = read(kubectl, "aifactory", factory)["metadata"]["resourceVersion"]
    obj = changed(FACTORY, {"metadata.name": factory})
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(obj))
    after = read(kubectl, "aifactory", factory)["metadata"]["resourceVersion"]
    assert after == before


def write_status(kubectl: Kubectl, resource: str, status: dict[str, Any], *arguments: str) -> None:
    patch = json.dumps({"status": status})
    kubectl("patch", resource, *arguments, "--subresource=status", "--type=merge", f"--patch={patch}")


def ready(reason: str, status: str = "True", kind: str = "Ready") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "In words.",
        "lastTransitionTime": "2026-11-24T07:28:00Z",
        "observedGeneration": 1,
    }


def test_a_pool_is_scaled_and_waited_for(kubectl: Kubectl, pool: tuple[str, str]) -> None:
    namespace, name = pool
    here = f"--namespace={namespace}"
    selector = f"aifactory.dev/pool={name},aifactory.dev/pool-namespace={namespace}"
    wait = ("wait", "--for=condition=Ready", f"gpupools.aifactory.dev/{name}", here)
    status = {"gpus": 8, "selector": selector, "conditions": [ready("AllReady")], "observedGeneration": 1}
    write_status(kubectl, f"agp/{name}", status, here)
    kubectl(*wait, "--timeout=5s")

    kubectl("scale", f"gpupools.aifactory.dev/{name}", "--replicas=5", here)
    raw = f"/apis/aifactory.dev/v1alpha1/namespaces/{namespace}/gpupools/{name}"
    assert json.loads(kubectl("get", f"--raw={raw}"))["spec"]["gpus"] == 5
    scale = json.loads(kubectl("get", f"--raw={raw}/scale"))
    assert scale["spec"]["replicas"] == 5
    assert scale["status"] == {"replicas": 8, "selector": selector}
    # The condition still speaks of the former generation.
    with pytest.raises(KubectlError, match="timed out"):
        kubectl(*wait, "--timeout=1s")
    status = {"conditions": [{**ready("AllReady"), "observedGeneration": 2}], "observedGeneration": 2}
    write_status(kubectl, f"agp/{name}", status, here)
    kubectl(*wait, "--timeout=5s")


def table(text: str) -> list[dict[str, str]]:
    """Read the table that `kubectl get` prints, by the places of its headings."""
    head, *rows = text.splitlines()
    names = head.split()
    starts = [head.index(name) for name in names]
    ends = [*starts[1:], None]
    return [
        {name: row[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)}
        for row in rows
    ]


def test_get_tells_how_a_factory_is(kubectl: Kubectl, factory: str) -> None:
    status = {
        "observedGeneration": 1,
        "power": {"limit": 8333333, "committed": 7800000, "reserved": 7800000, "free": 533333},
        "gpus": 512,
        "readyGpus": 504,
        "pools": 3,
        "printed": {
            "limit": "8.33 MW",
            "committed": "7.8 MW",
            "free": "533 kW",
            "tightest": "hall-2/row-4 99%",
        },
        "conditions": [ready("AllReady"), ready("Kept", kind="WithinLimits")],
    }
    write_status(kubectl, f"aif/{factory}", status)
    (row,) = table(kubectl("get", "aifactory", factory))
    assert row.pop("AGE")
    assert row == {
        "NAME": factory,
        "READY": "True",
        "REASON": "AllReady",
        "LIMIT": "8.33 MW",
        "COMMITTED": "7.8 MW",
        "FREE": "533 kW",
        "TIGHTEST": "hall-2/row-4 99%",
        "GPUS": "512",
        "READY-GPUS": "504",
        "POOLS": "3",
    }
    (wide,) = table(kubectl("get", "aif", factory, "--output=wide"))
    assert (wide["QUOTA"], wide["BASIS"], wide["WITHIN-LIMITS"], wide["MESSAGE"]) == (
        "10M",
        "Gross",
        "True",
        "In words.",
    )


def test_get_tells_how_a_pool_is(kubectl: Kubectl, pool: tuple[str, str]) -> None:
    namespace, name = pool
    status = {
        "observedGeneration": 1,
        "gpus": 72,
        "readyGpus": 68,
        "watts": 150480,
        "printed": {"where": "dfw-1/hall-2/row-5", "power": "150 kW", "waits": "dfw-1/hall-2 240 kW short"},
        "conditions": [ready("PartlyPlaced", "False")],
    }
    write_status(kubectl, f"gpupools.aifactory.dev/{name}", status, f"--namespace={namespace}")
    (row,) = table(kubectl("get", "agp", f"--namespace={namespace}"))
    assert row.pop("AGE")
    assert row == {
        "NAME": name,
        "READY": "False",
        "REASON": "PartlyPlaced",
        "WANTED": "8",
        "PLACED": "72",
        "READY-GPUS": "68",
        "WHERE": "dfw-1/hall-2/row-5",
        "POWER": "150 kW",
        "WAITS-FOR": "dfw-1/hall-2 240 kW short",
    }
    (wide,) = table(kubectl("get", "agp", f"--namespace={namespace}", "--output=wide"))
    assert (wide["SYSTEMS"], wide["PRIORITY"], wide["PURPOSE"]) == ('["hgx-h100"]', "0", "Training")


def test_the_category_shows_both_kinds(kubectl: Kubectl, factory: str, pool: tuple[str, str]) -> None:
    shown = kubectl("get", "gpufleet", "--all-namespaces", "--output=name")
    assert f"aifactory.aifactory.dev/{factory}" in shown
    assert f"gpupool.aifactory.dev/{pool[1]}" in shown


def test_a_status_that_is_wrong_is_refused(kubectl: Kubectl, factory: str) -> None:
    status = {"conditions": [{**ready("Fine"), "status": "Perhaps"}], "gpus": -1}
    with pytest.raises(KubectlError) as caught:
        write_status(kubectl, f"aif/{factory}", status)
    assert "status.conditions[0].status" in str(caught.value)
    assert "status.gpus" in str(caught.value)


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part
        yield from fields(part, f"{path}.{name}")
        yield from fields(part.get("items", {}), f"{path}.{name}[]")


@pytest.mark.usefixtures("crds")
def test_explain_describes_every_field(kubectl: Kubectl) -> None:
    # What `kubectl explain` reads.
    schemas = json.loads(kubectl("get", "--raw=/openapi/v3/apis/aifactory.dev/v1alpha1"))["components"][
        "schemas"
    ]
    for kind in ("AIFactory", "GPUPool"):
        schema = schemas[f"dev.aifactory.v1alpha1.{kind}"]
        assert [path for path, part in fields(schema, kind) if not part.get("description")] == []


@pytest.mark.usefixtures("crds")
def test_explain_says_units_and_defaults(kubectl: Kubectl) -> None:
    shown = " ".join(kubectl("explain", "aifactories.aifactory.dev.spec.power").split())
    assert "in watts" in shown
    assert "Default: Gross." in shown
    assert 'Quote numbers that are not whole: "42.5".' in shown
    assert "priority" in kubectl("explain", "gpupools.aifactory.dev", "--recursive")
