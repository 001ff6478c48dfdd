"""The relaxation of a first plan as an MPS file, for any other code: `python -m bench.solver.mps FILE`.

It is the merged program with all columns that any pool could use, bands as five weights (256, 64, 16, 4, 1):
what `aifactory_solver.relax.simplex` solves by generating columns. MPS has no common way to say "maximise",
so the objective is turned: the optimum is minus what is served. By itself that optimum proves nothing, for
pools that round up to whole units differently are merged at their mean; what is proved is printed beside it.
"""

import argparse
from pathlib import Path

import highspy
import numpy as np

from aifactory_solver.bands import bands
from aifactory_solver.problem import Problem
from aifactory_solver.question import ask
from aifactory_solver.relax.bound import Bound, Scenarios
from aifactory_solver.relax.engine import aim_at_all
from aifactory_solver.relax.relaxation import Relaxation, relax
from aifactory_solver.relax.simplex import linear_program, simplex
from aifactory_solver.strict.forest import Forest
from aifactory_solver.strict.plain import solve
from bench.solver.cases import FIRST, GENERATED, REAL, Named, case
from bench.solver.events import EVENTS
from bench.solver.instances import PROFILES, SCALES


def main() -> None:
    """Write one instance's program, and print what our own prices prove about it."""
    parser = argparse.ArgumentParser(prog="python -m bench.solver.mps", description=main.__doc__)
    parser.add_argument("file", type=Path, help="such as l.mps")
    parser.add_argument("--scale", choices=tuple(SCALES), default="S")
    parser.add_argument("--profile", choices=(*PROFILES, *GENERATED, *REAL), default="many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--event", choices=(FIRST, *EVENTS), default=FIRST)
    options = parser.parse_args()
    named = Named(options.scale, options.profile, options.seed, options.event)
    relaxation = relaxed(case(named).problem)
    write(relaxation, options.file)
    best, bound = proved(relaxation)
    print(f"{named}: {options.file}")
    print(f"its optimum by our simplex: {-best:.10g}")
    print(f"no plan is below: {-bound:.10g} (our bound from these prices, pool by pool)")


def relaxed(problem: Problem) -> Relaxation:
    """The relaxation of all that may be placed anew, in its bands."""
    question = ask(problem, solve(problem))
    return relax(question, bands(problem)[question.pools], Forest(problem, np))


def write(relaxation: Relaxation, file: Path) -> None:
    """Write the program. Raises OSError where that cannot be."""
    aim = aim_at_all(relaxation.bands)
    program = linear_program(relaxation, aim, relaxation.demands.may_use)
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    highs.setOptionValue("output_flag", False)
    program.sense_ = highspy.ObjSense.kMinimize
    program.col_cost_ = -np.asarray(program.col_cost_)
    highs.passModel(program)
    # No band has a floor: their rows, and the columns that a floor is missed by, come last and bind nothing.
    columns, rows = program.num_col_ - relaxation.bands, program.num_row_ - relaxation.bands
    last = np.arange(relaxation.bands, dtype=np.int32)
    highs.deleteCols(relaxation.bands, columns + last)
    highs.deleteRows(relaxation.bands, rows + last)
    if highs.writeModel(str(file)) == highspy.HighsStatus.kError or not file.exists():
        raise OSError(f"cannot write {file}")


def proved(relaxation: Relaxation) -> tuple[float, float]:
    """The optimum by `simplex`, and the bound that its prices prove: both as GPUs served, weighted."""
    aim = aim_at_all(relaxation.bands)
    found = simplex(relaxation, aim)
    worth = aim.weight[relaxation.demands.band][:, None] * relaxation.gain
    scenario = Scenarios(relaxation.slots, relaxation.limit, aim.weight, aim.floor)
    return float((worth * found.targets).sum()), float(Bound(relaxation, np)(found.prices, scenario))


if __name__ == "__main__":
    main()
