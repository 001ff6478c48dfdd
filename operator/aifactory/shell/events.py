"""Kubernetes Events: what has changed, for people who look at one object."""

import hashlib
from typing import Final

from aifactory.api import names
from aifactory.backends.port import Object
from aifactory.decide.model.plan import Event
from aifactory.shell.client import EVENT, ApiError, KubernetesClient
from aifactory.shell.objects import Objects, key_of

_LONGEST: Final = 1024  # bytes of an Event's message that the API server takes
_LONGEST_SOURCE: Final = 128


def event_body(event: Event, uid: str | None, now: str, source: str) -> Object:
    """The Event as it is posted for the first time, at `now`. Its name says about whom it is, and what."""
    says = (event.kind, uid, event.reason, event.message)
    name = f"{event.name}.{hashlib.sha256(repr(says).encode()).hexdigest()[:16]}"
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        # The API server wants those of cluster-scoped objects in `default`.
        "metadata": {"name": name, "namespace": event.namespace or "default"},
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
        "count": 1,
    }


async def post(client: KubernetesClient, event: Event, objects: Objects, source: str) -> None:
    """Post an event. One that the API server still has is counted up instead, whoever posted it.

    `source` names this process. Raises ApiError.
    """
    now = client.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    body = event_body(event, objects.uid(key_of(event)), now, source)
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    try:
        await client.create(EVENT, body)
    except ApiError as error:
        if error.status != 409:
            raise
        known = await client.get(EVENT, name, namespace)
        version = {"resourceVersion": known["metadata"]["resourceVersion"]}
        again = {"metadata": version, "lastTimestamp": now, "count": int(known.get("count") or 1) + 1}
        await client.patch(EVENT, name, again, namespace)
