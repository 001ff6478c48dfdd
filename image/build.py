"""Builds the Dockerfile with buildah, on a Debian root in place of the base where there is no registry."""

import hashlib
import json
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from controlplane.cache import cache_folder, locked, temporary_folder

from .tools import Show, UnavailableError, install, run

ROOT: Final = Path(__file__).parents[1]
NAME: Final = "localhost/aifactory-operator:dev"
SUITE: Final = "bookworm"  # its Python is the oldest one that the project supports
# apt comes with none of its own, and numpy needs the last one; usr-is-merged is there in place of perl.
INCLUDED: Final = ("python3", "python3-venv", "libstdc++6", "usr-is-merged")
LEFT_OUT: Final = tuple(f"/usr/share/{part}/*" for part in ("doc", "info", "locale", "man"))
_CERTIFICATES: Final = Path("/etc/ssl/certs")


@dataclass(frozen=True)
class Image:
    """An image in the project's own storage. Two builds of the same sources have the same layers."""

    name: str
    layers: tuple[str, ...]  # digests, of the base first
    bytes: int  # unpacked
    config: dict[str, Any]

    def write(self, archive: Path) -> None:
        """Write it as an OCI archive."""
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.unlink(missing_ok=True)
        _buildah("push", "--quiet", self.name, f"oci-archive:{archive}:{self.name}")

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Give a new root file system of it, which may be written to and goes afterwards."""
        container = _buildah("from", "--quiet", self.name).strip()
        try:
            yield Path(_buildah("mount", container).strip())
        finally:
            _buildah("rm", container)


def build(show: Show, *, again: bool = False) -> Image:
    """Build the image, of which unchanged parts are kept. Raises UnavailableError.

    $BASE is what the Dockerfile stands on, from a registry; without it, it is a root of Debian's packages.
    `again` builds all of it anew, under another name.
    """
    install(show)
    with locked(cache_folder() / "image.lock", lambda: show("waiting for another build ...")):
        base = os.environ.get("BASE") or _debian(show)
        arguments = ["--isolation=chroot", "--timestamp=0", f"--build-arg=BASE={base}"]
        if _CERTIFICATES.is_dir():
            # This machine may reach its package index through a certificate of its own.
            arguments.append(f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro")

        def step(line: str) -> None:
            if "STEP" in line:
                show(textwrap.shorten(line, 100))

        def made(name: str, *more: str) -> None:
            _buildah("bud", *arguments, *more, f"--tag={name}", str(ROOT), on_line=step)

        if again:
            name = f"{NAME}-again"
            made(name, "--no-cache")
        else:
            name = NAME
            # Named, so that it is not taken away with what earlier builds have left.
            made("localhost/aifactory-build:dev", "--layers", "--target=build")
            made(name, "--layers")
        with suppress(UnavailableError):  # something may still be in use
            _buildah("rmi", "--prune")
        return _inspected(name)


def _inspected(name: str) -> Image:
    says = json.loads(_buildah("inspect", "--type=image", name))
    config, manifest = json.loads(says["Config"]), json.loads(says["Manifest"])
    size = sum(layer["size"] for layer in manifest["layers"])
    return Image(name, tuple(config["rootfs"]["diff_ids"]), size, config["config"])


def _debian(show: Show) -> str:
    """The image of a Debian root with Python, made on first use; its name."""
    recipe = [
        *("mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(INCLUDED)}"),
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        SUITE,
    ]
    name = f"localhost/aifactory-debian:{hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]}"
    if name.partition(":")[2] in _buildah("images", "--format={{.Tag}}").split():
        return name
    show(f"a root of Debian {SUITE}, once ...")
    with temporary_folder("unfinished") as folder:
        tar = folder / "root.tar"
        run([*recipe, str(tar)], SOURCE_DATE_EPOCH="0")
        container = _buildah("from", "--quiet", "scratch").strip()
        _buildah("add", "--quiet", container, str(tar), "/")
        _buildah("commit", "--quiet", "--timestamp=0", "--rm", container, name)
    return name


def _buildah(*arguments: str, on_line: Show = lambda line: None) -> str:
    # Storage of our own: nothing of this is among the user's images.
    folder = cache_folder().parent / "image"
    own = [f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}"]
    return run(["buildah", *own, *arguments], on_line)
