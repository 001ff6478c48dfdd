"""What every solver of the relaxation is asked, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aifactory_solver.relax.bound import Prices
from aifactory_solver.relax.demand import Floats
from aifactory_solver.relax.relaxation import Relaxation

MISSED = 1000.0  # what a GPU that a floor lacks costs: far above what any can be worth in another band


@dataclass(frozen=True, eq=False)
class Aim:
    """What to maximise: GPUs served by band."""

    weight: Floats  # (bands,) of a GPU
    floor: Floats  # (bands,) GPUs that a band has to have, 0 for none


@dataclass(frozen=True, eq=False)
class Optimum:
    """An answer, on the host. Nobody has to trust it: bounds are recomputed, targets are only hints."""

    prices: Prices
    targets: Floats  # (D, U) units


Engine = Callable[[Relaxation, Aim], Optimum]


def aim_at_all(bands: int) -> Aim:
    """Every band, a GPU worth four of the band below: it says what is scarce, it is never the order."""
    return Aim(4.0 ** np.arange(bands - 1, -1, -1.0), np.zeros(bands))


def aim_at(band: int, floor: Floats) -> Aim:
    """One band, the bands above it served at least as well as ``floor`` (bands,) says."""
    weight, floors = np.zeros((2, floor.shape[0]))
    weight[band] = 1.0
    floors[:band] = floor[:band]
    return Aim(weight, floors)
