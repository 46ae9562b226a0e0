"""Planted bugs in what overwrites what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from nodes.core import NodeId, Started
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.operation import Operation
from nodes.cores.quorum_store.reads import Get
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.wire import stamp_key
from nodes.parts.dotted_versions import Dot, Versions, join
from protos import quorum_store_pb2 as pb


class IgnoresContext(QuorumStore):
    """Lets a write replace every value that the replica holds, seen or not."""

    def mint(
        self, key: str, sibling: pb.Sibling, context: Mapping[str, int], home: NodeId = ""
    ) -> tuple[Held, Dot]:
        return super().mint(key, sibling, self.known(key).context, home)


class ReplacesNothing(QuorumStore):
    """Keeps each write beside all others, also beside those that its writer saw."""

    def mint(
        self, key: str, sibling: pb.Sibling, context: Mapping[str, int], home: NodeId = ""
    ) -> tuple[Held, Dot]:
        return super().mint(key, sibling, {}, home)


class ContextCoversUnseenSiblings(QuorumStore):
    """Returns the context of the whole record with a put, and only the new value."""

    def finish(self, operation: Operation, response: Message) -> None:
        if isinstance(response, pb.PutResponse) and response.siblings:
            newest = max(response.siblings, key=lambda one: stamp_key(one.stamp))
            mine = [one for one in response.siblings if one.stamp == newest.stamp]
            del response.siblings[:]
            response.siblings.extend(mine)
        super().finish(operation, response)


class CounterNotSaved(QuorumStore):
    """Forgets in a crash up to where it has numbered its writes."""

    def save_actor(self) -> None:
        pass


class SameLifeAfterWipe(QuorumStore):
    """Goes on under its old name when it has lost its disk, and numbers from 1 again."""

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        if started.amnesia:
            self.life = 0


class KeepsCoveredSiblings(QuorumStore):
    """Keeps the siblings of both records, also what one of them knows to be overwritten."""

    def merged(self, a: Held, b: Held) -> Held:
        if self.versions != "siblings":
            return super().merged(a, b)
        return Versions(a.siblings | b.siblings, join(a.context, b.context))


class LastArrivalWins(QuorumStore):
    """Where stamps decide, takes what comes last for what was written last."""

    def merged(self, a: Held, b: Held) -> Held:
        return b if self.versions == "lww" and b.siblings else super().merged(a, b)


class TakesTheLongerHistory(QuorumStore):
    """Of two records with siblings, takes the one that knows of more writes whole."""

    def merged(self, a: Held, b: Held) -> Held:
        if self.versions != "siblings":
            return super().merged(a, b)
        return max(a, b, key=lambda held: sum(held.context.values()))


class StampsByWallClock(QuorumStore):
    """Stamps a write by the bare wall clock, which may be behind what was seen."""

    def new_stamp(self) -> pb.Stamp:
        return self.tag(self.now.wall_ms)


class FirstAnswerWins(QuorumStore):
    """Returns what the first replica answered, and not what all of them know together."""

    def together(self, found: Iterable[Held]) -> Held:
        return next(iter(found), Versions[pb.Sibling]({}, {}))


class NoWriteBack(QuorumStore):
    """ABD: answers a read at once, although only one replica may have what it says."""

    def must_write_back(self, operation: Get) -> bool:
        return False


class TagFromOwnCopy(QuorumStore):
    """ABD: takes a tag that is greater than its own, and asks nobody for theirs."""

    def tagged(self, sibling: pb.Sibling, found: list[Held]) -> Held:
        return super().tagged(sibling, found[:1])
