"""Shadow prices, as people and statuses have them."""

from decimal import Context
from typing import Any, Final

from aifactory.decide.case import Case
from aifactory.decide.plan import FactoryPrices
from aifactory_solver import ShadowPrices

_MEGAWATT: Final = 1_000_000
_LISTED: Final = 16  # domains in a status


def prices_status(prices: FactoryPrices) -> dict[str, Any]:
    """status.prices: the dearest limits only."""
    return {
        "highestPriority": prices.highest,
        "lowestPriority": prices.lowest,
        "domains": [{"domain": d, "gpusPerMegawatt": gpus} for d, gpus in prices.domains[:_LISTED]],
        "systems": [{"system": s, "gpusPerUnit": gpus} for s, gpus in prices.systems],
    }


def factory_prices(case: Case, prices: ShadowPrices | None) -> dict[str, FactoryPrices]:
    """The prices of each factory that has any."""
    if prices is None:
        return {}
    found = {}
    for f, (name, layout) in enumerate(case.layouts.items()):
        first = case.first_domain[name]
        domains = {
            it.name: float(prices.watt[first + i]) * _MEGAWATT for i, it in enumerate(layout.instances)
        }
        systems: dict[str, float] = {}
        for s, (system, _) in enumerate(case.systems):
            systems[system] = max(systems.get(system, 0.0), float(prices.unit[f, s]))
        if any(domains.values()) or any(systems.values()):
            found[name] = FactoryPrices(prices.highest, prices.lowest, _dearest(domains), _dearest(systems))
    return found


def _dearest(prices: dict[str, float]) -> tuple[tuple[str, str], ...]:
    """Those that are not 0, rounded to three digits; ties as they were given."""
    context = Context(prec=3)
    rounded = {name: context.create_decimal_from_float(price) for name, price in prices.items() if price}
    ordered = sorted(rounded, key=lambda name: -rounded[name])
    return tuple((name, f"{rounded[name].normalize(context):f}") for name in ordered)
