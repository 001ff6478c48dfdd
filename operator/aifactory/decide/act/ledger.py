"""Power as it is observed, domain by domain: what may be ordered now."""

from aifactory.decide.model.case import Case


class Ledger:
    """Committed watts of every domain. An order is booked before it is made; a release only once it is seen.

    Domains are numbered as in the case's problem.
    """

    def __init__(self, case: Case) -> None:
        problem = case.problem
        self.limit = problem.limit
        self.parent = problem.parent
        self.committed = case.committed.copy()

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
