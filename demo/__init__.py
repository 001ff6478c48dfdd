"""The demo: a 5-GW fleet planned on paper, and half a year of real tenants on a real control plane."""

import sys
from pathlib import Path

# The control plane and the recorder are the tests' own.
sys.path.append(str(Path(__file__).parents[1] / "tests"))
