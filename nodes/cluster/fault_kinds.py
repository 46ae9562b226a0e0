"""Every fault by its name, and the dictionaries in which schedules write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, get_args

from nodes.cluster.fault_base import Fault, FaultRefused, Nodes, listed, nearest
from nodes.cluster.link_faults import (
    Bandwidth,
    Cut,
    Delay,
    Isolate,
    Limit,
    LinkFault,
    Partition,
    Reset,
    Sever,
    Slice,
    SlowClose,
)
from nodes.cluster.node_faults import (
    CallFault,
    CrashAt,
    Duplicate,
    Heal,
    Kill,
    Lose,
    NodeFault,
    Pause,
    PowerCut,
    Reorder,
    Restart,
    Resume,
    Skew,
    Which,
    Wipe,
)
from nodes.core import NodeId

__all__ = [
    "FAULTS",
    "Bandwidth",
    "CallFault",
    "CrashAt",
    "Cut",
    "Delay",
    "Duplicate",
    "Fault",
    "FaultRefused",
    "Heal",
    "Isolate",
    "Kill",
    "Limit",
    "LinkFault",
    "Lose",
    "NodeFault",
    "Nodes",
    "Partition",
    "Pause",
    "PowerCut",
    "Reorder",
    "Reset",
    "Restart",
    "Resume",
    "Sever",
    "Skew",
    "Slice",
    "SlowClose",
    "Which",
    "Wipe",
    "fault_from_dict",
    "listed",
    "nearest",
]


_CONCRETE: Final[tuple[type[Fault], ...]] = (
    *(Partition, Isolate, Cut, Sever, Delay, Bandwidth, Slice, SlowClose, Limit, Reset),
    *(Kill, Pause, Resume, Restart, Wipe, PowerCut, CrashAt, Skew, Lose, Duplicate, Reorder, Heal),
)
FAULTS: Final[Mapping[str, type[Fault]]] = {fault.kind: fault for fault in _CONCRETE}


def fault_from_dict(plain: Mapping[str, Any]) -> Fault:
    """A fault as schedules write it: `{"do": "partition", "groups": [["n1"], ["n2", "n3"]]}`.

    Raises FaultRefused for an unknown kind, an unknown or missing field, or a wrong type.
    """
    if not isinstance(plain, Mapping):
        raise FaultRefused(f"a fault is a mapping with the key `do`, not {plain!r}")
    kind = plain.get("do")
    if not isinstance(kind, str) or kind not in FAULTS:
        raise FaultRefused(f"unknown fault {kind!r}{nearest(str(kind), tuple(FAULTS))}")
    known = {field.name: field for field in fields(FAULTS[kind])}
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name == "do":
            continue
        if name not in known:
            raise FaultRefused(f"{kind} has no field {name!r}{nearest(str(name), tuple(known))}")
        try:
            values[name] = _CONVERTERS[str(known[name].type)](value)
        except (TypeError, ValueError) as error:
            raise FaultRefused(f"{kind}: {name} is {value!r}, but must be {error}") from None
    for name, field in known.items():
        if field.default is MISSING and name not in values:
            raise FaultRefused(f"{kind} lacks the field {name}")
    return FAULTS[kind](**values)


def _node(value: object) -> NodeId:
    if not isinstance(value, str) or not value:
        raise TypeError("the name of a node")
    return value


def _nodes(value: object) -> Nodes:
    if isinstance(value, str):
        return (_node(value),)
    if not isinstance(value, list | tuple):
        raise TypeError("a list of nodes")
    return tuple(_node(item) for item in value)


def _groups(value: object) -> tuple[Nodes, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError("a list of groups of nodes")
    return tuple(_nodes(item) for item in value)


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a word")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number")
    return float(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _which(value: object) -> object:
    if value not in get_args(Which):
        raise ValueError("requests, responses or both")
    return value


_CONVERTERS: Final[Mapping[str, Callable[[object], object]]] = {
    "NodeId": _node,
    "NodeId | None": lambda value: None if value is None else _node(value),
    "Nodes": _nodes,
    "tuple[Nodes, ...]": _groups,
    "str": _word,
    "int": _whole,
    "float": _number,
    "bool": _flag,
    "Which": _which,
}
