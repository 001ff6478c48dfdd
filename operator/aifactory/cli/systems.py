"""`aifactory systems`: the built-in catalogue."""

from rich.table import Table

from aifactory.api.catalogue import catalogue
from aifactory.api.quantity import show_power
from aifactory.cli.tables import open_console


def systems() -> None:
    """Print the accelerator systems that the operator knows."""
    table = Table(box=None, header_style="bold")
    for title, justify in (
        ("SYSTEM", "left"),
        ("VENDOR", "left"),
        ("UNIT", "left"),
        ("NODES/UNIT", "right"),
        ("GPUS/UNIT", "right"),
        ("MAX POWER/UNIT", "right"),
        ("RESOURCE", "left"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for system in catalogue().values():
        power = "not published" if system.max_watts is None else show_power(int(system.max_watts))
        table.add_row(
            system.name,
            system.vendor,
            system.unit,
            str(system.nodes_per_unit),
            str(system.gpus_per_unit),
            power,
            system.resource_name,
        )
    open_console().print(table)
