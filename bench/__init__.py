"""Measures the decision on generated fleets: `python -m bench`."""
