"""The manifests, without a cluster: they build, and their parts agree with each other and with the code."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.core import TyperGroup
from typer.main import get_command

from aifactory.api import names
from aifactory.api.factory import AIFactory
from aifactory.api.pool import GPUPool
from aifactory.api.reading import parse_factory, parse_pool
from aifactory.cli.app import app
from aifactory.shell.metrics import Metrics
from aifactory.shell.service import METRICS
from controlplane import kubectl
from documents import blocks

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.parent for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent for path in MANIFESTS.glob("components/*/kustomization.yaml"))
WHOLE = [MANIFESTS / "base", *OVERLAYS]
WITH_PODS = [folder for folder in WHOLE if folder.name != "beside"]
# What components change of the base: one policy, that of the kubelets which register with Karpenter.
CHANGED = {"karpenter": ["kubelets.aifactory.dev"]}
HEALTH = sorted(MANIFESTS.glob("argocd/resource_customizations/*/*/health.lua"))


def build(folder: Path) -> list[Object]:
    return list(yaml.safe_load_all(kubectl(Path(os.devnull), "kustomize", str(folder))))


def build_with(component: Path, base: Path, folder: Path) -> list[Object]:
    """Build a component on a base, in a new kustomization; kustomize takes relative paths only."""
    base, component = (Path(os.path.relpath(path, folder)) for path in (base, component))
    text = yaml.safe_dump({"resources": [str(base)], "components": [str(component)]})
    (folder / "kustomization.yaml").write_text(text)
    return build(folder)


def named(objects: list[Object], kind: str, name: str = "") -> Object:
    found = [o for o in objects if o["kind"] == kind and name in ("", o["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} {kind} {name}"
    return found[0]


@pytest.fixture(scope="module")
def base() -> list[Object]:
    return build(MANIFESTS / "base")


@pytest.fixture(scope="module")
def production() -> list[Object]:
    return build(MANIFESTS / "overlays" / "production")


# Everything builds


def test_every_folder_of_kustomize_is_tested_here() -> None:
    found = {path.parent for path in MANIFESTS.rglob("kustomization.yaml")}
    assert found == {*WHOLE, *COMPONENTS, MANIFESTS / "argocd"}


@pytest.mark.parametrize("folder", WHOLE, ids=lambda path: path.name)
def test_every_object_is_labelled_and_where_it_belongs(folder: Path) -> None:
    objects = build(folder)
    for obj in objects:
        labels = obj["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/name") == "aifactory-operator", obj["metadata"]
        assert labels.get("app.kubernetes.io/part-of") == "aifactory-operator", obj["metadata"]
        assert obj["metadata"].get("namespace", "aifactory-system") == "aifactory-system", obj["metadata"]
    keys = [(o["apiVersion"], o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("folder", COMPONENTS, ids=lambda path: path.name)
def test_every_component_adds_labelled_objects_and_changes_none(
    folder: Path, base: list[Object], tmp_path: Path
) -> None:
    objects = build_with(folder, MANIFESTS / "base", tmp_path)
    changed = [obj for obj in base if obj not in objects]
    added = [obj for obj in objects if obj not in base]
    assert [obj["metadata"]["name"] for obj in changed] == CHANGED.get(folder.name, [])
    assert len(objects) == len(base) + len(added) - len(changed)
    assert len(added) > len(changed)
    assert {obj["metadata"]["labels"]["app.kubernetes.io/name"] for obj in added} == {"aifactory-operator"}


def test_both_definitions_are_the_generated_ones(base: list[Object]) -> None:
    for kind in ("aifactories", "gpupools"):
        ours = named(base, "CustomResourceDefinition", f"{kind}.{names.GROUP}")
        assert ours["spec"] == yaml.safe_load((ROOT / "crds" / f"{kind}.yaml").read_text())["spec"]


def test_argo_cd_never_takes_the_definitions_away(production: list[Object]) -> None:
    found = [obj for obj in production if obj["kind"] == "CustomResourceDefinition"]
    options = [obj["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] for obj in found]
    assert options == ["Prune=false,Delete=false"] * 2


# Rights


def rules(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    for obj in objects:
        if obj["kind"] in ("Role", "ClusterRole"):
            yield from ((obj["metadata"]["name"], rule) for rule in obj["rules"])


def test_no_rule_has_a_wildcard_or_reads_secrets_or_gives_rights(guarded: list[Object]) -> None:
    for name, rule in rules(guarded):
        words = [word for value in rule.values() for word in value]
        assert not [word for word in words if "*" in word], name
        assert not {"secrets", "serviceaccounts/token", "nodes/proxy"} & set(rule.get("resources", ())), name
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), name
        assert "rbac.authorization.k8s.io" not in rule.get("apiGroups", ()), name


def test_only_the_account_of_the_deployment_has_the_operators_rights(base: list[Object]) -> None:
    account = named(base, "ServiceAccount")["metadata"]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    bindings = {o["metadata"]["name"]: o for o in base if o["kind"] in ("RoleBinding", "ClusterRoleBinding")}
    assert {name: obj["roleRef"]["name"] for name, obj in bindings.items()} == {
        "aifactory-operator": "aifactory-operator",
        "aifactory-leader": "aifactory-leader",
        "aifactory-metrics-auth": "aifactory-metrics-auth",
    }
    assert all(obj["subjects"] == [subject] for obj in bindings.values())
    deployment = named(base, "Deployment")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == account["name"]
    assert deployment["metadata"]["namespace"] == account["namespace"]


def test_what_tenants_get_with_their_usual_roles_is_about_pools_alone(base: list[Object]) -> None:
    tenants = [obj for obj in base if any("aggregate-to" in key for key in obj["metadata"]["labels"])]
    resources = {resource for _, rule in rules(tenants) for resource in rule["resources"]}
    assert resources == {"gpupools", "gpupools/status", "gpupools/scale"}
    written = {r for _, rule in rules(tenants) for r in rule["resources"] if "patch" in rule["verbs"]}
    assert written == {"gpupools", "gpupools/scale"}


# Policies


def policies_of(objects: list[Object]) -> dict[str, Object]:
    found = [obj for obj in objects if obj["kind"] == "ValidatingAdmissionPolicy"]
    return {obj["metadata"]["name"].removesuffix(f".{names.GROUP}"): obj["spec"] for obj in found}


@pytest.fixture(params=["production", "karpenter"])
def guarded(request: pytest.FixtureRequest, production: list[Object], tmp_path: Path) -> list[Object]:
    """All that may be installed, and so all policies."""
    if request.param == "production":
        return production
    return build_with(MANIFESTS / "components" / "karpenter", MANIFESTS / "overlays" / "production", tmp_path)


def test_every_policy_fails_closed_and_is_bound_to_deny(guarded: list[Object]) -> None:
    policies = policies_of(guarded)
    bindings = [o for o in guarded if o["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert sorted(b["spec"]["policyName"] for b in bindings) == sorted(f"{p}.{names.GROUP}" for p in policies)
    assert all(b["metadata"]["name"] == b["spec"]["policyName"] for b in bindings)
    assert all(b["spec"]["validationActions"] == ["Deny"] for b in bindings)
    assert {policy["failurePolicy"] for policy in policies.values()} == {"Fail"}


def test_the_policies_mean_the_account_the_lease_and_the_keys_that_are_used(guarded: list[Object]) -> None:
    production = guarded
    account = named(production, "ServiceAccount")["metadata"]
    user = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    policies = policies_of(production)
    text = yaml.safe_dump_all(policies.values(), width=10_000)
    assert set(re.findall("system:serviceaccount:[^' ]*", text)) == {user}
    written = {value for value in vars(names).values() if isinstance(value, str)}
    guards = ["allow-deletion", "max-", "max-priority", "max-gpus-per-pool", "max-drain-seconds"]
    guards += ["max-metadata-characters", "allowed-systems"]
    keys = set(re.findall(rf"(?<![\w.-]){names.GROUP}/([\w-]+)", text)) - {*guards, names.VERSION}
    assert {f"{names.GROUP}/{key}" for key in keys} <= written
    fence = policies["leader-only"]
    selector = fence["matchConstraints"]["objectSelector"]["matchExpressions"]
    assert selector == [{"key": names.LABEL_FACTORY, "operator": "Exists"}]
    lease = named(production, "ValidatingAdmissionPolicyBinding", "leader-only.aifactory.dev")["spec"][
        "paramRef"
    ]
    (rule,) = (rule for _, rule in rules([named(production, "Role")]) if "resourceNames" in rule)
    assert ([lease["name"]], lease["namespace"]) == (rule["resourceNames"], account["namespace"])


def test_only_what_concerns_us_alone_can_be_kept_from_being_written(guarded: list[Object]) -> None:
    for policy in policies_of(guarded).values():
        constraints = policy["matchConstraints"]
        ours = all(rule["apiGroups"] == [names.GROUP] for rule in constraints["resourceRules"])
        for rule in constraints["resourceRules"]:
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["operations"])
        assert ours or policy.get("matchConditions")
        # What a policy looks up is looked up before its conditions are read.
        assert "paramKind" not in policy or ours or "objectSelector" in constraints


PATTERNS = r"node\.matches\('(.*?)'\)"
NODE_NAMES = st.one_of(
    st.builds(
        names.node_name,
        st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True),
        st.lists(
            st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True), min_size=1, max_size=6
        ).map("/".join),
        st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True),
        st.integers(1, 10**6),
        st.integers(1, 256),
    ),
    st.text(alphabet="ab-.x019", max_size=70),
    st.sampled_from(
        ["ip-10-0-1-2.ec2.internal", "10.0.1.2", "a.b.c.1.0", "a.b.c.01.1", "a.b.1.1", "a.x" + "0" * 16]
    ),
)


@given(NODE_NAMES)
def test_a_pod_may_be_deleted_where_a_nodes_name_may_be_that_of_a_slot(name: str) -> None:
    text = (MANIFESTS / "base" / "policies" / "released-pods.yaml").read_text()
    patterns = re.findall(PATTERNS, text)
    assert len(patterns) == 2
    allowed = len(name) <= 63 and any(re.search(pattern, name) for pattern in patterns)
    assert allowed == names.may_name_a_slot(name)


# The pods


def test_an_operator_beside_the_cluster_has_all_but_its_pods(base: list[Object]) -> None:
    beside = build(MANIFESTS / "overlays" / "beside")
    pods = ("own-pods.aifactory.dev", "own-lease.aifactory.dev")
    assert beside == [
        obj
        for obj in base
        if obj["kind"] not in ("Deployment", "PodDisruptionBudget") and obj["metadata"]["name"] not in pods
    ]


@pytest.mark.parametrize("folder", WITH_PODS, ids=lambda path: path.name)
def test_the_pod_has_what_a_pod_should_have(folder: Path) -> None:
    objects = build(folder)
    deployment = named(objects, "Deployment")["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f"--health-bind=0.0.0.0:{ports['health']}" in container["args"]
    assert f"--metrics-bind=0.0.0.0:{ports['metrics']}" in container["args"]
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {"health"}
    # A pod whose cycles fail is not ready, and is not restarted for that.
    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/healthz",
    }
    selectors = [deployment["selector"], named(objects, "PodDisruptionBudget")["spec"]["selector"]]
    labels = deployment["template"]["metadata"]["labels"]
    assert all(selector["matchLabels"].items() <= labels.items() for selector in selectors)
    budget = named(objects, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1, "with one replica, no node under it could be drained"


def test_the_operator_takes_the_arguments_and_the_lease_that_fences_it(base: list[Object]) -> None:
    (container,) = named(base, "Deployment")["spec"]["template"]["spec"]["containers"]
    name, *arguments = container["args"]
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    options = group.commands[name].make_context(name, arguments).params  # refuses what it does not know
    binding = named(base, "ValidatingAdmissionPolicyBinding", "leader-only.aifactory.dev")["spec"]
    assert options["lease"] == binding["paramRef"]["name"]
    assert options["namespace"] == "", "the pod's own"


def test_kind_runs_the_image_that_was_loaded() -> None:
    (container,) = named(build(MANIFESTS / "overlays" / "kind"), "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    assert (container["image"], container["imagePullPolicy"]) == ("aifactory-operator:dev", "Never")


def test_the_released_image_has_the_projects_version(base: list[Object]) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version is not None
    (container,) = named(base, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"aifactory-operator:{version[1]}"
    application = yaml.safe_load((MANIFESTS / "argocd" / "application.yaml").read_text())
    assert application["spec"]["source"]["targetRevision"] == f"v{version[1]}"


def test_the_image_runs_as_the_deployments_user_and_copies_what_is_there(base: list[Object]) -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    security = named(base, "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {security['runAsUser']}:{security['runAsGroup']}" in lines
    assert lines[-1] == 'ENTRYPOINT ["aifactory"]'
    copied = {
        word
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied == {line[1:] for line in ignore if line.startswith("!")}
    assert not [name for name in copied if not (ROOT / name).exists()]


# Watching it


def test_prometheus_finds_the_metrics_and_may_reach_them(production: list[Object]) -> None:
    labels = named(production, "Deployment")["spec"]["template"]["metadata"]["labels"]
    ports = {
        port["name"]
        for port in named(production, "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
    }
    service, monitor = named(production, "Service"), named(production, "ServiceMonitor")
    assert service["spec"]["selector"].items() <= labels.items()
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["metrics"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["publishNotReadyAddresses"], "one that is not well is scraped too"
    (end,) = monitor["spec"]["endpoints"]
    assert (end["port"], end["scheme"], end["path"]) == ("metrics", "https", METRICS)
    assert "metrics" in ports
    policy = named(production, "NetworkPolicy", "aifactory")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    (rule,) = policy["ingress"]
    ((source,), (port,)) = rule["from"], rule["ports"]
    assert port["port"] == "metrics"
    binding = named(production, "ClusterRoleBinding", "aifactory-metrics-reader")
    (subject,) = binding["subjects"]
    assert source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == subject["namespace"]
    reader = named(production, "ClusterRole", binding["roleRef"]["name"])
    assert reader["rules"] == [{"nonResourceURLs": [METRICS], "verbs": ["get"]}]
    egress = named(production, "NetworkPolicy", "aifactory-egress")["spec"]
    assert egress["podSelector"] == policy["podSelector"]
    closed = named(production, "NetworkPolicy", "default-deny")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_dashboard_shows_metrics_that_exist(production: list[Object]) -> None:
    config = named(production, "ConfigMap", "aifactory-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(config["data"]["aifactory.json"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    shown = set(re.findall(r"aifactory_\w+", " ".join(expressions)))
    endings = {"counter": "_total", "histogram": "_bucket"}
    families = Metrics().registry.collect()
    assert shown <= {family.name + endings.get(family.type, "") for family in families}
    wanted = {f"aifactory_{figure}_watts" for figure in ("limit", "committed", "reserved")}
    assert wanted | {"aifactory_cycle_seconds_bucket", "aifactory_errors_total"} <= shown
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


# Argo CD


def test_argo_cd_gets_both_health_scripts(tmp_path: Path) -> None:
    base, whole = tmp_path / "base", tmp_path / "whole"
    base.mkdir()
    whole.mkdir()
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
    }
    (base / "argocd-cm.yaml").write_text(
        yaml.safe_dump({**config, "data": {"url": "https://argocd.example.com"}})
    )
    (base / "kustomization.yaml").write_text("resources: [argocd-cm.yaml]")
    (obj,) = build_with(MANIFESTS / "argocd", base, whole)
    scripts = {
        f"resource.customizations.health.{names.GROUP}_{script.parent.name}": script.read_text()
        for script in HEALTH
    }
    assert len(scripts) == 2
    assert obj["metadata"]["name"] == "argocd-cm"
    assert obj["data"] == {"url": "https://argocd.example.com", **scripts}


def health(obj: Object) -> str:
    """The rules of the health scripts once more, in Python: no Lua interpreter is needed to test the data."""
    conditions = {c["type"]: c for c in obj.get("status", {}).get("conditions", ())}
    true = {kind for kind, condition in conditions.items() if condition["status"] == "True"}
    seen = obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
    if "deletionTimestamp" in obj["metadata"] or not seen or "Reconciling" in true:
        return "Progressing"
    within = conditions.get("WithinLimits", {}).get("status") != "False"
    if "Stalled" in true:
        return "Suspended" if within and conditions["Stalled"]["reason"] == "Paused" else "Degraded"
    if "Ready" not in true:
        return "Progressing"
    paused = obj["kind"] == "AIFactory" and conditions["Ready"]["reason"] == "Paused"
    return "Suspended" if paused else "Healthy"


@pytest.mark.parametrize("script", HEALTH, ids=lambda path: path.parent.name)
def test_the_health_scripts_test_data_covers_every_answer(script: Path) -> None:
    folder, kind = script.parent, script.parent.name
    tests = yaml.safe_load((folder / "health_test.yaml").read_text())["tests"]
    assert sorted(test["inputPath"] for test in tests) == sorted(
        str(path.relative_to(folder)) for path in folder.glob("testdata/*.yaml")
    )
    for test in tests:
        obj = yaml.safe_load((folder / test["inputPath"]).read_text())
        read: AIFactory | GPUPool = parse_factory(obj) if kind == "AIFactory" else parse_pool(obj)
        assert read.metadata.name
        assert test["healthStatus"]["status"] == health(obj), test["inputPath"]
        messages = {c["message"] for c in obj.get("status", {}).get("conditions", ())}
        text = re.findall(r'"([A-Z][^"]+ [^"]+)"', script.read_text())
        assert test["healthStatus"]["message"] in messages | set(text), test["inputPath"]
    answers = set(re.findall(r'health\("(\w+)"', script.read_text()))
    assert answers == {"Progressing", "Suspended", "Degraded", "Healthy"}
    assert {test["healthStatus"]["status"] for test in tests} == answers


@pytest.mark.parametrize("name", ["application", "applicationset", "tenants"])
def test_an_application_takes_nothing_away_that_draws_power(name: str) -> None:
    application = yaml.safe_load((MANIFESTS / "argocd" / f"{name}.yaml").read_text())
    spec = application["spec"]
    inner = spec if name == "application" else spec["template"]["spec"]
    assert "ServerSideApply=true" in inner["syncPolicy"]["syncOptions"]
    assert "finalizers" not in application["metadata"], "deleting it must not delete what it deployed"
    if name == "application":
        assert (ROOT / inner["source"]["path"]).resolve() in OVERLAYS
    else:
        assert spec["syncPolicy"]["preserveResourcesOnDeletion"] is True
        assert inner["syncPolicy"]["automated"]["prune"] is False


def by_hand() -> dict[str, set[str]]:
    """For each kind, the fields of the spec that Argo CD leaves to people."""
    found = {}
    for name in ("applicationset", "tenants"):
        spec = yaml.safe_load((MANIFESTS / "argocd" / f"{name}.yaml").read_text())["spec"]["template"]["spec"]
        assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
        (ignored,) = spec["ignoreDifferences"]
        assert ignored["group"] == names.GROUP
        found[ignored["kind"]] = {pointer.removeprefix("/spec/") for pointer in ignored["jsonPointers"]}
    return found


def test_every_field_has_one_owner_and_the_page_says_which() -> None:
    page = (MANIFESTS / "argocd" / "README.md").read_text()
    for kind, plural in (("AIFactory", "aifactories"), ("GPUPool", "gpupools")):
        crd = yaml.safe_load((ROOT / "crds" / f"{plural}.yaml").read_text())
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        assert by_hand()[kind] < schema["properties"].keys()
        (said,) = re.findall(rf"^\| {kind} \| (.+?) \| all else", page, re.M)
        assert set(re.findall(r"`(\w+)`", said)) == by_hand()[kind]


def patched(text: str) -> Iterator[tuple[str, str]]:
    """Kind and field of each change of a spec that a block of commands makes by hand."""
    for what, patch in re.findall(r"kubectl patch .*?\b(aifactory|gpupools)\b.*?-p '(.*?)'", text):
        kind = {"aifactory": "AIFactory", "gpupools": "GPUPool"}[what]
        yield from ((kind, field) for field in json.loads(patch).get("spec", {}))
    if "kubectl scale" in text:
        yield "GPUPool", "gpus"


def test_a_page_that_patches_what_git_owns_says_so() -> None:
    seen = set()
    for page in (ROOT / "docs" / "how-to").glob("*.md"):
        changed = {change for block in blocks(page) for change in patched(block.text)}
        seen |= changed
        if {(kind, field) for kind, field in changed if field not in by_hand()[kind]}:
            assert "argocd/README.md#what-git-owns-and-what-the-hand-owns" in page.read_text(), page
    assert {("AIFactory", "power"), ("AIFactory", "drain"), ("GPUPool", "gpus")} <= seen
