"""`python -m image ARCHIVE`: build the image, write it to a file, and say how large it is."""

import sys
from pathlib import Path

from . import UnavailableError, build


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


target = Path(sys.argv[1])
try:
    made = build(_show)
    made.write(target)
except UnavailableError as error:
    sys.exit(f"THE IMAGE CANNOT BE BUILT: {error}")
print(f"{target}: {made.bytes / 1e6:.0f} MB unpacked, layers {', '.join(made.layers)}")
