"""The container image, built on this machine without a registry: `python -m image`.

build(on_progress) -> Image      # cached; raises UnavailableError where it cannot be built
"""

from .build import Image, build
from .tools import UnavailableError

__all__ = ["Image", "UnavailableError", "build"]
