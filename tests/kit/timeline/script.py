"""Timelines written down by hand, as hosts and simulator would record them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from nodes.cluster.api import CLIENT
from nodes.timeline import (
    CRASHED,
    FAILED,
    FAULT,
    RECEIVED,
    SENT,
    STARTED,
    TimelineEvent,
)


@dataclass
class Script:
    """Events in the order in which they are told; numbers and Lamport times are made here."""

    events: list[TimelineEvent] = field(default_factory=list)
    seqs: Counter[str] = field(default_factory=Counter)

    def add(self, node: str, at_ms: float, kind: str, **fields: Any) -> Script:
        self.seqs[node] += 1
        lamport = len(self.events) + 1
        self.events.append(TimelineEvent(node, self.seqs[node], lamport, at_ms, kind, fields))
        return self

    def start(self, *nodes: str, at_ms: float = 0) -> Script:
        for node in nodes:
            self.add(node, at_ms, STARTED)
        return self

    def send(self, id: str, source: str, target: str, at_ms: float, rpc: str = "Ping") -> Script:
        what = "response" if id.endswith("r") else "request"
        return self.add(source, at_ms, SENT, message=id, to=target, rpc=rpc, type=what)

    def receive(self, id: str, source: str, target: str, at_ms: float, rpc: str = "Ping") -> Script:
        what = "response" if id.endswith("r") else "request"
        return self.add(target, at_ms, RECEIVED, message=id, rpc=rpc, type=what, **{"from": source})

    def message(
        self, id: str, source: str, target: str, sent: float, received: float, rpc: str = "Ping"
    ) -> Script:
        return self.send(id, source, target, sent, rpc).receive(id, source, target, received, rpc)

    def fail(self, id: str, source: str, target: str, at_ms: float, reason: str) -> Script:
        return self.add(source, at_ms, FAILED, message=id, to=target, reason=reason)

    def crash(self, node: str, at_ms: float) -> Script:
        return self.add(node, at_ms, CRASHED)

    def fault(self, at_ms: float, sentence: str = "", **plain: Any) -> Script:
        fields = {"fault": json.dumps(plain), "sentence": sentence or str(plain["do"])}
        return self.add(CLIENT, at_ms, FAULT, **fields)


def election() -> Script:
    """n1 leads, is killed, and n2 takes over; n3 is cut off for a while."""
    script = Script().start("n1", "n2", "n3")
    script.add("n1", 150, "campaign", term=1, pre_vote=False)
    script.message("n1-0-1", "n1", "n2", 150.0, 150.6, "RequestVote")
    script.add("n2", 150.6, "vote", term=1, candidate="n1")
    script.message("n1-0-1r", "n2", "n1", 150.7, 151.2, "RequestVote")
    script.send("n1-0-2", "n1", "n3", 150.0, "RequestVote")
    script.fail("n1-0-2", "n1", "n3", 250.0, "deadline")
    script.add("n1", 151.2, "leader", term=1, votes="n1,n2")
    script.message("n1-0-3", "n1", "n2", 151.3, 151.9, "AppendEntries")
    script.add("n2", 151.9, "follower", term=1, leader="n1")
    script.fault(300.0, "killed n1 without warning", do="kill", nodes=["n1"])
    script.add("n2", 500, "campaign", term=2, pre_vote=False)
    script.message("n2-0-1", "n2", "n3", 500.0, 500.8, "RequestVote")
    script.message("n2-0-1r", "n3", "n2", 500.9, 501.5, "RequestVote")
    script.add("n2", 501.5, "leader", term=2, votes="n2,n3")
    script.fault(700.0, "paused n3", do="pause", nodes=["n3"])
    script.fault(900.0, "healed everything", do="heal")
    script.start("n1", at_ms=905.0)
    script.message("n2-0-9", "n2", "n1", 906.0, 906.5, "AppendEntries")
    return script.add("n1", 906.5, "follower", term=2, leader="n2")
