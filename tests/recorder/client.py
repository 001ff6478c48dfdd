"""The little of the Kubernetes API that tests need: LISTs, watches and requests, with nothing in between."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import urlencode, urlsplit

from kubernetes import client, config

SECONDS = 30.0
SILENT_SECONDS = 150.0  # without even a bookmark, of which there is one a minute: the connection is dead
DONE = (200, 201, 202)
BROKEN = (OSError, http.client.HTTPException, ValueError)
"""What a lost connection looks like, also one that is shut while somebody reads from it."""


class AnswerError(Exception):
    """The server refused, with this status and in these words.

    `reason` is the API's own word for why; in `after` seconds it wants to be asked again, if at all.
    """

    def __init__(self, status: int, text: str, reason: str = "", after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.after = after


class Api:
    """The cluster of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(kubeconfig), client_configuration=settings, persist_config=False
        )
        self._host = urlsplit(settings.host)
        self._tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        if settings.cert_file:
            self._tls.load_cert_chain(settings.cert_file, settings.key_file)
        token = settings.get_api_key_with_prefix("authorization")
        self._own = local()
        self._headers = {"Accept": "application/json", **({"Authorization": token} if token else {})}

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """GET one answer, on this thread's own connection. Raises AnswerError, or one of BROKEN."""
        connection = getattr(self._own, "connection", None) or self._connect()
        self._own.connection = None  # until it has been read to its end, it cannot be used again
        response = self._ask(connection, path, query)
        answer: dict[str, Any] = json.loads(response.read())
        self._own.connection = connection
        return answer

    def write(self, method: str, path: str, body: object = None, *headers: tuple[str, str]) -> dict[str, Any]:
        """Make a request once, on a connection of its own: it is done or not, and never done twice.

        Raises AnswerError, or one of BROKEN.
        """
        text = b"" if body is None else json.dumps(body).encode()
        with closing(self._connect()) as connection:
            connection.putrequest(method, path)
            for name, value in (*self._headers.items(), *headers, ("Content-Length", str(len(text)))):
                connection.putheader(name, value)
            connection.endheaders(text)
            response = connection.getresponse()
            if response.status not in DONE:
                raise refused(response)
            answer: dict[str, Any] = json.loads(response.read())
            return answer

    def stream(self, path: str, **query: str | int) -> "Stream":
        """GET an answer that comes line by line. Raises AnswerError, or one of BROKEN."""
        connection = self._connect()
        return Stream(connection, self._ask(connection, path, query))

    def _connect(self) -> http.client.HTTPSConnection:
        host = self._host.hostname or ""
        return http.client.HTTPSConnection(host, self._host.port, timeout=SECONDS, context=self._tls)

    def _ask(
        self, connection: http.client.HTTPConnection, path: str, query: dict[str, str | int]
    ) -> http.client.HTTPResponse:
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers=self._headers)
            response = connection.getresponse()
            if response.status != 200:
                raise refused(response)
        except BaseException:
            connection.close()
            raise
        return response


def refused(response: http.client.HTTPResponse) -> AnswerError:
    """What an answer says that is none: in the API server's words, or in those that stand there."""
    text = response.read(100_000).decode(errors="replace")
    said = response.headers.get("Retry-After", "")
    after = float(said) if said.isdigit() else None
    with suppress(ValueError, KeyError, TypeError):
        status = json.loads(text)
        return AnswerError(response.status, status["message"], status.get("reason", ""), after)
    return AnswerError(response.status, text[:500], after=after)


class Stream:
    """Lines as they come, until the server ends or somebody shuts it."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self._socket: socket.socket = connection.sock
        self._socket.settimeout(SILENT_SECONDS)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response
        finally:
            self._connection.close()

    def shut(self) -> None:
        """End it, also from another thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
