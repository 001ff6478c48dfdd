"""Rules between fields that need more than one line of Python, and those that several models share."""

import json
import math
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Final

from aifactory.api import names
from aifactory.api.base import Rule
from aifactory.api.catalogue import catalogue, systems_of

if TYPE_CHECKING:
    from aifactory.api.factory import AIFactorySpec, Domain, Power, SystemSpec

# A typing error in one count must not fill the memory; the largest site known has 40,000 racks.
MOST_INSTANCES: Final = 100_000
# As many racks, of the largest system known.
MOST_NODES: Final = 2_000_000
# A thousand times the largest quota. The solver adds up the watts of thousands of sites in 62 bits.
MOST_WATTS: Final = 10**15
_DEEPEST: Final = 6  # names in a path

_RESERVED_TEXT: Final = f"keys of {', '.join(names.RESERVED_DOMAINS)} and their subdomains are not allowed"
_SYSTEM_TEXT: Final = f"{', '.join(names.SYSTEM_KEYS)} are set by the operator, and not allowed"


def _cel_reserved(key: str) -> str:
    """Return the CEL expression that says whether the expression `key` is a reserved key."""
    domains = "|".join(domain.replace(".", "[.]") for domain in names.RESERVED_DOMAINS)
    return f"{key}.matches('^([^/]*[.])?({domains})/')"


def _cel_system(key: str) -> str:
    """Return the CEL expression that says whether the expression `key` is a key that the operator sets."""
    return f"{key} in {list(names.SYSTEM_KEYS)}"


def _label_rule(text: str, wrong: Callable[[str], bool], cel: str) -> Rule:
    """Return the rule that no key of nodeLabels is wrong; `cel` says of `key` that it is."""
    return Rule(
        text,
        lambda spec: [key for key in sorted(spec.node_labels) if wrong(key)],
        f"!has(self.nodeLabels) || !self.nodeLabels.exists(key, {cel})",
        f"self.nodeLabels.filter(key, {cel})[0]",
        at=".nodeLabels",
    )


def _taint_rule(text: str, wrong: Callable[[str], bool], cel: str) -> Rule:
    """Return the rule that the key of a taint is not wrong; `cel` says of `self.key` that it is wrong."""
    return Rule(
        text, lambda taint: [taint.key] if wrong(taint.key) else [], f"!({cel})", "self.key", at=".key"
    )


SYSTEM_LABELS: Final = (
    _label_rule(_RESERVED_TEXT, names.is_reserved, _cel_reserved("key")),
    _label_rule(
        f"each key has to be {names.MEANING[names.QUALIFIED_NAME]}",
        lambda key: not names.is_label_key(key),
        f"(!key.matches({json.dumps(names.QUALIFIED_NAME)}) || size(key) > {names.LABEL_KEY_LENGTH} "
        f"|| key.indexOf('/') > {names.KEY_DOMAIN_LENGTH})",
    ),
)
POOL_LABELS: Final = (
    *SYSTEM_LABELS,
    _label_rule(_SYSTEM_TEXT, lambda key: key in names.SYSTEM_KEYS, _cel_system("key")),
)
POOL_TAINTS: Final = (
    _taint_rule(
        f"the domain of a key has at most {names.KEY_DOMAIN_LENGTH} characters",
        lambda key: key.find("/") > names.KEY_DOMAIN_LENGTH,
        f"self.key.indexOf('/') > {names.KEY_DOMAIN_LENGTH}",
    ),
    _taint_rule(_RESERVED_TEXT, names.is_reserved, _cel_reserved("self.key")),
    _taint_rule(_SYSTEM_TEXT, lambda key: key in names.SYSTEM_KEYS, _cel_system("self.key")),
)


# Pods that stood on a node when the taint came would be gone at once, whatever their budgets say.
STANDING_TAINTS: Final = (
    *POOL_TAINTS,
    Rule(
        "NoExecute evicts pods at once, so it is for startupTaints alone",
        lambda taint: [taint.effect] if taint.effect == "NoExecute" else [],
        "self.effect != 'NoExecute'",
        "self.effect",
        at=".effect",
        at_apply=True,
    ),
)
SYSTEM_RESOURCE: Final = Rule(
    f"resource names of {', '.join(names.RESERVED_DOMAINS)} and their subdomains are not allowed",
    lambda system: [it for it in [system.resource_name] if it is not None and names.is_reserved(it)],
    f"!has(self.resourceName) || !{_cel_reserved('self.resourceName')}",
    "self.resourceName",
    at=".resourceName",
)


def name_rule(length: int) -> Rule:
    """Return the rule for a resource's own name: a DNS label of at most `length` characters."""
    return Rule(
        f"a name has at most {length} lower-case letters, digits and -, and no - at its ends",
        lambda it: (
            []
            if re.fullmatch(names.DNS_LABEL, it.metadata.name) and len(it.metadata.name) <= length
            else [it.metadata.name]
        ),
        f"size(self.metadata.name) <= {length} && self.metadata.name.matches('{names.DNS_LABEL}')",
        "self.metadata.name",
        at=".metadata.name",
    )


def _split(path: str) -> tuple[str, str]:
    """Split a path into its parent, empty at the top, and its last name."""
    parent, _, name = path.rpartition("/")
    return parent, name


def _has_instance(domain: "Domain", name: str) -> bool:
    """Say whether `name` is one of the domain's instances, its parent left aside."""
    own, name = _split(domain.path)[1], names.canonical(name)
    stem, _, number = name.rpartition("-")
    numbered = (
        stem == own and re.fullmatch("[1-9][0-9]{0,4}", number) is not None and int(number) <= domain.count
    )
    return numbered or name == names.canonical(own)


def orphans(power: "Power") -> list[str]:
    """Return the domain paths whose parent is not listed."""
    paths = {domain.path for domain in power.domains}
    return [path for path in sorted(paths) if "/" in path and _split(path)[0] not in paths]


def name_twins(power: "Power") -> list[str]:
    """Return the domain paths that give an instance name which another one gives too."""
    by_parent: dict[str, list[Domain]] = {}
    for domain in power.domains:
        by_parent.setdefault(_split(domain.path)[0], []).append(domain)
    return [
        f"{one.path} and {other.path}"
        for siblings in by_parent.values()
        for one, other in combinations(siblings, 2)
        if one.path != other.path
        and (_has_instance(one, _split(other.path)[1]) or _has_instance(other, _split(one.path)[1]))
    ]


def instances(power: "Power", path: str) -> int:
    """Return how many instances a domain path has in the factory; 0 where it or a parent is not listed."""
    counts = {domain.path: domain.count for domain in power.domains}
    product = 1
    while path:
        product *= counts.get(path, 0)
        path = _split(path)[0]
    return product


def too_many_instances(power: "Power") -> list[int]:
    """Return the number of domain instances where it is above what one factory may have."""
    total = sum(instances(power, domain.path) for domain in power.domains)
    return [total] if total > MOST_INSTANCES else []


def too_many_racks(spec: "AIFactorySpec") -> list[int]:
    """Return the number of racks where it is above what one factory may have."""
    total = sum(group.count * instances(spec.power, group.domain) for group in spec.racks)
    return [total] if total > MOST_INSTANCES else []


def too_many_nodes(spec: "AIFactorySpec") -> list[int]:
    """Return the number of nodes in all racks where it is above what one factory may have."""
    if any(incomplete_system(system) for system in spec.systems):
        return []
    systems, total = systems_of(spec), 0
    for group in spec.racks:
        if (system := systems.get(group.system)) is not None:
            whole = system.unit == "Rack"
            per_rack = system.nodes_per_rack if whole else group.nodes_per_rack or system.nodes_per_rack
            total += per_rack * group.count * instances(spec.power, group.domain)
    return [total] if total > MOST_NODES else []


def too_many_watts(spec: "AIFactorySpec") -> list[int]:
    """Return the watts of all racks where they are more than sums of a fleet may hold."""
    if any(incomplete_system(system) for system in spec.systems):
        return []
    systems, total = systems_of(spec), Fraction(0)
    for group in spec.racks:
        system = systems.get(group.system)
        if system is not None and system.max_watts is not None:
            per_rack = 1 if system.unit == "Rack" else group.nodes_per_rack or system.nodes_per_rack
            total += system.max_watts * per_rack * group.count * instances(spec.power, group.domain)
    watts = math.ceil(total * (100 + spec.power.overhead_percent) / 100)
    return [watts] if watts > MOST_WATTS else []


def unfed_racks(spec: "AIFactorySpec") -> list[str]:
    """Return the rack groups' domains that are not listed."""
    paths = {domain.path for domain in spec.power.domains}
    return [group.domain for group in spec.racks if group.domain not in paths]


def unknown_instances(power: "Power", paths: Iterable[str]) -> list[str]:
    """Return the paths that name no instance of a domain."""
    return [path for path in paths if _domain_of(power, path) is None]


def cel_instance(path: str, paths: str, domains: str) -> str:
    """Return the CEL expression that says whether the expression `path` names an instance of a domain.

    `paths` is the name of the list of the domains' paths, `domains` the expression of the domains. Level by
    level, from the top: the domain of what is above, and the next name, with its number or without.
    """
    number = "int(c{k}.substring(c{k}.lastIndexOf('-') + 1))"
    stem = "c{k}.substring(0, c{k}.lastIndexOf('-'))"
    step = (
        f"c{{k}} in {paths} ? c{{k}} : c{{k}}.matches('-[1-9][0-9]{{{{0,4}}}}$') && {stem} in {paths} "
        f"&& {number} <= {domains}[{paths}.indexOf({stem})].count ? {stem} "
        f": c{{k}} + '-1' in {paths} ? c{{k}} + '-1' : ''"
    )
    expression = f"d{_DEEPEST} != ''"
    for k in range(_DEEPEST, 0, -1):
        above = f"{path}.find('^([^/]+/){{{k - 1}}}[^/]+')" if k > 1 else f"{path}.find('^[^/]+')"
        before = f"{path}.find('^([^/]+/){{{k - 2}}}[^/]+')" if k > 2 else f"{path}.find('^[^/]+')"
        named = above if k == 1 else f"d{k - 1} + {above}.substring(size({before}))"
        inner = f"[{named}].all(c{k}, [{step.format(k=k)}].all(d{k}, {expression}))"
        ends = f"!{path}.matches('^([^/]+/){{{k - 1}}}[^/]+')"
        expression = inner if k == 1 else f"(d{k - 1} != '' && ({ends} || {inner}))"
    return expression


def _domain_of(power: "Power", instance: str) -> str | None:
    """Return the domain path that an instance belongs to; the top, '', belongs to ''."""
    if not instance:
        return ""
    parent, name = _split(instance)
    above = _domain_of(power, parent)
    return next(
        (
            domain.path
            for domain in power.domains
            if _split(domain.path)[0] == above and _has_instance(domain, name)
        ),
        None,
    )


def incomplete_system(system: "SystemSpec") -> list[str]:
    """Return the system's name where it lacks what neither it nor the catalogue says."""
    wanted = (system.unit, system.gpus_per_node, system.max_watts, system.resource_name)
    complete = None not in wanted and (system.unit == "Node" or system.nodes_per_rack is not None)
    return [] if complete or system.name in catalogue() else [system.name]
