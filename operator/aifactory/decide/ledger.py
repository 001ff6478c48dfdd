"""Power as it is observed, domain by domain: what may be ordered now."""

import numpy as np

from aifactory.decide.case import Case
from aifactory.decide.fleet import Unit


class Ledger:
    """Committed watts of every domain. An order is booked before it is made; a release only once it is seen.

    Domains are numbered as in the case's problem.
    """

    def __init__(self, case: Case) -> None:
        problem = case.problem
        self.limit = problem.limit
        self.parent = problem.parent
        self.committed = np.zeros(problem.domains, dtype=np.int64)
        for unit in case.fleet.units:
            self.book(self.domain_of(case, unit), unit.watts)
        for stray in case.fleet.strays:
            layout = case.layouts[stray.factory]
            self.book(case.first_domain[stray.factory] + layout.nearest(stray.path), stray.watts)

    @staticmethod
    def domain_of(case: Case, unit: Unit) -> int:
        """The domain that a unit hangs on; the nearest above it that is left where the spec dropped it."""
        return case.first_domain[unit.slot.factory] + case.layouts[unit.slot.factory].nearest(unit.slot.path)

    def chain(self, domain: int) -> list[int]:
        """The domain and all above it."""
        found = [domain]
        while self.parent[found[-1]] >= 0:
            found.append(int(self.parent[found[-1]]))
        return found

    def book(self, domain: int, watts: int) -> None:
        """Count watts in a domain and in all above it."""
        for d in self.chain(domain):
            self.committed[d] += watts

    def exceeded(self, domain: int) -> bool:
        """Whether the domain or one above it carries more than its limit."""
        return any(self.committed[d] > self.limit[d] for d in self.chain(domain))

    def order(self, wanted: list[tuple[int, int]]) -> bool:
        """Book units, given as (domain, watts), all or none; whether all of them are free as observed."""
        booked: list[tuple[int, int]] = []
        for domain, watts in wanted:
            if any(self.committed[d] + watts > self.limit[d] for d in self.chain(domain)):
                for past_domain, past_watts in booked:
                    self.book(past_domain, -past_watts)
                return False
            self.book(domain, watts)
            booked.append((domain, watts))
        return True
