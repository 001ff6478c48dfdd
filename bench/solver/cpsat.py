"""CP-SAT in a process of its own, fed with plain arrays: `python -m bench.solver.cpsat`.

OR-Tools holds a copy of HiGHS whose symbols clash with those of highspy in one process.
"""

import pickle
import sys

from ortools.sat.python import cp_model


def main() -> None:
    """Read a pickled (arrays, seconds, workers) from standard input, write the columns' values or None."""
    (upper, start, index, value, lower_rows, upper_rows, weights), seconds, workers = pickle.load(
        sys.stdin.buffer
    )
    made = cp_model.CpModel()
    columns = [made.new_int_var(0, int(top), "") for top in upper]
    for row, (lower, most) in enumerate(zip(lower_rows.tolist(), upper_rows.tolist(), strict=True)):
        at = slice(int(start[row]), int(start[row + 1]))
        terms = [columns[c] for c in index[at]]
        expression = cp_model.LinearExpr.weighted_sum(terms, value[at].tolist())
        made.add_linear_expression_in_domain(expression, cp_model.Domain(lower, most))
    made.maximize(cp_model.LinearExpr.weighted_sum(columns, weights.tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = workers
    found = solver.solve(made) in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    pickle.dump([solver.value(column) for column in columns] if found else None, sys.stdout.buffer)


if __name__ == "__main__":
    main()
