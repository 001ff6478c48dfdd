"""Keeps every change of factories, pools and nodes, and proves from that history alone what was promised."""

from .history import Event, History
from .objects import NodeSeen, Resource
from .proof import prove
from .recorder import Recorder
from .series import GpuSample, PowerSample, Series
from .verdict import Peak, Shed, Verdict, Violation

__all__ = [
    "Event",
    "GpuSample",
    "History",
    "NodeSeen",
    "Peak",
    "PowerSample",
    "Recorder",
    "Resource",
    "Series",
    "Shed",
    "Verdict",
    "Violation",
    "prove",
]
