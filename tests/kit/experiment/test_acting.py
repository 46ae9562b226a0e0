"""A fault is believed when the nodes' own events show it."""

from __future__ import annotations

import pytest

from labs.kit.experiment.acting import seen_to_act
from labs.kit.experiment.trial import Injection
from nodes.cluster import fault_kinds as kinds
from nodes.timeline import CRASHED, POINT, RECEIVED, SENT, TimelineEvent

NODES = ("n1", "n2", "n3")


def message(
    number: int, source: str, target: str, sent_ms: float, received_ms: float | None
) -> list[TimelineEvent]:
    """The events of one message."""
    name = f"{source}-{number}"
    sent = {"message": name, "to": target, "type": "AppendEntriesRequest"}
    events = [TimelineEvent(source, number, number, sent_ms, SENT, sent)]
    if received_ms is not None:
        received = {"message": name, "from": source, "type": "AppendEntriesRequest"}
        events.append(TimelineEvent(target, number, number, received_ms, RECEIVED, received))
    return events


def died(node: str, at_ms: float, point: str | None) -> list[TimelineEvent]:
    """A node's death, at that crash point or by itself."""
    fields = {"reason": "x"} if point is None else {POINT: point}
    return [TimelineEvent(node, 9, 9, at_ms, CRASHED, fields)]


def injected(fault: kinds.Fault, until_ms: float | None = None) -> Injection:
    """A fault that was in force from 100 ms on."""
    return Injection(fault, 95, 100, until_ms)


CRASH = kinds.CrashAt(("n1",), "decided")
BOTH_CRASH = kinds.CrashAt(("n1", "n2"), "decided")
PARTITION = kinds.Partition((("n1",), ("n2", "n3")))


@pytest.mark.parametrize(
    ("fault", "events", "acted"),
    [
        (PARTITION, message(1, "n1", "n2", 200, None), True),
        (PARTITION, message(1, "n1", "n2", 200, 201), False),
        (PARTITION, message(1, "n2", "n3", 200, 201), None),  # nobody tried to cross
        (PARTITION, message(1, "n1", "n2", 50, 60), None),  # before it was there
        (kinds.Isolate("n3"), message(1, "n1", "n3", 200, 201), False),
        (kinds.Isolate("n3"), message(1, "n1", "n3", 200, None), True),
        (kinds.Cut("n1", "n2", True), message(1, "n2", "n1", 200, 201), None),
        (kinds.Cut("n1", "n2", True), message(1, "n1", "n2", 200, 201), False),
        (kinds.Delay("n1", "n2", 50), message(1, "n1", "n2", 200, 252), True),
        (kinds.Delay("n1", "n2", 50), message(1, "n1", "n2", 200, 202), False),
        (kinds.Delay("n1", "n2", 50), message(1, "n1", "n3", 200, 202), None),
        (kinds.Lose(50), message(1, "n1", "n2", 200, None), True),
        (kinds.Lose(50), message(1, "n1", "n2", 200, 201), False),
        (CRASH, died("n1", 200, "decided"), True),
        (CRASH, died("n1", 97, "decided"), True),  # while it was being armed
        (CRASH, [], False),  # armed, and never reached
        (CRASH, died("n1", 200, "told"), False),
        (CRASH, died("n1", 200, None), False),
        (CRASH, died("n2", 200, "decided"), False),
        (CRASH, died("n1", 50, "decided"), False),
        (BOTH_CRASH, died("n1", 200, "decided"), False),
        (BOTH_CRASH, died("n1", 200, "decided") + died("n2", 300, "decided"), True),
    ],
)
def test_events_tell(fault: kinds.Fault, events: list[TimelineEvent], acted: bool | None) -> None:
    """Sent and not received: cut. Received late: delayed. Nobody tried: nothing is known."""
    assert seen_to_act(injected(fault), events, NODES) is acted


def test_what_comes_after_the_heal_is_no_objection() -> None:
    """A message that waited behind a cut may arrive when it is gone."""
    events = message(1, "n1", "n2", 200, 320)
    assert seen_to_act(injected(PARTITION, until_ms=300), events, NODES) is True


def test_nodes_are_looked_at_at_once() -> None:
    """Whether a node went down was seen when it was killed."""
    fault = Injection(kinds.Kill(("n1",)), 95, 100, acted=False)
    assert seen_to_act(fault, [], NODES) is False
