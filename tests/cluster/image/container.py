"""A container as the kubelet has it made from the Deployment, in a network of its own, with runc."""

import ctypes
import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from controlplane import wait_until
from image import Image

T = TypeVar("T")
Object = dict[str, Any]
API_SERVER: Final = ("127.0.0.1", 6443)  # where the container finds it, in its own network
SECRETS: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_KINDS: Final = ("bounding", "effective", "inheritable", "permitted", "ambient")


class Container:
    """One container of a pod, and the API server within its reach. Its log is in `log`."""

    def __init__(
        self, image: Image, root: Path, pod: Object, *, account: Path, server: str, folder: Path
    ) -> None:
        """`pod` is a pod's spec, `account` the folder of its account's token, `server` the API server's."""
        self._name = f"aifactory-{secrets.token_hex(4)}"
        self._server = (str(urlsplit(server).hostname), int(urlsplit(server).port or 443))
        self.log = folder / "container.log"
        (folder / "config.json").write_text(json.dumps(_bundle(image, root, pod, account)))
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["runc", "run", f"--bundle={folder}", self._name], stdout=log, stderr=log
            )
        self.pid = wait_until(self._started, f"the container is started; its log is {self.log}")
        listener = self._within(lambda: socket.create_server(API_SERVER))
        threading.Thread(target=self._relay, args=(listener,), daemon=True).start()

    def get(self, port: int, path: str, *, token: str = "", tls: bool = False) -> tuple[int, str]:
        """Ask it from within its network, as the kubelet does; 0 while it does not answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.sock = self._within(lambda: socket.create_connection(("127.0.0.1", port), 5))
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                connection.sock = context.wrap_socket(connection.sock)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def end(self, seconds: float) -> int:
        """Send SIGTERM, and return the exit code. Raises TimeoutExpired where the kubelet would kill it."""
        self.process.send_signal(signal.SIGTERM)  # runc passes it on
        return self.process.wait(seconds)

    def remove(self) -> None:
        """End it as it is."""
        subprocess.run(
            ["runc", "delete", "--force", self._name], capture_output=True, timeout=30, check=False
        )
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)

    def _started(self) -> int:
        assert self.process.poll() is None, self.log.read_text()
        done = subprocess.run(
            ["runc", "state", self._name], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            return 0
        state = json.loads(done.stdout)
        return int(state["pid"]) if state["status"] == "running" else 0

    def _within(self, make: Callable[[], T]) -> T:
        """Do something in the container's network: a thread can go there, and a socket stays there."""
        made: list[T] = []
        failed: list[OSError] = []

        def work() -> None:
            network = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(network, _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "the container's network cannot be entered")
                made.append(make())
            except OSError as error:
                failed.append(error)
            finally:
                os.close(network)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)
        if failed:
            raise failed[0]
        return made[0]

    def _relay(self, listener: socket.socket) -> None:
        """Pass each connection on to the API server, which listens in this machine's network."""
        while True:
            inner, _ = listener.accept()
            outer = socket.create_connection(self._server)
            for source, target in ((inner, outer), (outer, inner)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _bundle(image: Image, root: Path, pod: Object, account: Path) -> Object:
    """What runc is told: no more than the image and the pod say, and what the kubelet adds to every pod."""
    (container,) = pod["containers"]
    security = {**pod["securityContext"], **container["securityContext"]}
    assert security["capabilities"] == {"drop": ["ALL"]}
    env = {
        **dict(entry.split("=", 1) for entry in image.config["Env"]),
        "KUBERNETES_SERVICE_HOST": API_SERVER[0],
        "KUBERNETES_SERVICE_PORT": str(API_SERVER[1]),
        **{entry["name"]: _field(entry) for entry in container["env"]},
    }
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = [
        _mount("/proc", "proc"),
        _mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
        _mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        _mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        {"destination": SECRETS, "type": "bind", "source": str(account), "options": ["rbind", "ro"]},
    ]
    for mount in container["volumeMounts"]:
        size = volumes[mount["name"]]["emptyDir"]["sizeLimit"].removesuffix("i").lower()
        mounts.append(_mount(mount["mountPath"], "tmpfs", "nosuid", "nodev", "mode=1777", f"size={size}"))
    return {
        "ociVersion": "1.0.2",
        "hostname": "aifactory-0",
        "process": {
            "user": {"uid": security["runAsUser"], "gid": security["runAsGroup"]},
            "args": [*image.config["Entrypoint"], *container["args"]],
            "env": [f"{name}={value}" for name, value in env.items()],
            "cwd": "/",
            "capabilities": {kind: [] for kind in _KINDS},
            "noNewPrivileges": not security["allowPrivilegeEscalation"],
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}],
        },
        "root": {"path": str(root), "readonly": security["readOnlyRootFilesystem"]},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _mount(destination: str, kind: str, *options: str) -> Object:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def _field(entry: Mapping[str, Any]) -> str:
    """The value of a variable, which the Deployment takes from the pod."""
    values = {"metadata.uid": "00000000-0000-4000-8000-000000000000"}
    return values[entry["valueFrom"]["fieldRef"]["fieldPath"]]
