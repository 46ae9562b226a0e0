"""What a node must be told to start, and reading it without trusting it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nodes.core import NodeId, Param
from nodes.host.crash_points import CrashPoints

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_T = TypeVar("_T")


class ConfigError(Exception):
    """The start message is not usable. One line."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The first line of the start protocol; see nodes/host/program.py."""

    node: NodeId
    session: str
    token: str
    lab: str
    core: str
    protos: tuple[str, ...]
    peers: tuple[NodeId, ...]
    params: Mapping[str, Param]
    seed: int
    listen: str
    data: Path
    events: Path | None
    began_ms: float
    parent: int | None
    wiped: bool  # the node has been here before, and lost its disk
    crash_points: Mapping[str, int] = field(default_factory=dict)


def read_config(raw: Mapping[str, Any]) -> HostConfig:
    """Raises ConfigError naming the field."""
    node = _name(raw, "node")
    peers = _texts(raw, "peers")
    if node in peers or len(set(peers)) != len(peers) or not all(map(_NAME.fullmatch, peers)):
        raise ConfigError(f"peers of {node} are {list(peers)!r}: expected distinct other nodes")
    params = _field(raw, "params", dict)
    for name, value in params.items():
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ConfigError(f"setting {name} is {value!r}, expected a whole number or a word")
    events = raw.get("events")
    return HostConfig(
        node=node,
        session=_text(raw, "session"),
        token=_text(raw, "token"),
        lab=_name(raw, "lab"),
        core=_text(raw, "core"),
        protos=_texts(raw, "protos"),
        peers=peers,
        params=params,
        seed=_field(raw, "seed", int),
        listen=_text(raw, "listen"),
        data=Path(_text(raw, "data")),
        events=None if events is None else Path(_text(raw, "events")),
        began_ms=_number(raw, "began_ms"),
        parent=None if raw.get("parent") is None else _field(raw, "parent", int),
        wiped=raw.get("wiped") is True,
        crash_points=_crash_points(raw.get("crash_points", {})),
    )


def read_links(raw: Mapping[str, Any], peers: tuple[NodeId, ...]) -> Mapping[NodeId, str]:
    """Where each peer is reached. Raises ConfigError when one is missing or unknown."""
    links = _field(raw, "links", dict)
    if set(links) != set(peers):
        raise ConfigError(f"links lead to {sorted(links)}, expected exactly {sorted(peers)}")
    if not all(isinstance(address, str) and ":" in address for address in links.values()):
        raise ConfigError("every link must be an address as in 127.0.0.1:5000")
    return links


def read_json(line: bytes, what: str) -> Mapping[str, Any]:
    """Raises ConfigError unless it is one JSON object."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{what} is no JSON object")
    return found


def _crash_points(raw: object) -> Mapping[str, int]:
    if not isinstance(raw, dict) or not all(
        isinstance(after, int) and not isinstance(after, bool) and after >= 0
        for after in raw.values()
    ):
        raise ConfigError(f"field 'crash_points' is {raw!r:.80}, expected points and passes")
    try:
        CrashPoints(raw)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return raw


def _field(raw: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    value = raw.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ConfigError(f"field {name!r} is {value!r:.80}, expected {kind.__name__}")
    return value


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"field {name!r} is {value!r:.80}, expected a number")
    return float(value)


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = _field(raw, name, str)
    if not value:
        raise ConfigError(f"field {name!r} is empty")
    return value


def _name(raw: Mapping[str, Any], name: str) -> str:
    value = _text(raw, name)
    if not _NAME.fullmatch(value):
        raise ConfigError(f"{name} is {value!r:.80}, expected lower-case letters, digits, hyphens")
    return value


def _texts(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = _field(raw, name, list)
    if not all(isinstance(value, str) for value in values):
        raise ConfigError(f"field {name!r} is {values!r:.80}, expected a list of words")
    return tuple(values)
