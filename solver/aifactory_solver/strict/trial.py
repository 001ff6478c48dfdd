"""A room in which single limits and cells are made larger, to see what that would let in."""

from aifactory_solver.strict.space import Space

Amounts = dict[int, int]  # domain -> watts more, or cell -> slots more


class Trial(Space):
    """A room in which single limits and cells can be made larger."""

    def widen(self, domain: int, watts: int) -> None:
        """Let one domain carry so many watts more, those above it as many as before."""
        factory = self.layout.factory[domain]
        self.left[domain] += watts
        self._log.append(domain)
        self._now = self._last[factory] = self._now + 1
        if watts > 0:
            self._rise[factory] = self._now

    def extend(self, cell: int, slots: int) -> None:
        """Let one cell have so many slots more."""
        self.use(cell, -slots, 0)

    def change(self, watts: Amounts, slots: Amounts, sign: int) -> None:
        """Make many larger at once, or take that back."""
        for domain, more in watts.items():
            self.widen(domain, sign * more)
        for cell, more in slots.items():
            self.extend(cell, sign * more)
