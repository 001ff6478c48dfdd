"""The part of Kubernetes' object metadata that the operator reads."""

from datetime import datetime

from pydantic import Field

from aifactory.api.base import Model


class ObjectMeta(Model):
    """Metadata of a resource; a manifest that was not applied yet has little more than a name."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
