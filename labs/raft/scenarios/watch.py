"""How a scenario sees a Raft cluster. Every look is checked as well.

Some facts of Raft hold for ever once they were seen: who leads a term, what the state is after so
many entries, that a term never goes back. So a scenario cannot look at a violation of them without
noticing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from labs.kit.check import Failed, expect, require
from nodes.cluster.api import Cluster, NodeState
from nodes.core import NodeId
from protos import raft_pb2 as pb

T = TypeVar("T")
Views = dict[NodeId, pb.RaftView]


class Watch:
    """Looks at a cluster, remembers what can never change, and waits for conditions."""

    def __init__(self, cluster: Cluster, *, patience: int = 20) -> None:
        self.cluster = cluster
        self.patience = patience  # in election timeouts
        number = cluster.params["election_timeout_ms_max"]
        assert isinstance(number, int)
        self.timeout_ms = number
        self._last: dict[NodeId, pb.RaftView] = {}
        self.leader_of: dict[int, NodeId] = {}  # by term
        self.digest_after: dict[int, tuple[int, NodeId]] = {}  # by index: of all applied so far
        self.terms = dict.fromkeys(cluster.nodes, 0)  # seen so long ago that they are on disk
        self._new_terms: dict[NodeId, tuple[int, int]] = {}  # and when each was seen first, in ms

    # --------------------------------------------------------------------------------------- looks

    async def view(self, node: NodeId) -> pb.RaftView | None:
        """What the node believes; None when it is down or does not answer."""
        view = await self.cluster.view(node)
        if view is None:
            return None
        assert isinstance(view, pb.RaftView)
        if view is not self._last.get(node):  # A simulated node shows the same until it steps.
            self._check(node, view)
            self._last[node] = view
        return view

    async def views(self, nodes: Iterable[NodeId] = ()) -> Views:
        """Of those that answer; of all nodes if none are named."""
        found = {}
        for node in tuple(nodes) or self.cluster.nodes:
            view = await self.view(node)
            if view is not None:
                found[node] = view
        return found

    async def seen(self, node: NodeId) -> pb.RaftView:
        """The view of a node that is up. Raises Failed when it does not answer."""
        view = await self.view(node)
        if view is None:
            raise Failed(f"{node} answers", f"{node} is {self.cluster.node_state(node)}")
        return view

    def _check(self, node: NodeId, view: pb.RaftView) -> None:
        self._check_term(node, view.term)
        if view.role == pb.LEADER:
            first = self.leader_of.setdefault(view.term, node)
            expect(first == node, "one leader a term", f"{first} and {node} lead {view.term}")
        expect(
            view.last_applied <= view.commit_index <= view.last_log_index,
            f"{node} applies what is committed, and commits what it holds",
            f"applied {view.last_applied}, committed {view.commit_index}, "
            f"last entry {view.last_log_index}",
        )
        digest, other = self.digest_after.setdefault(view.last_applied, (view.applied_digest, node))
        expect(
            digest == view.applied_digest,
            f"after {view.last_applied} entries every server is in the same state",
            f"{other} and {node} have applied different ones",
        )

    def _check_term(self, node: NodeId, term: int) -> None:
        """A view may be a moment ahead of the disk, so a term counts only after a while."""
        now_ms = self.cluster.now_ms()
        new_term, since_ms = self._new_terms.get(node, (0, now_ms))
        if now_ms - since_ms >= self.timeout_ms // 4:
            self.terms[node] = max(self.terms[node], new_term)
        if term != new_term:
            self._new_terms[node] = (term, now_ms)
        expect(
            term >= self.terms[node],
            f"the term of {node} never goes back, not even by a restart",
            f"term {self.terms[node]} and then {term}",
        )

    # --------------------------------------------------------------------------------------- waits

    async def wait(self, timeouts: float) -> None:
        """Lets so many election timeouts pass."""
        await self.cluster.sleep(int(timeouts * self.timeout_ms))

    async def until(
        self, what: str, holds: Callable[[Views], T | None], nodes: Iterable[NodeId] = ()
    ) -> T:
        """The first result of `holds` on the views that is neither None nor False, within so many
        election timeouts. Raises TimeoutError; who judges a check shows the last views."""
        named = tuple(nodes)

        async def look() -> T | None:
            return holds(await self.views(named))

        return await self.cluster.until(what, look, within_ms=self.patience * self.timeout_ms)

    async def leader(self, among: Iterable[NodeId] = (), *, after_term: int = 0) -> NodeId:
        """A leader that serves, of a term later than `after_term`, with all of `among` (default:
        every node that answers) following it."""

        def agreed(views: Views) -> NodeId | None:
            leader = max(views, key=lambda node: (leads(views[node]), views[node].term), default="")
            if not leader or not views[leader].ready or views[leader].term <= after_term:
                return None
            term = views[leader].term
            everyone = all((v.term, v.leader_id) == (term, leader) for v in views.values())
            return leader if everyone else None

        return await self.until("one leader that all follow", agreed, among)

    async def leader_now(self) -> NodeId:
        """Whoever leads the latest term and serves, also if not all follow it yet."""

        def serving(views: Views) -> NodeId | None:
            leader = max(views, key=lambda node: (leads(views[node]), views[node].term), default="")
            return leader if leader and views[leader].ready else None

        return await self.until("a leader that serves", serving)

    async def converged(self, nodes: Iterable[NodeId] = ()) -> int:
        """Waits until all have applied everything that any of them holds; returns that index."""

        def equal(views: Views) -> int | None:
            if len(views) < len(named):
                return None
            ends = {(view.last_log_index, view.last_applied) for view in views.values()}
            last_log_index, last_applied = next(iter(ends))
            return last_applied if len(ends) == 1 and last_log_index == last_applied else None

        named = tuple(nodes) or self.cluster.nodes
        return await self.until("every server has applied the same log", equal, named)

    # ----------------------------------------------------------------------------------- the world

    def others(self, *nodes: NodeId) -> tuple[NodeId, ...]:
        """Everyone but these."""
        return tuple(node for node in self.cluster.nodes if node not in nodes)

    def require_down(self, *nodes: NodeId) -> None:
        """The crash did act."""
        for node in nodes:
            require(self.cluster.node_state(node) is NodeState.DOWN, f"{node} is not down")


def leads(view: pb.RaftView) -> bool:
    """The server takes itself for the leader."""
    return view.role == pb.LEADER


def summary(views: Views) -> str:
    """One clause a server, for messages."""
    lines = (
        f"{node} {role_name(view.role)} term {view.term} "
        f"log {view.first_log_index}..{view.last_log_index} committed {view.commit_index}"
        for node, view in views.items()
    )
    return ", ".join(lines) or "no server answers"


def role_name(role: int) -> str:
    """As in the proto, in small letters; a number that is no role as it is."""
    return pb.Role.Name(role).lower() if role in pb.Role.values() else str(role)
