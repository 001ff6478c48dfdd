"""Valid objects at the edges of what the CRDs accept: the bounds are read from their schemas.

Trees stay small, so that a world of them is decided in a moment; names, numbers and lists go to their ends.
"""

from typing import Any

from hypothesis import strategies as st

from aifactory.api import columns, crd, names

Manifest = dict[str, Any]
Draw = st.DrawFn

SYSTEMS = ("hgx-h100", "gb200-nvl72", "mine")
_QUANTITIES = ("999.5", "1e3", "100k", "132k", "10M", "1G")
_HOURS = "2026-01-01T00:00:{:02}Z"


_CRDS = {
    kind.plural: crd.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for kind in (columns.FACTORY, columns.POOL)
}


def field(kind: columns.Kind, path: str) -> Manifest:
    """The schema of a field, such as `spec.systems.gpusPerNode`; lists are gone through."""
    schema = _CRDS[kind.plural]
    for step in path.split("."):
        schema = schema.get("items", schema)["properties"][step]
    return dict(schema)


def number(kind: columns.Kind, path: str) -> st.SearchStrategy[Any]:
    """The ends of a number's range, and what lies between."""
    schema = field(kind, path)
    low, high = schema["minimum"], schema["maximum"]
    if "x-kubernetes-int-or-string" in schema:
        inside = st.sampled_from([q for q in _QUANTITIES if "limit" in path or "Watts" in path] or [low])
        return st.one_of(st.sampled_from((low, high, str(high))), inside)
    return st.one_of(st.sampled_from((low, high)), st.integers(low, min(high, low + 300)))


def name(length: int) -> st.SearchStrategy[str]:
    """DNS labels, the longest among them."""
    short = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
    return st.one_of(short, st.sampled_from("ab0").map(lambda letter: letter * length))


VALUE = st.one_of(
    st.sampled_from(("", "x" * names.LABEL_VALUE_LENGTH, "A._-z")),
    st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True),
)


@st.composite
def keys(draw: Draw) -> str:
    """Label keys that users may set, the longest among them."""
    part = draw(st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?", fullmatch=True))
    domain = draw(st.sampled_from(("", "example.com/", "a." * 126 + "b/", "d" * 253 + "/")))
    return domain + draw(st.sampled_from((part, "n" * 63)))


def labels(kind: columns.Kind, path: str) -> st.SearchStrategy[dict[str, str]]:
    """Some labels, or as many as there may be."""
    most = field(kind, path)["maxProperties"]
    full = {f"{'k' * 60}{i:03}": "v" * names.LABEL_VALUE_LENGTH for i in range(most)}
    return st.one_of(st.dictionaries(keys(), VALUE, max_size=3), st.just(full))


@st.composite
def factories(draw: Draw, called: str | None = None) -> Manifest:
    """A factory: a path of domains as deep as may be, and one group of racks or none on each."""
    paths = [draw(name(20))]
    for _ in range(draw(st.integers(0, 5))):
        longer = f"{paths[-1]}/{draw(name(11))}"
        if len(longer) <= field(columns.FACTORY, "spec.power.domains.path")["maxLength"]:
            paths.append(longer)
    watts = number(columns.FACTORY, "spec.power.domains.limit")
    domains = [{"path": path, "limit": draw(watts)} for path in paths]
    domains[0]["count"] = halls = draw(st.sampled_from((1, 1, 2, 12)))
    systems: Manifest = {
        "name": "mine",
        "unit": draw(st.sampled_from(("Node", "Rack"))),
        "resourceName": draw(st.sampled_from(("nvidia.com/gpu", f"{'a' * 64}/{'g' * 63}"))),
        "nodesPerRack": draw(st.sampled_from((1, 2, 256 // halls))),
        **{f: draw(number(columns.FACTORY, f"spec.systems.{f}")) for f in ("gpusPerNode", "maxWatts")},
        "nodeLabels": draw(labels(columns.FACTORY, "spec.systems.nodeLabels")),
    }
    spec: Manifest = {
        "region": draw(VALUE),
        "power": {
            "quota": draw(watts),
            "peakPUE": draw(number(columns.FACTORY, "spec.power.peakPUE")),
            "overheadPercent": draw(number(columns.FACTORY, "spec.power.overheadPercent")),
            "domains": domains,
        },
        "energy": {
            f: draw(number(columns.FACTORY, f"spec.energy.{f}")) for f in ("pricePerMWh", "carbonGramsPerKWh")
        },
        "systems": [systems],
        "racks": [
            {
                "domain": path,
                "system": draw(st.sampled_from(SYSTEMS)),
                "count": 1,
                "fabric": draw(st.sampled_from([p for p in paths if f"{path}/".startswith(f"{p}/")])),
                "nodesPerRack": draw(st.sampled_from((1, 2, 24 // halls))),
            }
            for path in paths
            if path == paths[-1] or draw(st.booleans())
        ],
        "backend": {"kwok": {}},
    }
    meta = {"name": called or draw(name(names.FACTORY_NAME_LENGTH)), "generation": 1}
    return {"apiVersion": names.API_VERSION, "kind": "AIFactory", "metadata": meta, "spec": spec}


@st.composite
def pools(draw: Draw, called: str | None = None) -> Manifest:
    """A pool of any size, with whatever nodes may be told to carry."""
    taints = [
        {
            "key": key,
            "value": draw(VALUE),
            "effect": draw(st.sampled_from(("NoSchedule", "PreferNoSchedule"))),
        }
        for key in draw(st.lists(keys(), max_size=3, unique=True))
    ]
    spec: Manifest = {
        "gpus": draw(st.one_of(number(columns.POOL, "spec.gpus"), st.sampled_from((8, 72, 144, 1000)))),
        "minGpus": draw(st.sampled_from((0, 0, 0, 1, 8, field(columns.POOL, "spec.minGpus")["maximum"]))),
        "systems": draw(st.permutations(SYSTEMS)),
        "priority": draw(number(columns.POOL, "spec.priority")),
        "preemptible": draw(st.booleans()),
        "nodeLabels": draw(labels(columns.POOL, "spec.nodeLabels")),
        "nodeTaints": taints,
        "drainTimeoutSeconds": draw(number(columns.POOL, "spec.drainTimeoutSeconds")),
    }
    meta = {
        "name": called or draw(name(63)),
        "namespace": draw(name(63)),
        "generation": 1,
        "creationTimestamp": _HOURS.format(draw(st.integers(0, 59))),
    }
    return {"apiVersion": names.API_VERSION, "kind": "GPUPool", "metadata": meta, "spec": spec}
