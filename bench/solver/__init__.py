"""Measures the placement solver on hard instances, beside its peers: `python -m bench.solver`."""
