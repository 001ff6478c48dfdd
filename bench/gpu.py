"""What the solver's array work does on a GPU, beside the CPUs of the same machine: `python bench/gpu.py`.

Needs this repository, and Python with NumPy and CuPy; nothing has to be installed. Where highspy is there,
HiGHS is measured too. Instances are those of `bench/arrays.py`, since an image need not have what reads
resources. `--on numpy` runs all of it without a GPU, to try the program itself.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[1]
    sys.path[:1] = [str(root), str(root / "solver")]  # in place of this folder
    from bench.device.absent import stand_in

    stand_in()
    from bench.device.main import main

    main()
