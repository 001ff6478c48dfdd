"""Shadow prices, as people and statuses have them."""

from decimal import Context
from typing import Any, Final

import numpy as np

from aifactory.api.base import bound
from aifactory.api.factory_status import PricesStatus
from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import FactoryPrices
from aifactory_solver import ShadowPrices

_MEGAWATT: Final = 1_000_000


def prices_status(prices: FactoryPrices) -> dict[str, Any]:
    """status.prices: the dearest limits only."""
    domains = prices.domains[: bound(PricesStatus, "domains")]
    systems = prices.systems[: bound(PricesStatus, "systems")]
    return {
        "highestPriority": prices.highest,
        "lowestPriority": prices.lowest,
        "domains": [{"domain": domain, "gpusPerMegawatt": gpus} for domain, gpus in domains],
        "systems": [{"system": system, "gpusPerUnit": gpus} for system, gpus in systems],
    }


def factory_prices(case: Case, prices: ShadowPrices | None) -> dict[str, FactoryPrices]:
    """The prices of each factory that has any."""
    if prices is None or prices.serves_watt is None or prices.serves_unit is None:
        return {}
    # What was tried and brings nobody in is worth nothing to anybody, whatever a relaxation makes of it.
    watt = np.where(prices.serves_watt, prices.watt, 0.0)
    unit = np.where(prices.serves_unit, prices.unit, 0.0)
    found = {}
    for f, (name, layout) in enumerate(case.layouts.items()):
        first = case.first_domain[name]
        domains = {it.name: float(watt[first + i]) * _MEGAWATT for i, it in enumerate(layout.instances)}
        systems: dict[str, float] = {}
        for s, (system, _) in enumerate(case.systems):
            systems[system] = max(systems.get(system, 0.0), float(unit[f, s]))
        if any(domains.values()) or any(systems.values()):
            found[name] = FactoryPrices(prices.highest, prices.lowest, _dearest(domains), _dearest(systems))
    return found


def _dearest(prices: dict[str, float]) -> tuple[tuple[str, str], ...]:
    """Those that are not 0, rounded to three digits; ties as they were given."""
    context = Context(prec=3)
    rounded = {name: context.create_decimal_from_float(price) for name, price in prices.items() if price}
    ordered = sorted(rounded, key=lambda name: -rounded[name])
    return tuple((name, f"{rounded[name].normalize(context):f}") for name in ordered)
