"""How a factory's nodes are provisioned: one of four backends, each with what it has to be told."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from aifactory.api.base import Model, ObjectName, Rule, SystemName, list_map

KINDS: Final = ("kwok", "clusterAPI", "coreWeave", "karpenter")
# CEL for a list that has one item for each kind that is given, and for the same as text.
_GIVEN: Final = "[" + ", ".join(f"has(self.{kind})" for kind in KINDS) + "].filter(given, given)"
_TEXT: Final = " + ".join(f"(has(self.{kind}) ? '{kind} ' : '')" for kind in KINDS)


class Kwok(Model):
    """Simulated nodes of kwok, for tests and demonstrations."""


class Reference(Model):
    """A template object beside the machines."""

    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Kind of the object, such as KubeadmConfigTemplate."""
    name: ObjectName
    """Name of the object, in the backend's namespace."""
    api_group: Annotated[str, Field(min_length=1, max_length=253)]
    """API group of the object, such as bootstrap.cluster.x-k8s.io."""


class Machine(Model):
    """What a machine of one system is made from."""

    system: SystemName
    """The accelerator system."""
    bootstrap: Reference
    """The bootstrap template, such as a KubeadmConfigTemplate."""
    infrastructure: Reference
    """The machine template of the infrastructure provider."""


class ClusterAPI(Model):
    """Nodes of a Cluster API cluster, by MachineDeployments."""

    namespace: ObjectName
    """Namespace of the Cluster and of all its objects."""
    cluster_name: ObjectName
    """Name of the Cluster that the nodes join."""
    version: Annotated[str, Field(max_length=63)] = ""
    """Kubernetes version of the nodes, such as v1.36.3. Default: the provider's."""
    machines: Annotated[
        tuple[Machine, ...], Field(min_length=1, max_length=64, json_schema_extra=list_map("system"))
    ]
    """Templates for each system of the racks."""


class InstanceType(Model):
    """The provider's name for the node of one system."""

    system: SystemName
    """The accelerator system."""
    instance_type: Annotated[str, Field(min_length=1, max_length=63)]
    """The provider's instance type, such as gd-8xh100ib-i128."""


class CoreWeave(Model):
    """Nodes of a CoreWeave cluster, by NodePools."""

    compute_class: Literal["Default", "Spot"] = "Default"
    """CoreWeave's compute class: Default or Spot. Default: Default."""
    instance_types: Annotated[
        tuple[InstanceType, ...], Field(min_length=1, max_length=64, json_schema_extra=list_map("system"))
    ]
    """CoreWeave's instance type for each system of the racks."""


class NodeClass(Model):
    """Karpenter's node class."""

    group: Annotated[str, Field(min_length=1, max_length=253)]
    """API group of the class, such as karpenter.kwok.sh."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Kind of the class, such as KWOKNodeClass."""
    name: ObjectName
    """Name of the class."""


class Karpenter(Model):
    """Nodes of Karpenter: a NodeClaim for each, in no NodePool."""

    node_class: NodeClass
    """The node class that launches the nodes."""
    instance_types: Annotated[
        tuple[InstanceType, ...], Field(min_length=1, max_length=64, json_schema_extra=list_map("system"))
    ]
    """The instance type for each system of the racks; it is launched as reserved or on-demand."""


class Backend(Model):
    """Exactly one backend."""

    RULES: ClassVar = (
        Rule(
            f"exactly one of {', '.join(KINDS)} is allowed",
            lambda backend: [] if len(backend.given()) == 1 else [" ".join(backend.given()) or "none"],
            f"size({_GIVEN}) == 1",
            f"(size({_GIVEN}) == 0 ? 'none' : {_TEXT})",
        ),
    )

    kwok: Kwok | None = None
    """Simulated nodes of kwok, for tests and demonstrations."""
    cluster_api: ClusterAPI | None = None
    """Cluster API MachineDeployments."""
    core_weave: CoreWeave | None = None
    """CoreWeave NodePools."""
    karpenter: Karpenter | None = None
    """Karpenter NodeClaims, each by itself in no NodePool."""

    def given(self) -> tuple[str, ...]:
        """The kinds that are given; exactly one in a valid factory."""
        fields = type(self).model_fields.items()
        return tuple(field.alias or name for name, field in fields if getattr(self, name) is not None)
