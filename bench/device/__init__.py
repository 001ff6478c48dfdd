"""Correctness and speed of the array work on a device; run by `bench/gpu.py`."""
