"""Messages in memory, over directed links that can be blocked, slowed and severed.

A link is what it is in the other runtimes: the connections that one endpoint opens to another, with
an upstream (its requests) and a downstream (the responses to them). Calls fail the way gRPC calls
fail: by their deadline in silence, at once when a connection breaks or is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from google.protobuf.message import Message

from nodes.cluster.api import Link, LinkState, RpcFault, RuntimeFailure, Stream
from nodes.core import Caller, NodeId, copy_of
from nodes.sim.loop import Timer, VirtualLoop

BLOCKED_BY = "timeout"  # Toxiproxy's toxic that holds everything back
SLOWED_BY = "latency"
REFUSAL_MS = 0.1  # a refused or reset connection is noticed about this fast

Complete = Callable[[Message | None, str], None]  # the response, or None and the reason


@dataclass(slots=True)
class Pending:
    """A call that has not ended yet."""

    source: NodeId
    target: NodeId
    complete: Complete
    deadline: Timer
    responded: bool = False  # the response is on its way


@dataclass(slots=True)
class _Direction:
    blocked: bool = False
    latency_ms: int = 0
    jitter_ms: int = 0


@dataclass(slots=True)
class _LinkFaults:
    enabled: bool = True
    streams: dict[Stream, _Direction] = field(
        default_factory=lambda: {"upstream": _Direction(), "downstream": _Direction()}
    )


class SimNetwork:
    """Carries calls. `deliver(target, caller, request, message)` hands a request to its target and
    says whether anyone was there to take it."""

    def __init__(
        self,
        loop: VirtualLoop,
        rng: Random,
        latency_ms: tuple[float, float],
        deliver: Callable[[NodeId, Caller, Message, str], bool],
    ) -> None:
        self.loop = loop
        self.rng = rng
        self.latency_ms = latency_ms
        self.deliver = deliver
        self.rpc_faults: dict[NodeId, tuple[RpcFault, ...]] = {}
        self._links: dict[tuple[NodeId, NodeId], _LinkFaults] = {}
        self._pending: dict[int, Pending] = {}
        self._last_call_id = 0

    # --------------------------------------------------------------------------------------- calls

    def call(
        self, source: NodeId, target: NodeId, request: Message, timeout_ms: int, complete: Complete
    ) -> str:
        """Starts a call; `complete` is called exactly once. Returns the message id."""
        self._last_call_id += 1
        call_id = self._last_call_id
        message = f"{source}-{call_id}"
        deadline = self._later(timeout_ms, self._end, call_id, None, "deadline")
        self._pending[call_id] = Pending(source, target, complete, deadline)
        if not self._faults(source, target).enabled:
            self._later(REFUSAL_MS, self._end, call_id, None, "unavailable")
            return message
        delay_ms = self._delay(source, target, "upstream")
        if self._drawn(source, target, "reorder"):
            delay_ms += self.rng.uniform(0, self._hold_ms(source, target))
        if not self._drawn(source, target, "lose_request"):
            self._later(delay_ms, self._arrive, call_id, source, target, request)
        if self._drawn(source, target, "duplicate"):
            extra_ms = self._delay(source, target, "upstream")
            self._later(delay_ms + extra_ms, self._arrive, call_id, source, target, request)
        return message

    def respond(self, caller: Caller, response: Message) -> None:
        """Sends a response on its way; a caller that has gone away is fine."""
        pending = self._pending.get(caller.call_id)
        if pending is None or self._drawn(pending.source, pending.target, "lose_response"):
            return
        if not self._open(pending.source, pending.target, "downstream"):
            return
        delay_ms = self._delay(pending.source, pending.target, "downstream")
        self._later(delay_ms, self._respond_arrives, caller.call_id, response)
        pending.responded = True

    def node_died(self, node: NodeId) -> None:
        """Its own calls are forgotten; those who called it see their connections break, but only
        behind what it had sent already: what was told before a crash stays told."""
        for call_id, pending in list(self._pending.items()):
            if pending.source == node:
                pending.deadline.cancel()
                del self._pending[call_id]
            elif pending.target == node and not pending.responded:
                if not self._open(pending.source, pending.target, "downstream"):
                    continue
                self._later(REFUSAL_MS, self._end, call_id, None, "unavailable")

    def _arrive(self, call_id: int, source: NodeId, target: NodeId, request: Message) -> None:
        """A request arrives even if its caller has given up on it meanwhile."""
        if not self._open(source, target, "upstream"):
            return
        copied = copy_of(request)
        if not self.deliver(target, Caller(source, call_id), copied, f"{source}-{call_id}"):
            self._end(call_id, None, "unavailable")

    def _respond_arrives(self, call_id: int, response: Message) -> None:
        pending = self._pending.get(call_id)
        if pending is not None and self._open(pending.source, pending.target, "downstream"):
            self._end(call_id, response, "")

    def _end(self, call_id: int, response: Message | None, reason: str) -> None:
        pending = self._pending.pop(call_id, None)
        if pending is not None:
            pending.deadline.cancel()
            pending.complete(response, reason)

    # --------------------------------------------------------------------------------------- links

    def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """Makes all links as wanted. Raises RuntimeFailure for a toxic that cannot act here."""
        before = self._links
        self._links = {
            (link.source, link.target): _translate(link, state) for link, state in wanted.items()
        }
        for call_id, pending in list(self._pending.items()):
            was = before.get((pending.source, pending.target)) or _CLEAN
            now = self._faults(pending.source, pending.target)
            unblocked = any(
                was.streams[name].blocked and not now.streams[name].blocked for name in was.streams
            )
            # Removing a black hole closes its connections, as does severing a link.
            if unblocked or (was.enabled and not now.enabled):
                self._later(REFUSAL_MS, self._end, call_id, None, "unavailable")

    def _faults(self, source: NodeId, target: NodeId) -> _LinkFaults:
        return self._links.get((source, target)) or _CLEAN

    def _open(self, source: NodeId, target: NodeId, stream: Stream) -> bool:
        faults = self._faults(source, target)
        return faults.enabled and not faults.streams[stream].blocked

    def _delay(self, source: NodeId, target: NodeId, stream: Stream) -> float:
        faults = self._faults(source, target).streams[stream]
        delay_ms = self.rng.uniform(*self.latency_ms) + faults.latency_ms
        if faults.jitter_ms:
            delay_ms += self.rng.uniform(-faults.jitter_ms, faults.jitter_ms)
        return max(delay_ms, 0.0)

    def _matching(self, source: NodeId, target: NodeId, kind: str) -> list[RpcFault]:
        return [
            fault
            for fault in self.rpc_faults.get(source, ())
            if fault.kind == kind and fault.peer in (None, target)
        ]

    def _drawn(self, source: NodeId, target: NodeId, kind: str) -> bool:
        if not self.rpc_faults.get(source):
            return False
        return any(
            self.rng.uniform(0, 100) < fault.percent
            for fault in self._matching(source, target, kind)
        )

    def _hold_ms(self, source: NodeId, target: NodeId) -> int:
        return max(fault.hold_ms for fault in self._matching(source, target, "reorder"))

    def _later(self, delay_ms: float, action: Callable[..., None], *args: object) -> Timer:
        return self.loop.after(delay_ms / 1000, action, *args)


_CLEAN = _LinkFaults()


def _translate(link: Link, state: LinkState) -> _LinkFaults:
    faults = _LinkFaults(enabled=state.enabled)
    for toxic in state.toxics:
        direction = faults.streams[toxic.stream]
        if toxic.type == BLOCKED_BY and toxic.attributes.get("timeout", 0) == 0:
            direction.blocked = True
        elif toxic.type == SLOWED_BY:
            direction.latency_ms = toxic.attributes.get("latency", 0)
            direction.jitter_ms = toxic.attributes.get("jitter", 0)
        else:
            raise RuntimeFailure(
                f"{toxic.type} on {link.name} acts on byte streams, and the simulator has none; "
                "use --runtime local"
            )
    return faults
