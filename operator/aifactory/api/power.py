"""A site's power: its quota, the tree of domains that carries it, and what energy costs."""

import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import combinations
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StrictInt

from aifactory.api import names
from aifactory.api.base import Count, InstancePath, Model, Path, Rule, list_map
from aifactory.api.quantity import Percent, Price, Pue, Watts

# A typing error in one count must not fill the memory; the largest site known has 40,000 racks.
MOST_INSTANCES: Final = 100_000
_DEEPEST: Final = 6  # names in a path

# CEL has no variables: a list of one item binds the paths once, and `in` is cheap. Nested loops over the
# domains fit the estimated cost, but the API server cancels them when paths are long.
_PATHS = "[self.domains.map(p, p.path)]"
# For a domain d: its parent is not listed; its path ends with a number and is an instance of another domain.
_ORPHAN = "d.path.contains('/') && !(d.path.substring(0, d.path.lastIndexOf('/')) in paths)"
_STEM = "d.path.substring(0, d.path.lastIndexOf('-'))"
_TWIN = (
    f"d.path.matches('-[1-9][0-9]{{0,4}}$') && {_STEM} in paths "
    "&& int(d.path.substring(d.path.lastIndexOf('-') + 1)) "
    f"<= self.domains[paths.indexOf({_STEM})].count"
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


def unknown_instances(power: "Power", paths: Iterable[str]) -> list[str]:
    """Return the paths that name no instance of a domain."""
    return [path for path in paths if _domain_of(power, path) is None]


def _cel_instance(path: str, paths: str, domains: str) -> str:
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


def instances_rule(field: str, paths: str, domains: str, of: Callable[[Any], Iterable[str]]) -> Rule:
    """Return the rule that what a field lists is there; what is not freezes nothing.

    In CEL, `paths` binds the domains' paths, and `domains` are the domains. `of` gives what is not there.
    """
    item = "i.domain" if field == "limits" else "i"
    lost = f"!({_cel_instance(item, 'paths', domains)})"
    found = f"self.{field}.map(i, {lost}, {item})[0]"
    return Rule(
        "each has to be an instance of a domain, such as hall-3/row-1",
        of,
        f"!has(self.{field}) || {paths}.all(paths, !self.{field}.exists(i, {lost}))",
        f"{paths}.map(paths, {found})[0]",
        at=f".{field}",
        at_apply=True,
    )


class Domain(Model):
    """One or several alike places in the power tree: buildings, halls, UPSs, PDUs, rows."""

    path: Path
    """Where the domain is in the power tree: one to six names joined by '/', such as hall/row. Each name
    has lower-case letters, digits and '-'. Every parent is a domain of the list too.
    """
    count: Count = 1
    """How many there are in each parent. They are numbered from 1 (hall-1, hall-2); a single one has no
    number (hall), and hall and hall-1 are the same place. Default: 1.
    """
    limit: Watts
    """IT power that each one may carry in normal operation, in watts, as a Kubernetes quantity: 2600k is
    2.6 MW. From 0 (an outage) to 1T. Quote numbers that are not whole: "42.5".
    """


class InstanceLimit(Model):
    """A limit of one domain instance alone."""

    domain: InstancePath
    """The instance, such as hall-2 or hall-2/row-5. A single one has no number; hall and hall-1 are the
    same place.
    """
    limit: Watts
    """IT power that it may carry, in watts, as a Kubernetes quantity: 15M is 15 MW. The lower one of this
    and its domain's own limit holds. From 0 (an outage) to 1T. Quote numbers that are not whole: "42.5".
    """


class Power(Model):
    """What the site may draw, and the tree that carries it."""

    RULES: ClassVar = (
        Rule(
            "peakPUE is required with basis Gross",
            lambda power: [power.basis] if power.basis == "Gross" and power.peak_pue is None else [],
            "self.basis != 'Gross' || has(self.peakPUE)",
            at=".peakPUE",
            reason="FieldValueRequired",
        ),
        Rule(
            "the parent of each path has to be a domain of the list too",
            orphans,
            f"!has(self.domains) || {_PATHS}.all(paths, !self.domains.exists(d, {_ORPHAN}))",
            f"{_PATHS}.map(paths, self.domains.map(d, {_ORPHAN}, d.path)[0])[0]",
            at=".domains",
        ),
        Rule(
            "no two domains may give one instance (hall with count 2 is hall-1 and hall-2; hall is hall-1)",
            name_twins,
            f"!has(self.domains) || {_PATHS}.all(paths, !self.domains.exists(d, {_TWIN}))",
            f"{_PATHS}.map(paths, self.domains.map(d, {_TWIN}, d.path)[0])[0]",
            at=".domains",
        ),
        Rule(
            f"all domains together may have at most {MOST_INSTANCES} instances",
            too_many_instances,
            at=".domains",
        ),
        instances_rule(
            "limits",
            "[has(self.domains) ? self.domains.map(p, p.path) : []]",
            "self.domains",
            lambda power: unknown_instances(power, [it.domain for it in power.limits]),
        ),
    )

    quota: Watts
    """Power that the site may draw, in watts, as a Kubernetes quantity: 100M is 100 MW. From 0 (an
    outage) to 1T. Quote numbers that are not whole: "42.5".
    """
    basis: Literal["Gross", "CriticalIT"] = "Gross"
    """What the quota counts: Gross at the utility meter, cooling and losses included (IT power = quota /
    peakPUE), or CriticalIT what reaches the equipment. Default: Gross.
    """
    peak_pue: Pue | None = None
    """Power usage effectiveness at peak load, the ratio of gross to IT power, from 1 to 10. Required with
    basis Gross, and not used otherwise. Take the peak, not the mean of the year. Quote numbers that are
    not whole: "42.5".
    """
    overhead_percent: Percent = Fraction(0)
    """Networking, storage and management, in percent of the IT power of each unit, added to it
    everywhere. 8 to 14 is usual. From 0 to 100, default: 0 (none). Quote numbers that are not whole:
    "42.5".
    """
    domains: Annotated[tuple[Domain, ...], Field(max_length=256, json_schema_extra=list_map("path"))] = ()
    """The power tree, by path. Units count in their own domain, in each one above it and in the quota."""
    limits: Annotated[
        tuple[InstanceLimit, ...], Field(max_length=256, json_schema_extra=list_map("domain"))
    ] = ()
    """Lower limits of single domain instances, such as a hall whose feed is being repaired."""


class Energy(Model):
    """What energy costs at the site; it decides between places that are alike otherwise."""

    price_per_mwh: Price = Fraction(0)
    """Price of one MWh at the meter, in any one currency, the same for all factories. Default: 0. Quote
    numbers that are not whole: "42.5".
    """
    carbon_grams_per_kwh: Annotated[StrictInt, Field(ge=0, le=100_000)] = 0
    """Carbon dioxide of one kWh, in grams. Default: 0."""
