"""Where the time of a write goes, from the timelines of the nodes.

All nodes and the client of a local cluster share the machine's monotonic clock, so the times of
their events can be subtracted from each other.
"""

from __future__ import annotations

import bisect
import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from labs.kit.bench.ratios import percentile
from nodes import timeline
from nodes.core import NodeId
from nodes.host.recorder import older_file
from nodes.timeline import TimelineEvent

SLOW_SHARE: Final = 0.95  # what is slower than this share of all is no typical write


@dataclass(frozen=True, slots=True)
class Write:
    """A write as its client saw it; times on the clock of the events."""

    message: str
    sent_ms: float
    done_ms: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the way. `times_ms` has one figure a write, or a call."""

    title: str
    times_ms: Sequence[float]

    def to_json(self, whole_ms: float) -> dict[str, Any]:
        """As in the document; `share` is of the whole mean."""
        mean = statistics.fmean(self.times_ms)
        return {
            "stage": self.title,
            "mean_ms": mean,
            "p50_ms": percentile(self.times_ms, 0.5),
            "p90_ms": percentile(self.times_ms, 0.9),
            "share": mean / whole_ms if whole_ms else 0.0,
        }


@dataclass(slots=True)
class NodeEvents:
    """What is looked up in one node's timeline."""

    received: dict[str, float] = field(default_factory=dict)  # by message
    sent: dict[str, float] = field(default_factory=dict)
    saved: list[float] = field(default_factory=list)
    calls: dict[NodeId, list[tuple[float, str]]] = field(default_factory=dict)  # by target

    @classmethod
    def of(cls, events: Iterable[TimelineEvent], replicate: str) -> NodeEvents:
        """`replicate` is the call by which a leader hands entries on."""
        found = cls()
        for event in events:
            if event.kind == timeline.SAVED:
                found.saved.append(event.at_ms)
            elif event.kind in (timeline.SENT, timeline.RECEIVED):
                message = str(event.fields["message"])
                sent = event.kind == timeline.SENT
                (found.sent if sent else found.received)[message] = event.at_ms
                if sent and event.fields["rpc"] == replicate and event.fields["type"] == "request":
                    target = str(event.fields["to"])
                    found.calls.setdefault(target, []).append((event.at_ms, message))
        found.saved.sort()
        return found

    def saved_between(self, begin_ms: float, end_ms: float) -> float | None:
        """The first commit in that time."""
        place = bisect.bisect_left(self.saved, begin_ms)
        if place < len(self.saved) and self.saved[place] <= end_ms:
            return self.saved[place]
        return None


def read_events(path: Path) -> list[TimelineEvent]:
    """A node's timeline, with what was before its last rotation. A torn last line is left out."""
    events = []
    for file in (older_file(path), path):
        if not file.is_file():
            continue
        for line in file.read_text().splitlines():
            try:
                events.append(TimelineEvent.from_json(line))
            except ValueError:
                continue
    return events


@dataclass(frozen=True, slots=True)
class Round:
    """One call by which the leader handed entries to a follower, from end to end."""

    sent_ms: float
    arrived_ms: float
    saved_ms: float
    responded_ms: float
    back_ms: float


def rounds_of(leader: NodeEvents, followers: Mapping[NodeId, NodeEvents]) -> list[Round]:
    """Every such call after which the follower saved something: heartbeats are none."""
    rounds = []
    for name, follower in followers.items():
        for sent_ms, message in leader.calls.get(name, ()):
            arrived = follower.received.get(message)
            responded = follower.sent.get(f"{message}r")
            back = leader.received.get(f"{message}r")
            if arrived is None or responded is None or back is None:
                continue
            saved = follower.saved_between(arrived, responded)
            if saved is not None:
                rounds.append(Round(sent_ms, arrived, saved, responded, back))
    return rounds


def serial_stages(
    writes: Sequence[Write], leader: NodeEvents, followers: Mapping[NodeId, NodeEvents]
) -> list[Stage]:
    """The way of one write at a time, part by part: the parts of each write add up to it.

    The follower looked at is the one that makes the majority. Writes slower than most are left
    out, and those that an event is missing of.
    """
    rounds = sorted(rounds_of(leader, followers), key=lambda one: one.sent_ms)
    begins = [one.sent_ms for one in rounds]
    needed = (len(followers) + 1) // 2  # of the followers, for a majority with the leader
    usual_ms = percentile([one.done_ms - one.sent_ms for one in writes], SLOW_SHARE)
    columns: list[list[float]] = []
    for write in writes:
        arrived = leader.received.get(write.message)
        responded = leader.sent.get(f"{write.message}r")
        if arrived is None or responded is None or write.done_ms - write.sent_ms > usual_ms:
            continue
        low, high = bisect.bisect_left(begins, arrived), bisect.bisect_right(begins, responded)
        own = sorted(rounds[low:high], key=lambda one: one.back_ms)
        if len(own) < needed or own[needed - 1].back_ms > responded:
            continue
        one = own[needed - 1]
        times = (
            *(write.sent_ms, arrived, one.sent_ms, one.arrived_ms, one.saved_ms),
            *(one.responded_ms, one.back_ms, responded, write.done_ms),
        )
        columns.append([later - sooner for sooner, later in itertools.pairwise(times)])
    if not columns:
        raise ValueError("no write could be followed through the timelines")
    return [
        Stage(title, times) for title, times in zip(SERIAL, zip(*columns, strict=True), strict=True)
    ]


SERIAL: Final = (
    "client's call to the leader, through its proxy",
    "leader takes it up and sends it to the followers",
    "leader's call to the follower, through its proxy",
    "follower takes it up and commits it to its disk",
    "follower responds",
    "response to the leader, through the proxy",
    "leader takes it up and responds (its own commit is done, or is waited for)",
    "response to the client, through its proxy",
)


def busy_stages(
    writes: Sequence[Write], leader: NodeEvents, followers: Mapping[NodeId, NodeEvents]
) -> tuple[list[Stage], list[Stage]]:
    """Of many clients at once: the parts of a write, and those of the leader's calls meanwhile."""
    ways = []
    for write in writes:
        arrived = leader.received.get(write.message)
        responded = leader.sent.get(f"{write.message}r")
        if arrived is not None and responded is not None:
            ways.append((arrived - write.sent_ms, responded - arrived, write.done_ms - responded))
    begin, end = min(one.sent_ms for one in writes), max(one.done_ms for one in writes)
    calls = [one for one in rounds_of(leader, followers) if begin <= one.sent_ms <= end]
    if not ways or not calls:
        raise ValueError("no write could be followed through the timelines")
    parts = [
        (
            one.arrived_ms - one.sent_ms,
            one.saved_ms - one.arrived_ms,
            one.responded_ms - one.saved_ms,
            one.back_ms - one.responded_ms,
        )
        for one in calls
    ]
    write_stages = zip(BUSY_WRITE, zip(*ways, strict=True), strict=True)
    call_stages = zip(BUSY_CALL, zip(*parts, strict=True), strict=True)
    return [Stage(*one) for one in write_stages], [Stage(*one) for one in call_stages]


BUSY_WRITE: Final = (
    "client's call to the leader, through its proxy",
    "in the leader: waiting for its batch, the followers, its commit",
    "response to the client, through its proxy",
)
BUSY_CALL: Final = (
    "leader's call to the follower, through its proxy",
    "follower takes it up and commits it to its disk",
    "follower responds",
    "response to the leader, through the proxy",
)
