"""What a node's container runs: `python -m nodes.host.container`.

A conductor mounts the node's config as a file. Without one, as in `docker compose up` by hand, the
environment says which node this is:

    FAULTLAB_NODE      n1 to n7
    FAULTLAB_NODES     how many there are: n1 to that one
    FAULTLAB_LAB, FAULTLAB_CORE, FAULTLAB_PROTOS (separated by commas)
    FAULTLAB_SETTINGS  the lab's settings, as in `heartbeat_ms=100 pre_vote=on`
    FAULTLAB_SESSION   by which the nodes know each other and their clients
    FAULTLAB_TOKEN     for the control service; a secret nobody knows when it is missing

Every node listens on a port of its own network. Its links begin at Toxiproxy, which is on all of
these networks, and on no network are two nodes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nodes.core import NodeId
from nodes.lean import without_openssl

CLIENT: Final = "client"
NODES_MAX: Final = 7
NODE_PORT: Final = 7000
LINK_PORT_BASE: Final = 20_000  # below the ports that the kernel takes for outgoing connections
PROXY_HOST: Final = "toxiproxy"
CONFIG_FILE: Final = Path("/lab/config/node.json")
DATA_FOLDER: Final = Path("/lab/data")
EVENTS_FOLDER: Final = Path("/lab/events")

_NODE = re.compile(r"n([1-9])")


def node_number(node: NodeId) -> int:
    """1 for n1. Raises ValueError for what is no node of a container."""
    found = _NODE.fullmatch(node)
    if found is None or int(found[1]) > NODES_MAX:
        raise ValueError(f"{node!r} is none of n1 to n{NODES_MAX}")
    return int(found[1])


def link_port(source: NodeId, target: NodeId) -> int:
    """Where Toxiproxy takes the connections of this link; clients are number 0."""
    number = 0 if source == CLIENT else node_number(source)
    return LINK_PORT_BASE + 10 * number + node_number(target)


def numbered_nodes(count: str) -> tuple[NodeId, ...]:
    """n1 to that one. Raises ValueError."""
    if not count.isascii() or not count.isdecimal() or not 1 <= int(count) <= NODES_MAX:
        raise ValueError(f"FAULTLAB_NODES is {count!r}, expected 1 to {NODES_MAX}")
    return tuple(f"n{number}" for number in range(1, int(count) + 1))


def config_from(environment: Mapping[str, str]) -> dict[str, Any]:
    """The config of a node without a conductor. Raises ValueError naming what is missing."""

    def said(name: str) -> str:
        value = environment.get(f"FAULTLAB_{name}", "")
        if not value:
            raise ValueError(f"FAULTLAB_{name} is not set; docker-compose.yml sets it")
        return value

    node, everyone = said("NODE"), numbered_nodes(said("NODES"))
    if node not in everyone:
        raise ValueError(
            f"{node} is none of the {len(everyone)} nodes that FAULTLAB_NODES asks for"
        )
    peers = [other for other in everyone if other != node]
    return {
        "node": node,
        "session": said("SESSION"),
        "token": environment.get("FAULTLAB_TOKEN") or secrets.token_urlsafe(32),
        "lab": said("LAB"),
        "core": said("CORE"),
        "protos": said("PROTOS").split(","),
        "peers": peers,
        "params": dict(map(_setting, said("SETTINGS").split())),
        "seed": secrets.randbits(63),
        "listen": f"0.0.0.0:{NODE_PORT}",
        "data": str(DATA_FOLDER),
        "events": None,
        "began_at_ms": time.time() * 1000,
        "links": {peer: f"{PROXY_HOST}:{link_port(node, peer)}" for peer in peers},
    }


def _setting(assignment: str) -> tuple[str, int | str]:
    name, sign, value = assignment.partition("=")
    if not (name and sign and value):
        raise ValueError(f"FAULTLAB_SETTINGS has {assignment!r}, expected NAME=VALUE")
    return name, int(value) if re.fullmatch(r"-?[0-9]+", value) else value


def on_own_clock(raw: dict[str, Any]) -> dict[str, Any]:
    """Where containers run in a virtual machine, monotonic time is not the conductor's: what both
    know is the time of day."""
    began_at_ms = raw.pop("began_at_ms", None)
    if isinstance(began_at_ms, int | float):
        raw["began_ms"] = (time.monotonic() - time.time()) * 1000 + began_at_ms
    return raw


def read() -> bytes:
    """This container's config. Raises ConfigError."""
    from nodes.host.config import ConfigError, read_json

    try:
        if CONFIG_FILE.exists():
            raw = dict(read_json(CONFIG_FILE.read_bytes(), str(CONFIG_FILE)))
        else:
            raw = config_from(os.environ)
    except (OSError, ValueError) as error:
        raise ConfigError(str(error)) from error
    return json.dumps(on_own_clock(raw)).encode()


def main() -> int:
    """Returns the exit status."""
    with without_openssl():
        import asyncio

        from nodes.host import program

    return asyncio.run(program.amain(read))


if __name__ == "__main__":
    sys.exit(main())
