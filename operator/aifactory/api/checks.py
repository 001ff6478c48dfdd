"""Rules that several models share: keys of labels and taints, names."""

import json
import re
from collections.abc import Callable
from typing import Final

from aifactory.api import names
from aifactory.api.base import Rule

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
