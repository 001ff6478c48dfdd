"""How much is attacked: all of it with `make test-attack`, and a sample in `make test`."""

import os
import random
from typing import Final

from thorough import WHOLE

STEPS: Final = int(os.environ.get("STEPS") or (2000 if WHOLE else 10))
"""Steps of all walks together."""
SEED: Final = int(os.environ.get("SEED") or random.randrange(10**6))
"""What a sample is drawn by. Who finds a fault prints it, so that it can be drawn again."""
