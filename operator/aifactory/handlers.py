"""Kopf's part: it watches, and every event only wakes the loop.

No index, timer, daemon or change handler: an index starts in quadratic time and keeps what was deleted
while the watch was broken; the others write finalizers and annotations into users' objects.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import kopf
from kopf._core.engines.peering import Identity

from aifactory.api import names
from aifactory.shell.caching import CachingClient
from aifactory.shell.client import CRD, FACTORY, POOL, ApiError, KubernetesClient, Unconfigured, configuration
from aifactory.shell.endpoint import Endpoint
from aifactory.shell.service import Service
from aifactory.shell.settings import Settings
from aifactory.watches import Endless, Patience, outlast

KARPENTER: Final = ("karpenter.sh", "v1", "nodeclaims")  # watched where they are served
LOGIN_AGAIN: Final = 5.0  # seconds after which credentials that could not be had are asked for again
_OWN_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class OperatorError(Exception):
    """The operator cannot start, or has ended by itself. The text says why, and what to do."""


async def operate(
    kubeconfig: str,
    namespace: str,
    lease: str,
    pod: str,
    settings: Settings,
    *,
    health: tuple[str, int],
    metrics: tuple[str, int],
    certificates: Path | None = None,
) -> None:
    """Run the operator until SIGTERM or SIGINT. Raises OperatorError.

    `namespace` and `lease` name the Lease; `pod` is the uid of the pod that this process runs in, and empty
    outside one; `health` and `metrics` are the addresses to listen on, `certificates` the folder of the
    certificate for metrics.
    """
    try:
        client = CachingClient(await configuration(kubeconfig), settings)
    except Unconfigured as error:
        raise OperatorError(f"no cluster is configured: {error}") from error
    patience = Patience(settings)
    stop = asyncio.Event()
    served = asyncio.create_task(_resources_served(client, patience), name="resources")
    served.add_done_callback(lambda task: stop.set() if _failed(task) else None)
    try:
        service = Service(client, namespace or _own_namespace(), lease, settings, pod)
        outlast(patience, service.listed)
        # From the start: whoever only waits for the API server need not be restarted.
        async with (
            _listening("health", health, service.health_endpoint),
            _listening("metrics", metrics, lambda: service.metrics_endpoint(metrics[0], certificates)),
        ):
            await kopf.operator(
                registry=registry(service, Login(client, served, patience), stop, settings),
                clusterwide=True,
                standalone=True,  # the Lease decides who writes, not Kopf's peering
                # Else Kopf asks for the user's name, and no user need have one.
                identity=Identity(service.leadership.identity),
                stop_flag=stop,
            )
    finally:
        served.cancel()
        await client.close()
    if failure := _failed(served):
        raise failure
    if service.ended:
        raise OperatorError("the operator has ended by itself; the log says why")


@asynccontextmanager
async def _listening(
    what: str, address: tuple[str, int], make: Callable[[], Endpoint]
) -> AsyncIterator[None]:
    """Serve something meanwhile. Raises OperatorError."""
    try:
        endpoint = make()
        await endpoint.start(address)
    except OSError as error:
        raise OperatorError(f"cannot serve {what} on {address[0]}:{address[1]}: {error}") from error
    try:
        yield
    finally:
        await endpoint.stop()


def _failed(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


async def _resources_served(client: KubernetesClient, patience: Patience) -> None:
    """Wait until the API server has our CRDs: without them Kopf would watch nothing and say nothing.

    Raises OperatorError where it certainly has them not; anything else may pass.
    """
    while True:
        try:
            for kind in (FACTORY, POOL):
                await _check_served(client, f"{kind.plural}.{names.GROUP}")
        except ApiError as error:
            await patience.trouble("waiting for the API server", error)
        else:
            return


async def _check_served(client: KubernetesClient, name: str) -> None:
    try:
        crd = await client.get(CRD, name)
    except ApiError as error:
        if (error.status, error.reason) != (404, "NotFound"):
            raise
        hint = "install it with: kubectl apply --server-side -f crds/"
        raise OperatorError(f"CRD {name} is not installed; {hint}") from error
    served = [version["name"] for version in crd["spec"]["versions"] if version["served"]]
    if names.VERSION not in served:
        raise OperatorError(f"CRD {name} serves {', '.join(served)}, needed is {names.VERSION}")


def _own_namespace() -> str:
    return _OWN_NAMESPACE.read_text().strip() if _OWN_NAMESPACE.exists() else "default"


def log_to_stderr(*, as_json: bool, verbose: bool) -> None:
    """Set up logging for the process."""
    kopf.configure(verbose=verbose, log_format=kopf.LogFormat.JSON if as_json else kopf.LogFormat.FULL)
    # A line or two for each event of each node: they would drown our own.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # It warns of what is not served, and a cluster need not have Karpenter. What must be there we look for.
    unserved = logging.getLogger("kopf._core.reactor.observation")
    unserved.addFilter(lambda record: KARPENTER[-1] not in record.getMessage())


class Login:
    """Kopf's credentials: those of our own client, so that both are the same user in the same cluster."""

    def __init__(self, client: KubernetesClient, served: "asyncio.Task[None]", patience: Patience) -> None:
        self._client = client
        self._served = served
        self._patience = patience
        self._count = 0

    async def __call__(self) -> kopf.ConnectionInfo:
        """The credentials as they are now, once the API server has what there is to watch."""
        await asyncio.wait({self._served})
        if _failed(self._served):
            await asyncio.Event().wait()  # the process is being ended, and nothing is to be watched any more
        if self._count:
            await self._patience.trouble("watches", "the API server does not accept the credentials")
        self._count += 1
        config = self._client.config
        return kopf.ConnectionInfo(
            server=config.host,
            ca_path=config.ssl_ca_cert,
            ca_data=None if config.ssl_ca_cert else config.ca_cert_data,
            insecure=not config.verify_ssl,
            token=await self._client.token(),
            certificate_path=config.cert_file,
            private_key_path=config.key_file,
            proxy_url=config.proxy,
            # Kopf takes no credentials twice that were refused once, and would end. These are new to it.
            priority=self._count,
        )


def registry(service: Service, log_in: Login, stop: asyncio.Event, chosen: Settings) -> kopf.OperatorRegistry:
    """The handlers of one operator; `stop` ends it."""
    handlers = kopf.OperatorRegistry()

    # A failed start ends the process, and a failed stop is not tried again: Kopf would wait a minute.
    @kopf.on.startup(registry=handlers, id="startup", errors=kopf.ErrorsMode.PERMANENT)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings, chosen)

    @kopf.on.cleanup(registry=handlers, id="cleanup", errors=kopf.ErrorsMode.PERMANENT)
    async def end(**_: Any) -> None:
        await service.stop()
        stop.set()  # Kopf has a task that waits for it, and would take it for hung for five seconds

    @kopf.on.login(registry=handlers, id="login", backoff=LOGIN_AGAIN)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        found = await log_in()
        service.start(on_end=stop.set)
        return found

    @kopf.on.event(names.GROUP, names.VERSION, "aifactories", registry=handlers)
    @kopf.on.event(names.GROUP, names.VERSION, "gpupools", registry=handlers)
    @kopf.on.event("", "v1", "nodes", labels={names.LABEL_FACTORY: kopf.PRESENT}, registry=handlers)
    @kopf.on.event(*KARPENTER, labels={names.LABEL_FACTORY: kopf.PRESENT}, registry=handlers)
    async def tell(event: kopf.RawEvent, **_: Any) -> None:
        service.told(event["type"], event["object"])

    return handlers


def configure(settings: kopf.OperatorSettings, chosen: Settings) -> None:
    """Settle what Kopf may do."""
    settings.posting.enabled = False  # events are the loop's
    settings.scanning.disabled = True  # else it lists and watches namespaces and all CRDs
    settings.networking.request_timeout = 60
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = Endless(chosen.longest_watch_pause)
    settings.watching.server_timeout = 600  # a dead watch is found by Kopf's inactivity timeout, or by this
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    for kind in (("", "v1", "nodes"), KARPENTER):
        settings.watching.label_selectors[kind] = names.LABEL_FACTORY
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = 20  # seconds until Kopf kills what does not end
