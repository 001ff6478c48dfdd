"""Many scenarios at once, on any array namespace: what fits, placing in waves, and the loss of one domain."""

from aifactory_solver.batch.lose_one import Loss, lose_one
from aifactory_solver.batch.rooms import Fleet, Rooms
from aifactory_solver.batch.standing import carried_out
from aifactory_solver.batch.waves import Placed, place
from aifactory_solver.batch.would_fit import would_fit

__all__ = ["Fleet", "Loss", "Placed", "Rooms", "carried_out", "lose_one", "place", "would_fit"]
