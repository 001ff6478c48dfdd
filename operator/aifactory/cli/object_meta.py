"""Kubernetes' object metadata: the part of an object that no CRD says anything of."""

import re
from collections.abc import Iterator
from typing import Any, Final

from aifactory.api import names
from aifactory.api.reading import Problem

_ANNOTATIONS_BYTES: Final = 256 * 1024
_MOST: Final = 2**63 - 1

_TEXT: Final = {"type": "string"}
_TIME: Final = {
    "type": "string",
    "pattern": r"^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}([.][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})$",
}
_WHOLE: Final = {"type": "integer", "minimum": -_MOST - 1, "maximum": _MOST}
_FLAG: Final = {"type": "boolean"}
_TEXTS: Final = {"type": "object", "additionalProperties": _TEXT}


def _object(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or []}


# A resourceVersion and a uid are taken as they are: an apply compares them with what stands.
OBJECT_META: Final = _object(
    name={"type": "string", "minLength": 1},
    generateName=_TEXT,
    namespace={"type": "string", "maxLength": 63, "pattern": f"^({names.DNS_LABEL[1:-1]})?$"},
    selfLink=_TEXT,
    uid=_TEXT,
    resourceVersion=_TEXT,
    generation=_WHOLE,
    creationTimestamp=_TIME,
    deletionTimestamp=_TIME,
    deletionGracePeriodSeconds=_WHOLE,
    labels={
        "type": "object",
        "additionalProperties": {
            "type": "string",
            "maxLength": names.LABEL_VALUE_LENGTH,
            "pattern": names.LABEL_VALUE,
        },
    },
    annotations=_TEXTS,
    ownerReferences={
        "type": "array",
        "items": _object(
            ["apiVersion", "kind", "name", "uid"],
            apiVersion={"type": "string", "minLength": 1},
            kind={"type": "string", "minLength": 1},
            name={"type": "string", "minLength": 1},
            uid={"type": "string", "minLength": 1},
            controller=_FLAG,
            blockOwnerDeletion=_FLAG,
        ),
    },
    finalizers={
        "type": "array",
        "items": {"type": "string", "maxLength": names.LABEL_KEY_LENGTH, "pattern": names.QUALIFIED_NAME},
    },
    managedFields={
        "type": "array",
        "items": _object(
            manager=_TEXT,
            operation=_TEXT,
            apiVersion=_TEXT,
            time=_TIME,
            fieldsType=_TEXT,
            fieldsV1={"type": "object", "additionalProperties": {}},
            subresource=_TEXT,
        ),
    },
)
OBJECT_META["required"].append("name")


def unfit_metadata(metadata: Any) -> Iterator[Problem]:
    """Yield what the API server has against keys of labels and annotations, and their size."""
    if not isinstance(metadata, dict):
        return
    for field in ("labels", "annotations"):
        given = metadata.get(field)
        if not isinstance(given, dict):
            continue
        for key in given:
            judged = key.lower() if field == "annotations" else key
            if not _qualified(judged):
                meaning = names.MEANING[names.QUALIFIED_NAME]
                yield Problem(f"metadata.{field}", f"found {key!r}, allowed is {meaning}")
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        size = sum(len(f"{key}{value}".encode()) for key, value in annotations.items())
        if size > _ANNOTATIONS_BYTES:
            yield Problem(
                "metadata.annotations", f"found {size} bytes, allowed are at most {_ANNOTATIONS_BYTES}"
            )


def _qualified(key: str) -> bool:
    prefix = key.rpartition("/")[0]
    return re.fullmatch(names.QUALIFIED_NAME, key) is not None and len(prefix) <= 253
