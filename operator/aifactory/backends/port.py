"""The two ports of a backend: what the operator asks of it, and what it may ask of a cluster."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from aifactory.decide.model.plan import CallOff, Delete, Drain, Evict, Hold, Order, Relabel
from aifactory.decide.model.world import Node, Pod

Object = dict[str, Any]  # a Kubernetes object as JSON has it
T = TypeVar("T")


class Kind(NamedTuple):
    """A kind of object, and where the API server keeps it."""

    root: str  # /api/v1 or /apis/GROUP/VERSION
    plural: str
    name: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """The apiVersion that its objects carry."""
        return self.root.removeprefix("/apis/").removeprefix("/api/")


NODE = Kind("/api/v1", "nodes", "Node", namespaced=False)
POD = Kind("/api/v1", "pods", "Pod", namespaced=True)
NODE_CLAIM = Kind("/apis/karpenter.sh/v1", "nodeclaims", "NodeClaim", namespaced=False)


class ApiError(Exception):
    """The API server refused a request, or did not answer it; or a driver knows that it would be in vain.

    `status` is the HTTP status; 0 means that there was no answer, or none that makes sense, and a write may
    have been done or not. `after` is how many seconds the server wants to be left alone.
    """

    def __init__(self, status: int, reason: str, message: str, after: float = 0.0) -> None:
        super().__init__(f"{status} {reason}: {message}" if status else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.after = after


class NotInstalled(ApiError):  # noqa: N818 - as it reads in `except NotInstalled`
    """The cluster does not serve the kind that a backend stands on; the message says which."""


class Mandate(NamedTuple):
    """In whose name a node is ordered: the holder of the Lease, and the term that it leads in."""

    holder: str
    term: int


class Client(Protocol):
    """A cluster's API, as far as backends need it. Everything raises ApiError."""

    async def read_all(
        self,
        kind: Kind,
        read: Callable[[Object], T],
        *,
        labels: str = "",
        fields: str = "",
        metadata_only: bool = False,
    ) -> list[T]:
        """All objects of all namespaces, each passed through `read` as it arrives."""

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        """One object."""

    async def create(self, kind: Kind, body: Object) -> Object:
        """Create an object that must not exist yet."""

    async def patch(self, kind: Kind, name: str, change: Object, namespace: str = "") -> Object:
        """Merge-patch an object; `metadata.uid` and `metadata.resourceVersion` in it are preconditions."""

    async def delete(self, kind: Kind, name: str, *, uid: str, version: str = "") -> None:
        """Delete an object, if it is still the one with this uid and, if given, resourceVersion."""

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Ask a pod to leave, as its disruption budgets allow, if it is still the one with this uid."""

    async def kill(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod at once; one that is gone, or has come back as another one, is fine."""


class Backend(Protocol):
    """Provisions nodes. Each call is one small step that may be repeated after a crash.

    All calls raise ApiError. Conflict (409) and not found (404) mean that the world has changed since it
    was observed: nothing was done, and the next cycle decides again.

    What every backend keeps, and tests/cluster/backends tries to break:

    - A step made twice does what it does once.
    - Level-triggered: what stands in the cluster is all that counts. A driver that was started this moment
      goes on from wherever another one was killed.
    - A name that is taken is refused (409), whoever took it and whatever for.
    - All or an error: a look that misses a part would promise its power twice.
    - A node counts from its order until it is seen gone, whoever let it go.
    """

    async def observe(self) -> Mapping[str, Sequence[Node]]:
        """All nodes of ours, and others with the name of a slot, by factory; all or an error, never a part.

        The factory of a node without our label is the one that its name begins with. Raises NotInstalled
        where the cluster has nothing of this kind.
        """

    async def pods(self, nodes: Iterable[str]) -> list[Pod]:
        """The pods that have to leave these nodes before the nodes can go."""

    async def create(self, order: Order, mandate: Mandate) -> Node:
        """Provision a node, in the name of the present leader; returns it as it is at first."""

    async def relabel(self, change: Relabel) -> None:
        """Bring labels, annotations and taints of a standing node up to date."""

    async def drain(self, drain: Drain) -> None:
        """Cordon a node and note when its draining began."""

    async def call_off(self, call: CallOff) -> None:
        """Take back what `drain` did, unless somebody has changed it meanwhile."""

    async def evict(self, evict: Evict) -> None:
        """Ask a pod to leave its node."""

    async def hold(self, hold: Hold) -> None:
        """Take a drained node from its pool; it stays."""

    async def delete(self, delete: Delete) -> None:
        """Release a drained node, with the pods that are left on it."""
