"""Who gets what: the adopted plan, what a solver proposes, and the units by name."""
