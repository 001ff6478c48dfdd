"""`python -m image.sbom FILE`: what is in the image, as CycloneDX: Debian's packages and Python's."""

import json
import sys
import uuid
from pathlib import Path
from typing import Final

from controlplane.cache import temporary_folder

from .build import Image, build
from .tools import UnavailableError, run

NAME: Final = "aifactory-operator"


def write_sbom(image: Image, out: Path) -> None:
    """Write what is in the image. The same image gives the same file."""
    with image.mounted() as root, temporary_folder("sbom") as folder:
        debian, python, both = (folder / f"{name}.cdx.json" for name in ("debian", "python", "both"))
        cdx = ("--sbom-type=cdx", "--timestamp=1970-01-01T00:00:00Z")
        base = ("--distro-name=debian", f"--root={root}", f"--out={debian}")
        run([_tool("debsbom"), "generate", *cdx, *base])
        # The image's own interpreter cannot run out here; its search path is all that is asked of it.
        (packages,) = (root / "opt" / "aifactory" / "lib").glob("python3.*/site-packages")
        interpreter = folder / "python"
        interpreter.write_text(f"#!/bin/sh\necho '{json.dumps([str(packages)])}'\n")
        interpreter.chmod(0o755)
        # Named like nothing in it: a merge leaves out what it takes for the root of a part.
        project = folder / "pyproject.toml"
        project.write_text('[project]\nname = "python-environment"\nversion = "0"\n')
        told = (f"--pyproject={project}", "--output-reproducible", f"--output-file={python}")
        run([_tool("cyclonedx-py"), "environment", *told, str(interpreter)], SOURCE_DATE_EPOCH="0")
        number = uuid.uuid5(uuid.NAMESPACE_OID, " ".join(image.layers))
        of = (
            f"--distro-name={NAME}",
            f"--cdx-serialnumber={number}",
            f"--distro-version={image.layers[-1]}",
        )
        run([_tool("debsbom"), "merge", *cdx, *of, f"--out={both}", str(debian), str(python)])
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(both.read_text())


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    try:
        write_sbom(build(lambda line: print(line, file=sys.stderr)), target)
    except UnavailableError as error:
        sys.exit(f"NO SBOM CAN BE WRITTEN: {error}")
    components = json.loads(target.read_text())["components"]
    print(f"{target}: {len(components)} components")
