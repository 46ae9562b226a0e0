"""A cluster in memory, for tests of the conductor: no process, no socket, no waiting."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from nodes.cluster.api import (
    ClusterSpec,
    Indeterminate,
    Link,
    LinkState,
    NodeState,
    Refused,
    RpcFault,
    RuntimeFailure,
)
from nodes.cluster.faults import FAULTS, Faults
from protos import kv_pb2 as kv
from protos import node_pb2 as node_pb
from protos import raft_pb2 as raft


class FakeCluster:
    """Behaves as a Raft cluster would, with `n1` as its first leader.

    `fail_start` makes `start` fail; `start_delay_s` makes it take its time; nodes in `silent` are
    up and do not answer; `lose_responses` is how many of the next writes take effect and time out;
    nodes that start again know nothing for `behind_looks` looks at them.
    """

    runtime = "local"

    def __init__(self, spec: ClusterSpec, folder: Path) -> None:
        self.spec = spec
        self.folder = folder
        self.nodes = spec.node_ids
        self.params = spec.params
        self.leader: str | None = self.nodes[0]
        self.term = 1
        self.states = dict.fromkeys(self.nodes, NodeState.DOWN)
        self.silent: set[str] = set()
        self.fail_start = ""
        self.start_delay_s = 0.0
        self.lose_responses = 0
        self.behind_looks = 0
        self.behind: dict[str, int] = {}
        self.hints = True
        self.closed = False
        self.views_asked = 0
        self.values: dict[str, bytes] = {}
        self.sessions: dict[int, set[int]] = {}
        self.sent: list[tuple[str, Message]] = []
        self.wanted: dict[Link, LinkState] = {}
        self._began = time.monotonic()
        self.faults = Faults(FakeWorld(self), seed=spec.seed)

    # ------------------------------------------------------------------------------------ lifecycle

    async def start(self, progress: Callable[[str], None] = lambda _line: None) -> None:
        progress("starting nodes")
        await asyncio.sleep(self.start_delay_s)
        if self.fail_start:
            raise RuntimeFailure(self.fail_start)
        for node in self.nodes:
            self.states[node] = NodeState.UP
            self.log_path(node).write_text(f"{node} listens\n")
            self.event(node, "started")

    async def close(self) -> None:
        self.closed = True
        self.states = dict.fromkeys(self.nodes, NodeState.DOWN)

    def process_ids(self) -> Sequence[int]:
        return ()

    def how_it_ended(self, node: str) -> str | None:
        return None if self.states[node] is not NodeState.DOWN else "exit status 70"

    def now_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    def node_state(self, node: str) -> NodeState:
        return self.states[node]

    def log_path(self, node: str) -> Path:
        return self.folder / f"{node}.log"

    def events_path(self, node: str) -> Path:
        return self.folder / f"{node}.events.jsonl"

    def take_down(self, node: str) -> None:
        """Ends a node; of the others the first that is up leads."""
        self.states[node] = NodeState.DOWN
        if node == self.leader:
            up = [other for other in self.nodes if self.states[other] is NodeState.UP]
            self.leader, self.term = (up[0] if up else None), self.term + 1

    def event(self, node: str, kind: str, **fields: Any) -> None:
        """Writes an event as a node does."""
        head = {"node": node, "seq": 1, "lamport": 1, "at_ms": self.now_ms(), "kind": kind}
        with self.events_path(node).open("a") as file:
            file.write(json.dumps({**head, **fields}) + "\n")

    # --------------------------------------------------------------------------------------- views

    def _serves(self, node: str) -> bool:
        return self.states[node] is NodeState.UP and node not in self.silent

    async def both_views(self, node: str) -> tuple[Message, Message] | None:
        self.views_asked += 1
        view = await self.view(node)
        return None if view is None else (view, node_pb.HostView(pid=1, uptime_ms=5))

    async def view(self, node: str) -> Message | None:
        if not self._serves(node):
            return None
        if self.behind.get(node, 0) > 0:
            self.behind[node] -= 1
            return raft.RaftView(role=raft.FOLLOWER, term=self.term, voters=self.nodes)
        role = raft.LEADER if node == self.leader else raft.FOLLOWER
        return raft.RaftView(
            role=role,
            term=self.term,
            leader_id=self.leader or "",
            commit_index=3,
            last_applied=3,
            first_log_index=1,
            last_log_index=3,
            voters=self.nodes,
            ready=role == raft.LEADER,
        )

    # -------------------------------------------------------------------------------------- clients

    async def call(self, node: str, request: Message, *, timeout_ms: int) -> Message:
        self.sent.append((node, request))
        await asyncio.sleep(0)
        if not self._serves(node):
            await asyncio.sleep(timeout_ms / 1000)
            raise Indeterminate("deadline")
        if node != self.leader:
            raise Refused("not the leader", self.leader if self.hints else None)
        if isinstance(request, kv.OpenSessionRequest):
            number = len(self.sessions) + 1
            self.sessions[number] = set()
            return kv.OpenSessionResponse(session=number)
        response = self._apply(request)
        if self.lose_responses > 0:
            self.lose_responses -= 1
            raise Indeterminate("deadline")
        return response

    def _apply(self, request: Message) -> Message:
        if isinstance(request, kv.GetRequest):
            value = self.values.get(request.key)
            return kv.GetResponse(found=value is not None, value=value or b"")
        assert isinstance(
            request,
            kv.PutRequest | kv.AppendRequest | kv.DeleteRequest | kv.CompareAndSetRequest,
        )
        again = False
        if request.HasField("id"):
            known = self.sessions.get(request.id.session)
            if known is None:
                raise Indeterminate(f"client session {request.id.session} has expired")
            again = request.id.sequence in known
            known.add(request.id.sequence)
        return self._write(request, again)

    def _write(self, request: Message, again: bool) -> Message:
        match request:
            case kv.PutRequest():
                self.values[request.key] = request.value
                return kv.PutResponse()
            case kv.AppendRequest():
                if not again:
                    self.values[request.key] = self.values.get(request.key, b"") + request.suffix
                return kv.AppendResponse(length_bytes=len(self.values[request.key]))
            case kv.DeleteRequest():
                return kv.DeleteResponse(existed=self.values.pop(request.key, None) is not None)
            case kv.CompareAndSetRequest():
                current = self.values.get(request.key)
                expected = request.expected if request.HasField("expected") else None
                if current == expected:
                    self.values[request.key] = request.value
                response = kv.CompareAndSetResponse(swapped=current == expected)
                if current is not None:
                    response.current = current
                return response
        raise AssertionError(f"unexpected {request}")

    async def links(self) -> Sequence[Mapping[str, Any]]:
        return [
            {
                "from": link.source,
                "to": link.target,
                "enabled": state.enabled,
                "toxics": [
                    {"type": toxic.type, "stream": toxic.stream, "attributes": toxic.attributes}
                    for toxic in state.toxics
                ],
            }
            for link, state in self.wanted.items()
        ]


class FakeWorld:
    """The powers over a fake cluster that the fault controller has."""

    supports = frozenset(FAULTS)

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self.nodes = cluster.nodes

    def now_ms(self) -> int:
        return self._cluster.now_ms()

    def node_state(self, node: str) -> NodeState:
        return self._cluster.states[node]

    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        self._cluster.wanted = dict(wanted)

    async def set_rpc_faults(self, node: str, faults: tuple[RpcFault, ...], seed: int) -> None:
        del node, faults, seed

    async def set_clock(self, node: str, *, offset_ms: int, rate: float) -> None:
        del node, offset_ms, rate

    async def set_crash_points(self, node: str, points: Mapping[str, int]) -> None:
        del node, points

    def crashed_at(self, node: str) -> str | None:
        del node
        return None

    async def kill(self, node: str) -> None:
        self._cluster.take_down(node)

    async def power_cut(self, node: str) -> None:
        self._cluster.take_down(node)

    async def start(self, node: str) -> None:
        self._cluster.states[node] = NodeState.UP
        self._cluster.behind[node] = self._cluster.behind_looks
        if self._cluster.leader is None:
            self._cluster.leader = node

    async def wipe(self, node: str) -> None:
        del node

    async def pause(self, node: str) -> None:
        self._cluster.states[node] = NodeState.PAUSED

    async def resume(self, node: str) -> None:
        self._cluster.states[node] = NodeState.UP
