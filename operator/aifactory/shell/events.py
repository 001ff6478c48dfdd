"""Kubernetes Events: what has changed, for people who look at one object."""

import hashlib
from datetime import UTC, datetime
from typing import Final

from aifactory.api import names
from aifactory.backends.port import Object
from aifactory.decide.plan import Event
from aifactory.shell.client import EVENT, ApiError, KubernetesClient
from aifactory.shell.memory import Memory
from aifactory.shell.objects import Objects, key_of

_LONGEST: Final = 1024  # bytes of an Event's message that the API server takes
_LONGEST_SOURCE: Final = 128
_REMEMBERED: Final = 10_000  # events; of one that is forgotten the API server still knows


async def post(client: KubernetesClient, event: Event, objects: Objects, memory: Memory, source: str) -> None:
    """Post an event. One that was posted before, and is not forgotten yet, is counted up instead.

    `source` names this process. Raises ApiError.
    """
    uid = objects.uid(key_of(event))
    namespace = event.namespace or "default"  # where the API server wants those of cluster-scoped objects
    says = (event.kind, uid, event.reason, event.message)
    name = f"{event.name}.{hashlib.sha256(repr(says).encode()).hexdigest()[:16]}"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    count = memory.told.get(name, 0) + 1
    body: Object = {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": event.kind,
            "name": event.name,
            **({"namespace": event.namespace} if event.namespace else {}),
            **({"uid": uid} if uid else {}),
        },
        "reason": event.reason,
        "message": event.message.encode()[:_LONGEST].decode(errors="ignore"),
        "type": "Warning" if event.warning else "Normal",
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": names.FIELD_MANAGER,
        "reportingInstance": source[-_LONGEST_SOURCE:],
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": count,
    }
    try:
        await client.create(EVENT, body)
    except ApiError as error:
        if error.status != 409:
            raise
        await client.patch(EVENT, name, {"lastTimestamp": now, "count": count + 1}, namespace)
        count += 1
    memory.told[name] = count
    if len(memory.told) > _REMEMBERED:
        memory.told.pop(next(iter(memory.told)))
