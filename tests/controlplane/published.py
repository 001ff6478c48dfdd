"""Published binaries, each pinned by its checksum. Nothing is kept that does not match."""

import hashlib
import shutil
import tarfile
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder, made_whole
from .cluster import UnavailableError
from .families import STAGES, platform_name
from .progress import OnProgress, Progress, ignore

SECONDS = 4
"""For the connection, and for each read: where the net is closed, this source is to be missed quickly."""


@dataclass(frozen=True)
class Download:
    """A file at `url` whose checksum is `digest`, named with its algorithm."""

    url: str
    digest: str


@dataclass(frozen=True)
class Release:
    """One published version: the files it gives, downloaded by these names or inside .tar.gz archives."""

    name: str
    files: tuple[str, ...]
    downloads: Mapping[str, Download]

    @property
    def folder(self) -> Path:
        return cache_folder() / self.name


ENVTEST_URL = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
KWOK_URL = "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0"
# From envtest-releases.yaml of controller-tools.
ENVTEST_SHA512 = {
    "linux-amd64": "ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dc"
    "f30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08",
    "linux-arm64": "2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae2818"
    "1afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac",
    "darwin-amd64": "b4fe9f973cd1992e3880f8b230ed32c0c243b83371591e3e3315f4404df2cdbe"
    "f8ee94eeb9bb245b7e5feb987d5c4a76c43e0877654ab73f00d7bbc2b9984514",
    "darwin-arm64": "9278f9e5af556b2f1f2d139769c1f0d717c7b4426917fdebdba898bcb725a916"
    "e4910d6160886194ff9be9589ea7c5c32c2b8ae0754703874b7c8ba8ddfc41ce",
}
# kwok publishes none; these are what packages of it pin. The one of the stages is also that of what
# `kubectl kustomize` makes of the module's own files.
KWOK_SHA256 = {
    "linux-amd64": "f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46",
    "linux-arm64": "628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37",
    "darwin-arm64": "69a064ec98d37844d9d742b5b28ff57825659a983ccc3e208daa6948b94d64ba",
}
STAGES_SHA256 = "2f28d95564ec43056c0873f7a25ac7d2a5bba4c8496c72f8b3ee73fd4f54ee24"


def releases(machine: str) -> tuple[Release, ...]:
    """Return what is published for a machine, such as linux-amd64. There is no controller manager."""
    found = []
    if digest := ENVTEST_SHA512.get(machine):
        name = f"envtest-v1.36.2-{machine}"
        archive = Download(f"{ENVTEST_URL}/envtest-v1.36.2/{name}.tar.gz", f"sha512:{digest}")
        found.append(Release(name, ("etcd", "kube-apiserver"), {f"{name}.tar.gz": archive}))
    if digest := KWOK_SHA256.get(machine):
        binary = Download(f"{KWOK_URL}/kwok-{machine}", f"sha256:{digest}")
        stages = Download(f"{KWOK_URL}/stage-fast.yaml", f"sha256:{STAGES_SHA256}")
        found.append(Release(f"kwok-v0.8.0-{machine}", ("kwok", STAGES), {"kwok": binary, STAGES: stages}))
    return tuple(found)


def download(wanted: Collection[str], on_progress: OnProgress = ignore) -> None:
    """Bring those of the wanted files that are published into the cache.

    Raises UnavailableError if a download fails or does not match its checksum.
    """
    for release in releases(platform_name()):
        if not release.folder.is_dir() and not set(wanted).isdisjoint(release.files):
            on_progress(Progress(f"downloading {release.name}", 0))
            fetch(release)


def fetch(release: Release) -> None:
    """Download a release into the cache. Raises UnavailableError; the cache is unchanged then."""
    with made_whole(release.folder) as folder:
        for name, file in release.downloads.items():
            path = folder / name
            _get(file, path)
            if name.endswith(".tar.gz"):
                _unpack(path, release.files, folder)
                path.unlink()
        for name in release.files:
            (folder / name).chmod(0o755)


def _get(download: Download, path: Path) -> None:
    algorithm, _, expected = download.digest.partition(":")
    try:
        with urllib.request.urlopen(download.url, timeout=SECONDS) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as error:
        raise UnavailableError(f"{download.url}: {getattr(error, 'reason', error)}") from error
    with path.open("rb") as file:
        if hashlib.file_digest(file, algorithm).hexdigest() != expected:
            raise UnavailableError(f"{download.url}: its checksum is not the pinned one, so it is not used")


def _unpack(archive: Path, wanted: Collection[str], folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            if name in wanted and (source := tar.extractfile(member)):
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(source, file)
