"""Client operations on the running lab: find who serves, retry what is safe, say what is unknown.

A write carries the number of this client's session and its own sequence number, and every retry of
it repeats both: a write whose outcome nobody knows can so be sent again until it is certain, and
still takes effect once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from google.protobuf.message import Message

from labs.kit.errors import LabError, nearest
from labs.kit.lab import Lab
from labs.kit.pursuit import NobodyServed, Pursuit
from labs.kit.text import bytes_to_json, span
from nodes.cluster.api import ClusterSpec, Indeterminate, NodeState, Refused, RuntimeFailure
from protos import kv_pb2 as kv

KEY_BYTES_MAX = 1024
VALUE_BYTES_MAX = 1 << 20
REPLICAS_MAX = 1000
NODE_VERBS = ("join", "leave")  # about a node, and not about a key
_WRITES: Mapping[str, type[Message]] = {
    "put": kv.PutRequest,
    "cas": kv.CompareAndSetRequest,
    "append": kv.AppendRequest,
    "delete": kv.DeleteRequest,
}
CONSISTENCIES = ("default", "linearizable", "lease", "stale")


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client wants. `expected` None in a cas: the key must not exist. `node` None: whoever
    serves. `r`, `w`: replicas that must answer; 0: as the lab was started. `context` is a token
    that an earlier outcome gave."""

    verb: str
    key: str
    value: bytes = b""
    expected: bytes | None = None
    node: str | None = None
    timeout_ms: int | None = None
    consistency: str = "default"
    r: int = 0
    w: int = 0
    context: str = ""

    def options(self) -> tuple[str, ...]:
        """The options given that not every lab has."""
        given = {
            "consistency": self.consistency != "default",
            "r": self.r != 0,
            "w": self.w != 0,
            "context": self.context != "",
        }
        return tuple(name for name, was_given in given.items() if was_given)

    def check(self) -> None:
        """Raises LabError, with the way out, when no node should ever see this."""
        if self.verb not in NODE_VERBS:
            self._check_key()
        elif self.node is None:
            raise LabError(f"{self.verb} which node? as in `lab {self.verb} n1`")
        for value in (self.value, self.expected or b""):
            if len(value) > VALUE_BYTES_MAX:
                raise LabError(f"a value has at most {VALUE_BYTES_MAX} bytes, not {len(value)}")
        if self.timeout_ms is not None and not 1 <= self.timeout_ms <= 600_000:
            raise LabError(f"--timeout {self.timeout_ms} ms: expected 1 ms to 10 minutes")
        if self.consistency not in CONSISTENCIES:
            raise LabError(
                f"--consistency {self.consistency}: {nearest(self.consistency, CONSISTENCIES)}"
            )
        for name, count in (("r", self.r), ("w", self.w)):
            if not 0 <= count <= REPLICAS_MAX:
                raise LabError(f"--{name} {count}: expected 1 to {REPLICAS_MAX}")

    def check_node(self, nodes: Sequence[str]) -> None:
        """Raises LabError, with the nearest names, when there is no such node."""
        if self.node is not None and self.node not in nodes:
            raise LabError(f"no node is called {self.node!r}; {nearest(self.node, nodes)}")

    def _check_key(self) -> None:
        try:
            key_bytes = len(self.key.encode("utf-8"))
        except UnicodeEncodeError:
            raise LabError("a key must be UTF-8; values may be any bytes") from None
        if not 1 <= key_bytes <= KEY_BYTES_MAX:
            raise LabError(f"a key has 1 to {KEY_BYTES_MAX} bytes, not {key_bytes}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended. `ok` None: it may have happened. `found`: whether there was such a
    key, where the operation tells. `values` are what a read found where a key may have several;
    `details` is what only this lab tells, as plain data."""

    ok: bool | None
    value: bytes | None
    node: str | None
    elapsed_ms: float
    error: str | None
    found: bool | None = None
    values: tuple[bytes, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `lab put --json` prints it."""
        value = {"value": None} if self.value is None else bytes_to_json(self.value)
        found = {} if self.found is None else {"found": self.found}
        return {
            "ok": self.ok,
            **value,
            **found,
            "node": self.node,
            "elapsed_ms": round(self.elapsed_ms, 1),
            "error": self.error,
            **self.details,
        }


class Client(Protocol):
    """Carries out the operations of a lab: what `Lab.client` names. Made with the cluster, the
    longest that its protocol waits, and a function that says who leads."""

    def __init__(
        self, cluster: ServedCluster, wait_unit_ms: int, leader: Callable[[], str | None]
    ) -> None: ...
    async def run(self, operation: Operation) -> Outcome:
        """Raises LabError when it makes no sense."""


def client_class(lab: Lab) -> type[Client]:
    """What the lab names as its client; loaded here, with the protos that it needs."""
    module, _, name = lab.client.partition(":")
    found: type[Client] = getattr(import_module(module), name)
    return found


class _SessionLost(Exception):
    """The cluster no longer knows the client session, and the write did not happen."""


class _ClientSession:
    """A session as the cluster knows it, and the numbers of the writes under way in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._last_sequence = 0
        self._under_way: set[int] = set()

    @contextlib.contextmanager
    def next_id(self) -> Iterator[kv.RequestId]:
        """The id of a new write, which is under way until the block ends."""
        self._last_sequence += 1
        sequence = self._last_sequence
        self._under_way.add(sequence)
        try:
            yield kv.RequestId(
                session=self.number,
                sequence=sequence,
                acknowledged_below=min(self._under_way),
            )
        finally:
            self._under_way.discard(sequence)


class ServedCluster(Protocol):
    """What a client needs of a cluster, in whichever runtime. Time is the cluster's own, so that a
    client waits in virtual time where the cluster does."""

    @property
    def spec(self) -> ClusterSpec: ...
    @property
    def nodes(self) -> tuple[str, ...]: ...
    def now_ms(self) -> int: ...
    async def sleep(self, ms: int) -> None: ...
    def node_state(self, node: str) -> NodeState: ...
    async def call(self, node: str, request: Message, *, timeout_ms: int) -> Message: ...


class KeyValueClient:
    """A client of the cluster's key-value service. One client session for all its writes."""

    def __init__(
        self, cluster: ServedCluster, wait_unit_ms: int, leader: Callable[[], str | None]
    ) -> None:
        self._cluster = cluster
        self._wait_unit_ms = wait_unit_ms
        self._known_leader = leader
        self._target: str | None = None
        self._session: _ClientSession | None = None
        self._opening = asyncio.Lock()

    async def run(self, operation: Operation) -> Outcome:
        """Carries the operation out. Raises LabError when it makes no sense."""
        if operation.verb != "get" and operation.verb not in _WRITES:
            verb = operation.verb
            raise LabError(f"no such operation: {verb}; {nearest(verb, _WRITES)}")
        operation.check()
        operation.check_node(self._cluster.nodes)
        began_ms = self._cluster.now_ms()
        timeout_ms = operation.timeout_ms or 10 * self._wait_unit_ms
        deadline_ms = began_ms + timeout_ms
        try:
            outcome = await self._attempt(operation, deadline_ms)
        except NobodyServed as failure:
            ok = None if failure.may_have_happened and operation.verb != "get" else False
            error = f"{failure.reason} (gave up after {span(timeout_ms)})"
            if operation.node is not None:
                error = failure.reason
            outcome = Outcome(ok, None, failure.node, 0, error)
        elapsed_ms = self._cluster.now_ms() - began_ms
        return Outcome(
            outcome.ok, outcome.value, outcome.node, elapsed_ms, outcome.error, outcome.found
        )

    async def _attempt(self, operation: Operation, deadline_ms: int) -> Outcome:
        if operation.verb == "get" or operation.node is not None:
            # To one node a request is sent once, so it needs no number by which to know a retry.
            request = _request(operation, None)
            node, response = await self._send(request, deadline_ms, only=operation.node)
            return _outcome(operation, node, response)
        while True:
            session = await self._open_session(deadline_ms)
            with session.next_id() as request_id:
                request = _request(operation, request_id)
                try:
                    node, response = await self._send(request, deadline_ms, only=None)
                except _SessionLost:
                    if self._session is session:
                        self._session = None
                else:
                    return _outcome(operation, node, response)

    async def _open_session(self, deadline_ms: int) -> _ClientSession:
        async with self._opening:
            if self._session is None:
                try:
                    _, response = await self._send(kv.OpenSessionRequest(), deadline_ms, only=None)
                except NobodyServed as failure:
                    # An opened session that nobody uses is harmless: the write was never sent.
                    raise NobodyServed(
                        failure.reason, may_have_happened=False, node=failure.node
                    ) from None
                assert isinstance(response, kv.OpenSessionResponse)
                self._session = _ClientSession(response.session)
            return self._session

    async def _send(
        self, request: Message, deadline_ms: int, *, only: str | None
    ) -> tuple[str, Message]:
        """Sends until a node has done it; with `only`, once and to that node."""
        pursuit = Pursuit(self._cluster.nodes, only or self._known_leader() or self._target)
        while True:
            node = pursuit.node
            remaining_ms = deadline_ms - self._cluster.now_ms()
            if remaining_ms <= 0:
                raise pursuit.give_up()
            # One node that keeps silent must not use up the time in which others could serve.
            patience_ms = remaining_ms if only else min(remaining_ms, 2 * self._wait_unit_ms)
            if self._cluster.node_state(node) is NodeState.DOWN:
                pursuit.declined(node, f"{node} is down, nothing was sent to it", None)
            else:
                try:
                    response = await self._cluster.call(node, request, timeout_ms=patience_ms)
                except Refused as refusal:
                    pursuit.declined(node, f"{node} refused: {refusal.reason}", refusal.hint)
                except Indeterminate as unknown:
                    if _session_expired(unknown) and not pursuit.outcome_open:
                        raise _SessionLost from None
                    pursuit.unknown(node, f"{node}: {unknown.reason}")
                except RuntimeFailure as failure:
                    pursuit.declined(node, str(failure), None)
                else:
                    if only is None:
                        self._target = node
                    return node, response
            if only is not None:
                raise pursuit.give_up()
            remaining_ms = max(0, deadline_ms - self._cluster.now_ms())
            await self._cluster.sleep(min(pursuit.pause_ms(), remaining_ms))


def _session_expired(unknown: Indeterminate) -> bool:
    # To the cluster the outcome of such a write is open, since it knows nothing of the attempts
    # before. Here it is known whether there were any.
    return "session" in unknown.reason and "expired" in unknown.reason


def _request(operation: Operation, request_id: kv.RequestId | None) -> Message:
    key, value = operation.key, operation.value
    match operation.verb:
        case "get":
            return kv.GetRequest(key=key, consistency=operation.consistency.upper())
        case "put":
            return kv.PutRequest(key=key, value=value, id=request_id)
        case "append":
            return kv.AppendRequest(key=key, suffix=value, id=request_id)
        case "delete":
            return kv.DeleteRequest(key=key, id=request_id)
        case "cas":
            return kv.CompareAndSetRequest(
                key=key, expected=operation.expected, value=value, id=request_id
            )
    raise AssertionError(f"operation {operation.verb} was not checked")


def _outcome(operation: Operation, node: str, response: Message) -> Outcome:
    match response:
        case kv.GetResponse(found=True):
            return Outcome(True, response.value, node, 0, None, found=True)
        case kv.GetResponse():
            return Outcome(True, None, node, 0, None, found=False)
        case kv.CompareAndSetResponse(swapped=True):
            return Outcome(True, operation.value, node, 0, None)
        case kv.CompareAndSetResponse():
            current = response.current if response.HasField("current") else None
            held, error = current is not None, "the key holds something else"
            return Outcome(False, current, node, 0, error, found=held)
        case kv.DeleteResponse():
            return Outcome(True, None, node, 0, None, found=response.existed)
        case kv.AppendResponse():
            return Outcome(True, None, node, 0, None)
    return Outcome(True, operation.value, node, 0, None)
