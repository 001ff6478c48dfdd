"""Names that the operator writes into a cluster, and the rules for names that users write."""

import hashlib
import re
from functools import lru_cache
from typing import Final

GROUP: Final = "aifactory.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
FINALIZER: Final = f"{GROUP}/release"
FIELD_MANAGER: Final = "aifactory"

LABEL_MANAGED: Final = "app.kubernetes.io/managed-by"
LABEL_FACTORY: Final = f"{GROUP}/factory"
LABEL_DOMAIN: Final = f"{GROUP}/domain"
LABEL_FABRIC: Final = f"{GROUP}/fabric"
LABEL_SYSTEM: Final = f"{GROUP}/system"
LABEL_RACK: Final = f"{GROUP}/rack"
LABEL_SLOT: Final = f"{GROUP}/slot"
LABEL_POOL: Final = f"{GROUP}/pool"
LABEL_POOL_NAMESPACE: Final = f"{GROUP}/pool-namespace"
LABEL_OUT_OF_SERVICE: Final = f"{GROUP}/out-of-service"

TAINT_TENANT: Final = f"{GROUP}/tenant"

ANNOTATION_PATH: Final = f"{GROUP}/path"
ANNOTATION_FABRIC: Final = f"{GROUP}/fabric-path"
ANNOTATION_WATTS: Final = f"{GROUP}/unit-watts"
ANNOTATION_GPUS: Final = f"{GROUP}/unit-gpus"
ANNOTATION_NODES: Final = f"{GROUP}/unit-nodes"
ANNOTATION_PLACED_UNDER: Final = f"{GROUP}/placed-under"
ANNOTATION_DRAINING_SINCE: Final = f"{GROUP}/draining-since"
ANNOTATION_DRAINING_FOR: Final = f"{GROUP}/draining-for"
ANNOTATION_CORDONED_BEFORE: Final = f"{GROUP}/cordoned-before"
ANNOTATION_LABEL_KEYS: Final = f"{GROUP}/pool-label-keys"
ANNOTATION_TAINT_KEYS: Final = f"{GROUP}/pool-taint-keys"
ANNOTATION_LEADER: Final = f"{GROUP}/leader"
ANNOTATION_TERM: Final = f"{GROUP}/term"

# Keys that no user may set: those of whole domains with their subdomains. Keys that no pool may set: those
# that a backend or a system of the catalogue sets.
RESERVED_DOMAINS: Final = (GROUP, "kubernetes.io", "k8s.io")
SYSTEM_KEYS: Final = ("kwok.x-k8s.io/node", "nvidia.com/gpu.product", "amd.com/gpu.product-name")

LABEL_VALUE_LENGTH: Final = 63
KEY_DOMAIN_LENGTH: Final = 253  # of a key's part before its '/'
LABEL_KEY_LENGTH: Final = KEY_DOMAIN_LENGTH + 1 + LABEL_VALUE_LENGTH
FACTORY_NAME_LENGTH: Final = 40
_HASH_LENGTH: Final = 16
_FIRST: Final = re.compile(r"(?<=.)(-1)+$")

_SEGMENT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_LABEL: Final = f"^{_SEGMENT}$"
PATH: Final = f"^{_SEGMENT}(/{_SEGMENT}){{0,5}}$"
_NAME_PART = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LABEL_VALUE: Final = f"^({_NAME_PART})?$"
QUALIFIED_NAME: Final = rf"^({_SEGMENT}(\.{_SEGMENT})*/)?{_NAME_PART}$"
RESOURCE_NAME: Final = rf"^{_SEGMENT}(\.{_SEGMENT})*/{_NAME_PART}$"
KEY_PREFIX: Final = rf"^{_SEGMENT}(\.{_SEGMENT})*$"

# Names are made anew in every cycle, for every node. So many are remembered, with what they were made of.
_REMEMBERED: Final = 200_000

# What each pattern means, for messages.
MEANING: Final = {
    DNS_LABEL: "lower-case letters, digits and '-', starting and ending with a letter or digit",
    PATH: "one to six names joined by '/', each of lower-case letters, digits and '-'",
    LABEL_VALUE: "a label value: at most 63 letters, digits, '-', '_' and '.', or empty",
    QUALIFIED_NAME: "a label key: NAME or DOMAIN/NAME, the name of at most 63 characters",
    RESOURCE_NAME: "a resource name: DOMAIN/NAME, the name of at most 63 characters",
    KEY_PREFIX: "what stands before the '/' of a label key: lower-case names joined by '.'",
}


@lru_cache(_REMEMBERED)
def canonical(path: str) -> str:
    """Return the identity of a place, for every way to write its path: `hall-1/row` is `hall/row`.

    The first of several instances bears no number, so that a second hall renames nothing under a running
    node, and so that one entry for two halls and two entries for one hall each mean the same halls.
    """
    return "/".join(_FIRST.sub("", segment) for segment in path.split("/"))


def _shorten(text: str, joint: str) -> str:
    """Cut `text` to 63 characters: a prefix, `joint`, and a hash of the whole."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    prefix = text[: LABEL_VALUE_LENGTH - len(joint) - len(digest)].rstrip("-._")
    return f"{prefix}{joint}{digest}"


@lru_cache(_REMEMBERED)
def label_value(path: str) -> str:
    """Return an instance path as a label value: '/' becomes '.', above 63 characters a prefix and a hash.

    Two different paths never give one value: a '_' stands in shortened values only.
    """
    value = path.replace("/", ".")
    return value if len(value) <= LABEL_VALUE_LENGTH else _shorten(value, "_")


@lru_cache(_REMEMBERED)
def node_name(factory: str, path: str, system: str, rack: int, slot: int) -> str:
    """Return the name of the node in a slot; it is a valid label value and a DNS-1123 subdomain.

    `path` is the instance path of the rack's domain. Two different slots never give one name: only a whole
    name ends with a number, a shortened one ends with 'x' and a hash.
    """
    name = f"{factory}.{path.replace('/', '.')}.{system}.{rack}.{slot}"
    return name if len(name) <= LABEL_VALUE_LENGTH else _shorten(name, ".x")


_PART = _SEGMENT.replace("(", "(?:")
_NODE_NAME: Final = re.compile(
    rf"({_PART})\.({_PART}(?:\.{_PART}){{0,5}})\.({_PART})\.([1-9][0-9]*)\.([1-9][0-9]*)"
)
_SHORTENED: Final = re.compile(rf"{_PART}\..*\.x[0-9a-f]{{{_HASH_LENGTH}}}")


def read_node_name(name: str) -> tuple[str, str, str, int, int] | None:
    """Return the arguments that `node_name` made a whole name from; None for any other name."""
    if (match := _NODE_NAME.fullmatch(name)) is None or len(name) > LABEL_VALUE_LENGTH:
        return None
    factory, path, system, rack, slot = match.groups()
    return factory, path.replace(".", "/"), system, int(rack), int(slot)


def may_name_a_slot(name: str) -> bool:
    """Say whether `node_name` might have made a name, whole or shortened."""
    shortened = len(name) <= LABEL_VALUE_LENGTH and _SHORTENED.fullmatch(name) is not None
    return shortened or read_node_name(name) is not None


def may_be_shortened(name: str, factory: str, path: str, system: str) -> bool:
    """Say whether a shortened name might be that of a node of this system on this instance."""
    prefix = name[: -len(".x") - _HASH_LENGTH]
    whole = f"{factory}.{path.replace('/', '.')}.{system}."
    return whole[: len(prefix)] == prefix[: len(whole)]


def is_label_key(key: str) -> bool:
    """Say whether Kubernetes takes a key for labels and taints."""
    fits = len(key) <= LABEL_KEY_LENGTH and key.find("/") <= KEY_DOMAIN_LENGTH
    return fits and re.fullmatch(QUALIFIED_NAME, key) is not None


def is_reserved(key: str) -> bool:
    """Say whether a label or taint key belongs to the operator or to Kubernetes."""
    domain = key.partition("/")[0] if "/" in key else ""
    return any(domain == reserved or domain.endswith(f".{reserved}") for reserved in RESERVED_DOMAINS)
