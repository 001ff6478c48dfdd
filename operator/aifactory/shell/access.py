"""Who may read the metrics: the API server says whose token it is, and whether its owner may.

As controller-runtime does it (WithAuthenticationAndAuthorization): a TokenReview, then a SubjectAccessReview
for `get` of the path, whose answers are kept for a short while.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from aifactory.backends.port import Kind, Object
from aifactory.shell.client import ApiError, KubernetesClient

logger = logging.getLogger(__name__)

TOKEN_REVIEW: Final = Kind("/apis/authentication.k8s.io/v1", "tokenreviews", "TokenReview", False)
ACCESS_REVIEW: Final = Kind(
    "/apis/authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview", False
)
YES_SECONDS: Final = 60.0  # so long after a right was taken away it still counts
NO_SECONDS: Final = 10.0
_KEPT: Final = 256  # answers
_AT_ONCE: Final = 2  # requests under way to the API server: the leader's own must not wait for these


class Access:
    """Judges bearer tokens for one path."""

    def __init__(self, client: KubernetesClient, path: str, clock: Callable[[], float] = monotonic) -> None:
        self._client = client
        self._path = path
        self._clock = clock
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._said: OrderedDict[bytes, tuple[HTTPStatus, float]] = OrderedDict()  # by the token's hash

    def guarded(self, handler: Handler) -> Handler:
        """A handler that answers to whom it may only: 401 without a token, 403 without the right."""

        async def guard(request: web.Request) -> web.StreamResponse:
            verdict = await self.judge(request.headers.get(hdrs.AUTHORIZATION, ""))
            if verdict is not HTTPStatus.OK:
                challenge = {hdrs.WWW_AUTHENTICATE: "Bearer"} if verdict is HTTPStatus.UNAUTHORIZED else None
                return web.Response(status=verdict, text=verdict.phrase, headers=challenge)
            return await handler(request)

        return guard

    async def judge(self, authorization: str) -> HTTPStatus:
        """The status for a request with this header: OK, or what it is refused with."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return HTTPStatus.UNAUTHORIZED
        key = hashlib.sha256(token.encode()).digest()
        if (known := self._known(key)) is not None:
            return known
        async with self._turn:
            if (known := self._known(key)) is not None:
                return known
            try:
                verdict = await self._ask(token)
            except ApiError as error:
                logger.warning("whether somebody may read the metrics cannot be asked: %s", error)
                return HTTPStatus.SERVICE_UNAVAILABLE
        lasts = YES_SECONDS if verdict is HTTPStatus.OK else NO_SECONDS
        self._said[key] = verdict, self._clock() + lasts
        self._said.move_to_end(key)
        if len(self._said) > _KEPT:
            self._said.popitem(last=False)
        return verdict

    def _known(self, key: bytes) -> HTTPStatus | None:
        verdict, until = self._said.get(key, (None, 0.0))
        return verdict if self._clock() < until else None

    async def _ask(self, token: str) -> HTTPStatus:
        owner = await self._client.review(TOKEN_REVIEW, {"token": token})
        if owner.get("authenticated") is not True:
            return HTTPStatus.UNAUTHORIZED
        user: Object = owner.get("user") or {}
        question = {
            "user": user.get("username", ""),
            "groups": user.get("groups") or [],
            "uid": user.get("uid", ""),
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": self._path, "verb": "get"},
        }
        answer = await self._client.review(ACCESS_REVIEW, question)
        return HTTPStatus.OK if answer.get("allowed") is True else HTTPStatus.FORBIDDEN
