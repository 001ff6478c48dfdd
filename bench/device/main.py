"""The command line and the report of `python bench/gpu.py`."""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bench.arrays import SCALES, instance
from bench.device import checks, jobs, kernels
from bench.device.place import Asked, numpy_place, place

FILE = Path(__file__).parents[2] / "docs" / "benchmarks" / "gpu.json"


def main() -> None:
    """Check and measure; print Markdown. With --write, write docs/benchmarks/gpu.json too."""
    parser = argparse.ArgumentParser(prog="python bench/gpu.py", description=main.__doc__)
    parser.add_argument("--on", choices=("cupy", "numpy"), default="cupy", help="numpy: try it without a GPU")
    parser.add_argument("--scale", choices=tuple(SCALES), default="L", help="of what is timed; default: L")
    parser.add_argument("--worlds", type=int, default=20, help="that are checked; default: 20")
    parser.add_argument("--batches", default="1,8,64,512", help="scenarios at once; default: 1,8,64,512")
    parser.add_argument("--patience", type=float, default=300, help="seconds for a bound; default: 300")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/gpu.json")
    options = parser.parse_args()
    try:
        where = place(options.on)
    except ValueError as error:
        sys.exit(str(error))
    found = checks.checked(where, options.worlds)
    _print(_HEAD.format(line=where.line, cpu=numpy_place().line, scale=options.scale), _checks(found))
    asked = Asked.of(instance(options.scale, 1))
    lines = kernels.measured(where, asked, [int(batch) for batch in options.batches.split(",")])
    _print(_KERNELS.format(**_sizes(asked), speed=kernels.bandwidth(where) / 1e9), _kernels(lines))
    done = jobs.measured(where, asked, options.patience)
    _print(_JOBS.format(scale=options.scale), _jobs(done, options.patience))
    if options.write:
        content = {
            "device": where.line,
            "cpu": numpy_place().line,
            "scale": options.scale,
            "checks": {what: [sum(holds), len(holds)] for what, holds in found.items()},
            "kernels": [asdict(line) for line in lines],
            "jobs": [asdict(line) for line in done],
        }
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if not all(all(holds) for holds in found.values()):
        sys.exit("something is not as it has to be")


_HEAD = """\
# Array work on a device

Device: {line}. CPU: {cpu}. Instances: `bench/arrays.py`, made of plain arrays; timed at {scale}.

## Correct?
"""

_KERNELS = """
## An iteration of PDHG

{demands:,} demands, {offers} offers. A look at the bound every 40 iterations is part of the time. *share*: of
the bandwidth of a copy ({speed:,.0f} GB/s measured on the device) that the least traffic of an iteration
takes, which is seven passes over what demands may use; above 100 % it comes from a cache.
"""

_JOBS = """
## Jobs at {scale}

Times with everything compiled, and with what is copied to the device and back. *above*: the bound against
that of an optimum's prices.
"""


def _sizes(asked: Asked) -> dict[str, int]:
    return {"demands": asked.relaxation.demands.count, "offers": asked.relaxation.offers.count}


def _checks(found: checks.Checks) -> Iterable[str]:
    yield "| what | holds in |"
    yield "|---|--:|"
    for what, holds in found.items():
        yield f"| {what} | {sum(holds)} of {len(holds)} |"


def _kernels(lines: list[kernels.Line]) -> Iterable[str]:
    yield "| on | version | scenarios | an iteration | one scenario's | share |"
    yield "|---|---|--:|--:|--:|--:|"
    for line in lines:
        cells = [line.where, line.version, str(line.batch)]
        if line.microseconds is None or line.share is None:
            cells += ["too little memory", "-", "-"]
        else:
            each = line.microseconds / line.batch
            cells += [f"{line.microseconds:,.1f} us", f"{each:,.2f} us", f"{line.share:.1%}"]
        yield f"| {' | '.join(cells)} |"


def _jobs(lines: list[jobs.Line], patience: float) -> Iterable[str]:
    yield "| job | by | time | |"
    yield "|---|---|--:|---|"
    for line in lines:
        took = f"> {patience:g} s" if line.seconds is None else f"{line.seconds:,.3f} s"
        yield f"| {line.job} | {line.means} | {took} | {line.note} |"


def _print(head: str, table: Iterable[str]) -> None:
    print(head)
    print("\n".join(table), flush=True)
