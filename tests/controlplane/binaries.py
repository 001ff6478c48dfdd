"""Where the binaries are found, before any is built."""

import os
from collections.abc import Collection
from pathlib import Path

from .build import build
from .cluster import UnavailableError
from .families import DEFINITIONS, FAMILIES, STAGES, platform_name, usable
from .progress import OnProgress, ignore
from .published import download, releases

FILES = {
    "controller-manager": ("kube-controller-manager",),
    "scheduler": ("kube-scheduler",),
    "kwok": ("kwok", STAGES),
    "karpenter": ("karpenter", DEFINITIONS),  # beside a cluster, and only for who asks for it
}


def needed(features: Collection[str]) -> tuple[str, ...]:
    """Return the names of the files that a local cluster with these features needs."""
    return ("etcd", "kube-apiserver", *(name for feature in sorted(features) for name in FILES[feature]))


def kept(names: Collection[str]) -> dict[str, Path]:
    """Return those of the files that are on this machine, by name.

    They are looked for in $KUBEBUILDER_ASSETS, then among what was built, then what was downloaded.
    """
    folders = [family.folder for family in FAMILIES]
    folders += [release.folder for release in releases(platform_name())]
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folders.insert(0, Path(assets).expanduser().absolute())
    places = {name: [folder / name for folder in folders if usable(folder / name)] for name in names}
    return {name: paths[0] for name, paths in places.items() if paths}


def found(names: Collection[str], on_progress: OnProgress = ignore) -> dict[str, Path]:
    """Return all the files without building any. Raises UnavailableError with what is missing and why."""
    reason = "it is not published"
    missing = set(names) - kept(names).keys()
    if missing:
        try:
            download(missing, on_progress)
        except UnavailableError as error:
            reason = str(error)
    files = kept(names)
    if missing := set(names) - files.keys():
        assets = os.environ.get("KUBEBUILDER_ASSETS", "not set")
        raise UnavailableError(
            f"{', '.join(sorted(missing))}: not in KUBEBUILDER_ASSETS ({assets}), not kept, and {reason}"
        )
    return files


def built(names: Collection[str], on_progress: OnProgress = ignore) -> dict[str, Path]:
    """Return all the files, after building the modules of those that are not kept."""
    missing = set(names) - kept(names).keys()
    if missing:
        build([family for family in FAMILIES if not missing.isdisjoint(family.files)], on_progress)
    return kept(names)
