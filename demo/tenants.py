"""The tenants of Venus, day by day, as they were."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).with_name("data") / "venus_gpu_number.csv"


@dataclass(frozen=True)
class Day:
    """One day: how many GPUs each tenant had."""

    number: int  # from 1
    date: date
    gpus: Mapping[str, int]

    @property
    def total(self) -> int:
        """GPUs of all tenants."""
        return sum(self.gpus.values())


def read_days(path: Path = DATA) -> list[Day]:
    """All days, in order. Raises ValueError where a total is not that of its tenants."""
    days = []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=1):
            when, total = date.fromisoformat(row.pop("date")), int(row.pop("total"))
            day = Day(number, when, {tenant: int(gpus) for tenant, gpus in row.items()})
            if day.total != total:
                raise ValueError(f"{path.name}, {when}: {day.total} GPUs in all, the file says {total}")
            days.append(day)
    return days


def namespace_of(tenant: str) -> str:
    """The namespace of a tenant: names there have no capitals."""
    return tenant.lower()


def changes(days: Sequence[Day]) -> dict[int, dict[str, tuple[int, int]]]:
    """For each day on which something changed: the tenants, with their GPUs before and after."""
    found = {}
    for before, day in pairwise(days):
        differ = {
            tenant: (before.gpus[tenant], gpus)
            for tenant, gpus in day.gpus.items()
            if gpus != before.gpus[tenant]
        }
        if differ:
            found[day.number] = differ
    return found
