"""Pairs what was sent with what was received, and says what became of the rest.

A message counts as lost only when there is a reason to think so: its caller was told, or the
receiver's own record goes on for long and has no gap. Else nobody knows, and the picture says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labs.kit.timeline.model import Fate, Message
from nodes.timeline import FAILED, RECEIVED, SENT, TimelineEvent

LATE_MS = 1000.0  # a message that has not been received for so long is not on its way any more
RESPONSE_MARK = "r"  # hosts and simulator put it behind the id of the request


@dataclass(slots=True)
class Coverage:
    """What one node's record holds."""

    first_ms: float
    last_ms: float
    missing: int = 0
    tells_of_messages: bool = False  # clients may record faults, and nothing else

    def holds(self, sent_ms: float) -> bool:
        """Whether the record would tell of a message that was sent then and arrived."""
        whole = self.tells_of_messages and not self.missing
        return whole and self.first_ms <= sent_ms <= self.last_ms - LATE_MS


def coverage(events: Sequence[TimelineEvent]) -> dict[str, Coverage]:
    """By node. Numbers of events that are not there were dropped, or rotated away."""
    found: dict[str, Coverage] = {}
    numbers: dict[str, tuple[int, int, int]] = {}  # node -> least, most, how many
    for event in events:
        known = found.get(event.node)
        if known is None:
            known = found[event.node] = Coverage(event.at_ms, event.at_ms)
            numbers[event.node] = (event.seq, event.seq, 0)
        known.tells_of_messages |= event.kind in (SENT, RECEIVED)
        known.first_ms = min(known.first_ms, event.at_ms)
        known.last_ms = max(known.last_ms, event.at_ms)
        least, most, count = numbers[event.node]
        numbers[event.node] = (min(least, event.seq), max(most, event.seq), count + 1)
    for node, (least, most, count) in numbers.items():
        found[node].missing = max(0, most - least + 1 - count)
    return found


def pair(events: Sequence[TimelineEvent], covered: dict[str, Coverage]) -> list[Message]:
    """Every message of these events, in order of time."""
    sent: dict[str, TimelineEvent] = {}
    received: dict[str, list[TimelineEvent]] = {}
    failed: dict[str, TimelineEvent] = {}
    for event in events:
        id = event.fields.get("message")
        if not isinstance(id, str):
            continue
        if event.kind == SENT:
            sent.setdefault(id, event)
        elif event.kind == RECEIVED:
            received.setdefault(id, []).append(event)
        elif event.kind == FAILED:
            failed.setdefault(id, event)
    messages = []
    for id, event in sent.items():
        arrivals = [one for one in received.get(id, ()) if one.node != event.node]
        messages += [_arrived(id, event, arrival) for arrival in arrivals]
        if not arrivals:
            messages.append(_missing(id, event, failed, received, covered))
    for id, arrivals in received.items():
        if id not in sent:
            messages += [_arrived(id, None, arrival) for arrival in arrivals]
    return sorted(messages, key=lambda message: (message.at_ms, message.id))


def kind_of(event: TimelineEvent) -> str:
    """The name of the RPC; responses are named as their requests are."""
    rpc = event.fields.get("rpc")
    if isinstance(rpc, str):
        return rpc
    name = str(event.fields.get("type", "?"))
    return name.removesuffix("Request").removesuffix("Response") or name


def _is_response(id: str, event: TimelineEvent) -> bool:
    return event.fields.get("type") == "response" or id.endswith(RESPONSE_MARK)


def _arrived(id: str, sent: TimelineEvent | None, received: TimelineEvent) -> Message:
    source = sent.node if sent is not None else str(received.fields.get("from", "?"))
    return Message(
        id=id,
        kind=kind_of(received),
        is_response=_is_response(id, received),
        source=source,
        target=received.node,
        sent_ms=None if sent is None else sent.at_ms,
        received_ms=received.at_ms,
        fate="arrived",
    )


def _missing(
    id: str,
    sent: TimelineEvent,
    failed: dict[str, TimelineEvent],
    received: dict[str, list[TimelineEvent]],
    covered: dict[str, Coverage],
) -> Message:
    target, response = str(sent.fields.get("to", "?")), _is_response(id, sent)
    request = id.removesuffix(RESPONSE_MARK) if response else id
    failure, receiver = failed.get(request), covered.get(target)
    # Whose record has gaps may have received it all the same.
    gaps = receiver is not None and receiver.missing > 0
    fate: Fate = "open"
    if receiver is not None and receiver.holds(sent.at_ms):
        fate = "lost"
    elif failure is not None and not gaps:
        # The caller knows that no response came; a response of which nobody knows is one of these.
        fate = "lost" if response or not received.get(f"{id}{RESPONSE_MARK}") else "open"
    why = str(failure.fields.get("reason", "")) if failure is not None else ""
    injected = sent.fields.get("fault")
    return Message(
        id=id,
        kind=kind_of(sent),
        is_response=response,
        source=sent.node,
        target=target,
        sent_ms=sent.at_ms,
        received_ms=None,
        fate=fate,
        why=f"{injected} by a fault" if injected else why,
    )
