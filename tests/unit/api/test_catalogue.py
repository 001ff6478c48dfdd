"""The built-in systems load, and a factory's own ones go over them."""

import re

import pytest

from aifactory.api import names, quantity
from aifactory.api.catalogue import catalogue, read
from aifactory.api.reading import parse_factory
from aifactory.api.systems import systems_of
from unit.api.bad_objects import FACTORY, changed

HEADER = (
    "name,vendor,unit,nodesPerRack,gpusPerNode,devicesPerGpu,maxWatts,resourceName,"
    "labelKey,labelValue,confidence"
)
LINE = "mine,ACME,Node,4,8,1,10200,nvidia.com/gpu,nvidia.com/gpu.product,X,low"


def test_the_catalogue_loads() -> None:
    assert len(catalogue()) >= 20
    for name, system in catalogue().items():
        assert system.name == name
        assert re.fullmatch(names.DNS_LABEL, name)
        assert len(name) <= 40
        assert system.max_watts is None or 1000 <= system.max_watts <= quantity.parse("1M")
        assert set(system.node_labels) <= set(names.SYSTEM_KEYS), "a label that pools could set too"


def test_figures_that_the_documents_use() -> None:
    rack, node = catalogue()["gb200-nvl72"], catalogue()["hgx-h100"]
    assert (rack.unit, rack.nodes_per_unit, rack.gpus_per_unit) == ("Rack", 18, 72)
    assert rack.max_watts == 132_000
    assert (node.unit, node.nodes_per_unit, node.gpus_per_unit, node.nodes_per_rack) == ("Node", 1, 8, 4)
    assert node.max_watts == 10_200
    assert node.node_labels == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}


def test_packages_and_devices_are_counted_apart() -> None:
    system = catalogue()["mi250x"]
    assert (system.gpus_per_unit, system.devices_per_node) == (4, 8)


def test_a_system_without_a_published_figure_has_none() -> None:
    assert catalogue()["mi455x-helios"].max_watts is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (LINE.replace("Node", "node"), "'mine': unit is 'node', allowed are Node and Rack"),
        (LINE.replace(",8,", ",0,"), "at least 1"),
        (LINE.replace(",8,", ",x,"), "'mine'"),
        (LINE.replace("10200", "10.2 kW"), "found '10.2 kW'"),
        (LINE.replace("10200", "-1"), "more than 0"),
        (LINE.replace("low", "sure"), "high, medium and low"),
        (f"{LINE}\n{LINE}", "listed twice"),
    ],
)
def test_a_wrong_line_is_named(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read(f"{HEADER}\n{wrong}".splitlines())


def test_a_factory_adds_and_overrides() -> None:
    own = [
        {"name": "hgx-h100", "maxWatts": 8400, "nodeLabels": {"nvidia.com/gpu.machine": "X"}},
        {"name": "mi455x-helios", "maxWatts": "190k"},
        {"name": "mine", "unit": "Rack", "nodesPerRack": 8, "gpusPerNode": 4, "maxWatts": "90k",
         "resourceName": "example.com/gpu"},
        {"name": "hgx-h200", "unit": "Rack"},
    ]  # fmt: skip
    systems = systems_of(parse_factory(changed(FACTORY, {"spec.systems": own})).spec.systems)
    assert systems["hgx-h100"].max_watts == 8400
    assert systems["hgx-h100"].gpus_per_node == 8
    assert systems["hgx-h100"].node_labels == {"nvidia.com/gpu.machine": "X"}, "what is given replaces"
    assert systems["hgx-h200"].node_labels == catalogue()["hgx-h200"].node_labels, "and nothing else does"
    assert systems["mi455x-helios"].max_watts == 190_000
    assert systems["mine"].gpus_per_unit == 32
    assert systems["hgx-h200"].max_watts is None, "a node's figure says nothing of a rack"
    assert systems["gb200-nvl72"] is catalogue()["gb200-nvl72"]
