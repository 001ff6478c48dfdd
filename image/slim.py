"""What the image leaves out of the installed packages. Run by the interpreter of the image's environment.

It loads all that the operator loads, and then:

- takes away the generated models and calls of the Kubernetes client that nothing has loaded: some 1,700
  files, 70 MB. The operator speaks to the API by the client's connection and reads plain JSON;
- takes away packages' own tests;
- compiles what was loaded, so that a start on a read-only root need not. Compiled files carry a hash of
  their source in place of its time, so that two builds are equal.
"""

import importlib
import pkgutil
import py_compile
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

PACKAGES: Final = ("aifactory", "aifactory_solver")
GENERATED: Final = ("kubernetes/client", "kubernetes/aio/client")
PARTS: Final = ("api", "models")


def main() -> None:
    """Slim the environment that this runs in."""
    site = Path(sysconfig.get_path("purelib"))
    for package in PACKAGES:
        _load(package)
    loaded = {Path(file).resolve() for module in list(sys.modules.values()) if (file := _source(module))}
    for folder in GENERATED:
        for part in PARTS:
            for path in (site / folder / part).glob("*.py"):
                if path.resolve() not in loaded:
                    path.unlink()
    for tests in [*site.glob("*/tests"), *site.glob("*/*/tests")]:
        shutil.rmtree(tests)
    for path in sorted(loaded):
        if path.is_relative_to(site):
            py_compile.compile(
                str(path), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
            )
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"{site}: {size / 1e6:.0f} MB, {len(loaded)} modules are loaded")


def _load(package: str) -> None:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


def _source(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") else None


if __name__ == "__main__":
    main()
