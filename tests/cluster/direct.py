"""kubectl for tests: what is a request to the API server is made without it, as `cluster.reading` looks.

To start kubectl takes a tenth of a second of a processor; to create or apply with it takes two, for it reads
the API server's schema first.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import yaml

from aifactory.cli.documents import Loader, as_json
from cluster.reading import patiently, reader
from controlplane import Kubectl, KubectlError, wait_until
from controlplane.waiting import PATIENCE
from recorder.client import BROKEN, AnswerError

Object = dict[str, Any]
SHORT: Final = {"-f": "--filename", "-n": "--namespace"}
SWITCHES: Final = ("server-side", "force-conflicts", "ignore-not-found", "force")
VALUES: Final = (
    *("as", "as-group", "as-user-extra", "namespace", "filename", "raw", "subresource", "field-manager"),
    *("dry-run", "patch", "type", "wait", "grace-period", "timeout"),
)
ONLY: Final = {"dry-run": "server", "filename": "-", "type": "merge", "wait": "false"}
"""What an option may say here; with another value it is left to kubectl."""
STRICT: Final = {"fieldValidation": "Strict"}
NOT_FOUND: Final = 404


@dataclass(frozen=True)
class Direct(Kubectl):
    """kubectl on one cluster: the same words ask for the same, and a refusal reads alike.

    What it asks for directly prints nothing, but for a raw request, which prints its answer.
    """

    def __call__(self, *arguments: str, stdin: str | None = None, seconds: float = PATIENCE) -> str:
        """As `kubectl`."""
        command = Command.read((*self.options, *arguments))
        asks = command and _asking(command, stdin)
        if not command or not asks:
            return super().__call__(*arguments, stdin=stdin, seconds=seconds)
        server, printed, refused = _Server(self, command, seconds), "", []
        for ask in asks:
            try:
                printed += ask(server)
            except AnswerError as error:
                why = f" ({error.reason})" if error.reason else ""
                refused.append(f"Error from server{why}: {error}")
            except (KubectlError, *BROKEN) as error:
                refused.append(str(error))
        if refused:
            raise KubectlError(f"kubectl {' '.join(arguments)}: " + "\n".join(refused))
        return printed

    def having(self, *options: str) -> "Direct":
        """The same with more options."""
        return Direct(self.kubeconfig, (*self.options, *options))


@dataclass
class Command:
    """A command line of kubectl."""

    words: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, arguments: tuple[str, ...]) -> "Command | None":
        """None where it has an option that is left to kubectl."""
        command, left = cls(), iter(arguments)
        for word in left:
            if not word.startswith("-"):
                command.words.append(word)
                continue
            name, given, value = word.partition("=")
            name = SHORT.get(name, name).removeprefix("--")
            if name in SWITCHES and not given:
                value = "true"
            elif name in VALUES:
                value = value if given else next(left)
            else:
                return None
            if ONLY.get(name, value) != value:
                return None
            command.options.setdefault(name, []).append(value)
        return command

    def option(self, name: str) -> str:
        """What an option says; empty where it is not there."""
        return next(iter(self.options.get(name, ())), "")


Ask = Callable[["_Server"], str]
"""Asks for one thing, and returns what is printed."""


def _asking(command: Command, stdin: str | None) -> list[Ask] | None:
    """What to ask for, one after the other; None where that is left to kubectl."""
    match command.words:
        case ["create" | "delete" as verb] if raw := command.option("raw"):
            method, body = ("POST" if verb == "create" else "DELETE"), json.loads(stdin) if stdin else None
            return [lambda server: json.dumps(server.once(method, raw, body))]
        case ["apply"] if not command.option("server-side"):
            return None
        case ["create" | "apply" | "patch" | "delete" as verb] if command.option("filename"):
            return [partial(_of, verb, obj) for obj in _objects(stdin or "")]
        case ["patch", kind, name] if command.option("patch"):
            return [lambda server: server.patch(server.path(kind, name))]
        case ["delete", *both] if both and all("/" in word for word in both):
            pairs = [word.split("/") for word in both]
            return [partial(_deletes, kind, name) for kind, name in pairs]
        case ["delete", kind, *names] if names and not {"/", ","} & set(kind):
            return [partial(_deletes, kind, name) for name in names]
    return None


def _deletes(kind: str, name: str, server: "_Server") -> str:
    return server.delete(server.path(kind, name))


def _of(verb: str, obj: Object, server: "_Server") -> str:
    path = server.path_of(obj)
    if verb == "create":
        return server.create(path, obj)
    if verb == "apply":
        return server.apply(path, obj)
    return server.patch(path) if verb == "patch" else server.delete(path)


def _objects(text: str) -> Iterator[Object]:
    try:  # to read it as YAML takes many times as long
        documents = iter([json.loads(text)])
    except ValueError:
        documents = yaml.load_all(text, Loader)
    for document in documents:
        if document:
            yield as_json(document)


class _Server:
    """The API server, as a command line of kubectl asks it. All raise AnswerError, or one of BROKEN."""

    def __init__(self, kubectl: Kubectl, command: Command, seconds: float) -> None:
        self._reader = reader(kubectl.kubeconfig)
        self._command = command
        self._seconds = float(command.option("timeout").removesuffix("s") or seconds)
        self._dry = {"dryRun": "All"} if command.option("dry-run") else {}

    def path(self, kind: str, name: str) -> str:
        """Where an object is."""
        return self._reader.path(kind, name, self._command.option("namespace") or "default")

    def path_of(self, obj: Object) -> str:
        """The same of one that is given."""
        meta = obj["metadata"]
        where = meta.get("namespace") or self._command.option("namespace") or "default"
        group = obj["apiVersion"].rpartition("/")[0]
        kind = f"{obj['kind']}.{group}" if group else obj["kind"]
        return self._reader.path(kind, meta.get("name", ""), where)

    def create(self, path: str, obj: Object) -> str:
        """Create it; `path` is its own."""
        folder = path.removesuffix(f"/{obj['metadata'].get('name', '')}")
        self.ask("POST", folder, obj, fieldManager="kubectl", **STRICT, **self._dry)
        return ""

    def apply(self, path: str, obj: Object) -> str:
        """Apply it, as the manager that kubectl is."""
        said = {
            "fieldManager": self._command.option("field-manager") or "kubectl",
            "force": "true" if self._command.option("force-conflicts") else "false",
        }
        self.ask(
            "PATCH", self._part(path), obj, "application/apply-patch+yaml", **said, **STRICT, **self._dry
        )
        return ""

    def patch(self, path: str) -> str:
        """Merge-patch it."""
        change = json.loads(self._command.option("patch"))
        kind = "application/merge-patch+json"
        self.ask("PATCH", self._part(path), change, kind, fieldManager="kubectl", **self._dry)
        return ""

    def delete(self, path: str) -> str:
        """Delete it, and wait until it is gone, unless that is not wanted."""
        options: Object = {"propagationPolicy": "Background"} | ({"dryRun": ["All"]} if self._dry else {})
        if grace := self._command.option("grace-period"):
            options["gracePeriodSeconds"] = int(grace)
        try:
            gone = self.ask("DELETE", path, options)
        except AnswerError as error:
            if error.status == NOT_FOUND and self._command.option("ignore-not-found"):
                return ""
            raise
        if not self._command.option("wait") and not self._dry:
            uid = gone.get("metadata", {}).get("uid") or gone["details"]["uid"]
            try:
                wait_until(lambda: self._uid(path) != uid, f"{path} is gone", self._seconds)
            except TimeoutError as error:
                raise KubectlError(f"timed out waiting for the condition: {error}") from error
        return ""

    def _uid(self, path: str) -> str:
        try:
            return str(self._reader.api.write("GET", path)["metadata"]["uid"])
        except AnswerError as error:
            if error.status != NOT_FOUND:
                raise
            return ""

    def _part(self, path: str) -> str:
        part = self._command.option("subresource")
        return f"{path}/{part}" if part else path

    def ask(
        self, method: str, path: str, body: Object | None, kind: str = "application/json", **query: str
    ) -> Object:
        """Make a request as whoever asks, until it is taken or refused."""
        return patiently(lambda: self.once(method, f"{path}?{urlencode(query)}", body, kind))

    def once(self, method: str, path: str, body: Object | None, kind: str = "application/json") -> Object:
        """Make a request as whoever asks."""
        return self._reader.api.write(method, path, body, ("Content-Type", kind), *self._who())

    def _who(self) -> Iterator[tuple[str, str]]:
        """Headers that say who asks."""
        for user in self._command.options.get("as", ()):
            yield "Impersonate-User", user
        for group in self._command.options.get("as-group", ()):
            yield "Impersonate-Group", group
        for extra in self._command.options.get("as-user-extra", ()):
            key, _, value = extra.partition("=")
            yield f"Impersonate-Extra-{quote(key, safe='')}", value
