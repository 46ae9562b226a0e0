"""Toxiproxy's container, as a Network wants its proxy server."""

from __future__ import annotations

from typing import Final

from nodes.cluster.node_container import NodeContainer

API_PORT: Final = 8474


class ToxiproxyContainer:
    """Implements RunningProxy of nodes/cluster/network.py."""

    def __init__(self, container: NodeContainer) -> None:
        self.container = container

    @property
    def address(self) -> str:
        """Of its API, on loopback."""
        return f"127.0.0.1:{self.container.ports[API_PORT]}"

    def alive(self) -> bool:
        """Whether the container runs."""
        return self.container.is_running

    def why_silent(self) -> str | None:
        """How the container ended, or what is wrong with the engine; None when all seems well."""
        if self.container.trouble is not None:
            return self.container.trouble
        return None if self.alive() else f"Toxiproxy's container {self.container.epitaph()}"
