"""Which slot a node's name is that of: the name was given once, and nobody can change it, unlike labels."""

from collections.abc import Mapping

from aifactory.api import names
from aifactory.decide.model.layout import Group, Layout
from aifactory.decide.model.world import Node, Slot


def slot_named(node: Node, layouts: Mapping[str, Layout]) -> Slot | None:
    """The slot that bears the node's name; None where no factory here has one.

    A node of ours keeps its slot when the spec describes it no more. A stranger has none then.
    """
    layout = layouts.get(node.name.partition(".")[0])
    if layout is None:
        return None
    if parts := names.read_node_name(node.name):
        slot = Slot(*parts)
        return slot if node.ours or _describes(layout, slot) else None
    if node.stamp and (slot := node.stamp.slot._replace(factory=layout.factory)).node_name == node.name:
        return slot
    return _search(node.name, layout)


def _describes(layout: Layout, slot: Slot) -> bool:
    number = layout.by_slot.get((slot.path, slot.system))
    if number is None:
        return False
    group = layout.groups[number]
    whole = group.system.unit == "Rack"
    return group.has(slot.rack, 0 if whole else slot.slot) and slot.slot <= _nodes_of_rack(group)


def _nodes_of_rack(group: Group) -> int:
    return group.system.nodes_per_rack if group.system.unit == "Rack" else group.nodes_per_rack


def _search(name: str, layout: Layout) -> Slot | None:
    """A shortened name is only found by giving every slot its name that could have it."""
    if not names.may_name_a_slot(name):
        return None
    for group in layout.groups:
        path, system = layout.instances[group.instance].path, group.system.name
        if not names.may_be_shortened(name, layout.factory, path, system):
            continue
        for rack in range(1, group.racks + 1):
            for number in range(1, _nodes_of_rack(group) + 1):
                slot = Slot(layout.factory, path, system, rack, number)
                if slot.node_name == name:
                    return slot
    return None
