"""What energy costs: the power that a factory plans by, all day, at the meter."""

from fractions import Fraction
from typing import Any

from aifactory.api.factory import AIFactorySpec
from aifactory.decide.phrases import tally


def per_day(spec: AIFactorySpec, watts: int) -> tuple[Fraction, Fraction]:
    """(money, grams of CO2) a day of so many IT watts with their overhead, at the meter and at peak load."""
    if spec.energy is None:
        return Fraction(0), Fraction(0)
    kwh = watts * (spec.power.peak_pue or Fraction(1)) * 24 / 1000
    return kwh * spec.energy.price_per_mwh / 1000, kwh * spec.energy.carbon_grams_per_kwh


def energy_status(spec: AIFactorySpec, watts: int) -> dict[str, Any]:
    """status.energy of a factory whose plan has so many watts; empty where neither figure is given."""
    money, grams = per_day(spec, watts)
    found: dict[str, Any] = {}
    if spec.energy is not None and spec.energy.price_per_mwh:
        found["costPerDay"] = f"{round(money * 100) // 100}.{round(money * 100) % 100:02}"
    if spec.energy is not None and spec.energy.carbon_grams_per_kwh:
        found["carbonKilogramsPerDay"] = tally(round(grams / 1000))
    return found
