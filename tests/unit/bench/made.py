"""The benchmark's instances, each made once for all tests."""

from functools import cache

from bench.solver import instances

first_plan = cache(instances.first_plan)
running_fleet = cache(instances.running_fleet)
