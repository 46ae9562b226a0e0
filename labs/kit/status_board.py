"""What `lab status` shows: asked of the nodes when somebody looks, and only then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labs.kit.lab import Lab
from labs.kit.runtime import ManagedCluster
from labs.kit.views import view_to_json
from nodes.cluster.api import NodeState
from nodes.cluster.targets import RoleClaim

VIEW_PATIENCE_S = 1.0
FRESH_S = 0.15  # several watchers within this time share one look


@dataclass(slots=True)
class Sighting:
    """What is known about one node. Moments are in milliseconds since the session began."""

    state: NodeState
    since_ms: int
    answers: bool = True
    silent_since_ms: int | None = None
    view: Mapping[str, Any] | None = None
    host: Mapping[str, Any] | None = None


class StatusBoard:
    """The cluster as it was last seen. `look` is cheap to call often."""

    def __init__(self, lab: Lab, cluster: ManagedCluster) -> None:
        self._lab = lab
        self._cluster = cluster
        self._nodes = {node: Sighting(NodeState.DOWN, 0) for node in cluster.nodes}
        self._links: list[Mapping[str, Any]] = []
        self._network_error: str | None = None
        self._looked_at_s = 0.0
        self._changes: list[tuple[str, NodeState, NodeState]] = []
        self._looking: asyncio.Task[None] | None = None
        self.leader: str | None = None

    def notice(self) -> None:
        """Compares the nodes' states with what was known, without asking any node."""
        for node, sighting in self._nodes.items():
            state = self._cluster.node_state(node)
            if state is not sighting.state:
                self._changes.append((node, sighting.state, state))
                self._nodes[node] = Sighting(state, self._cluster.now_ms())

    def take_changes(self) -> list[tuple[str, NodeState, NodeState]]:
        """Node, state before and state after, for every change noticed since the last call."""
        self.notice()
        changes, self._changes = self._changes, []
        return changes

    def states(self) -> dict[str, NodeState]:
        """What the nodes were when last noticed."""
        return {node: sighting.state for node, sighting in self._nodes.items()}

    def forget(self) -> None:
        """What was seen so far is old news: the next `look` asks again."""
        self._looked_at_s = 0.0

    async def look(self, fresh_s: float = FRESH_S) -> None:
        """Asks all nodes that are up for their views, unless that was done `fresh_s` ago."""
        under_way = self._looking is not None and not self._looking.done()
        if not under_way and time.monotonic() - self._looked_at_s < fresh_s:
            return
        is_old_news = True
        while is_old_news:
            if self._looking is None or self._looking.done():
                self._looked_at_s = time.monotonic()
                self._looking = asyncio.create_task(self._look())
            # A watcher that goes away must not take the look away from the others.
            await asyncio.shield(self._looking)
            is_old_news = self._looked_at_s == 0.0

    async def _look(self) -> None:
        self.notice()
        await asyncio.gather(self._look_at_links(), *map(self._look_at, self._nodes))
        self.leader = self._lab.leader(self.views())

    async def _look_at(self, node: str) -> None:
        sighting = self._nodes[node]
        if sighting.state is not NodeState.UP:
            sighting.view = sighting.host = None
            return
        asked_at_ms = self._cluster.now_ms()
        try:
            async with asyncio.timeout(VIEW_PATIENCE_S):
                found = await self._cluster.both_views(node)
        except TimeoutError:
            found = None
        if found is None:
            if sighting.answers:
                sighting.answers, sighting.silent_since_ms = False, asked_at_ms
            return
        sighting.answers, sighting.silent_since_ms = True, None
        sighting.view, sighting.host = map(view_to_json, found)

    async def _look_at_links(self) -> None:
        try:
            async with asyncio.timeout(VIEW_PATIENCE_S):
                self._links = list(await self._cluster.links())
            self._network_error = None
        except TimeoutError:
            self._network_error = "the proxy does not answer"
        except Exception as error:
            # Status must show what is wrong, whatever it is.
            self._network_error = str(error) or type(error).__name__

    def views(self) -> dict[str, Mapping[str, Any]]:
        """The views of the nodes that are up and answered the last look."""
        return {
            node: sighting.view
            for node, sighting in self._nodes.items()
            if sighting.view is not None and sighting.answers
        }

    def role_claims(self) -> dict[str, RoleClaim]:
        """What each answering node believes it is."""
        return {
            node: RoleClaim(self._lab.role_of(view), int(view.get("term", 0)))
            for node, view in self.views().items()
        }

    def ready(self) -> bool:
        """Whether the lab can serve, by the lab's own rule."""
        return self._lab.ready(self.views(), tuple(self._nodes))

    def lagging(self, then: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
        """Nodes that have yet to learn what was committed in the views of `then`."""
        return self._lab.lagging(then, self.views(), tuple(self._nodes))

    def to_json(self) -> dict[str, Any]:
        """The part of `lab status --json` that is about the cluster."""
        return {
            "leader": self.leader,
            "ready": self.ready(),
            "nodes": [self._node_json(node) for node in self._nodes],
            "links": list(self._links),
            "network_error": self._network_error,
            "faults": [dict(fault) for fault in self._cluster.faults.active()],
            "now_ms": self._cluster.now_ms(),
        }

    def _node_json(self, node: str) -> dict[str, Any]:
        sighting = self._nodes[node]
        role = self._lab.role_of(sighting.view) if sighting.view is not None else None
        return {
            "id": node,
            "state": str(sighting.state),
            "since_ms": sighting.since_ms,
            "answers": sighting.answers and sighting.view is not None,
            "silent_since_ms": sighting.silent_since_ms,
            "role": role,
            "view": sighting.view,
            "host": sighting.host,
        }
