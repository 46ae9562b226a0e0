"""One request of a client that is under way: whom it asked, and how far each of them is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from nodes.core import Caller, NodeId
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.wire import pack, without_values
from protos import quorum_store_pb2 as pb

if TYPE_CHECKING:
    from nodes.cores.quorum_store.coordinator import Coordinator


class Asked(Enum):
    """How far it is with one replica."""

    NOT_YET = auto()
    WAITING = auto()
    ANSWERED = auto()
    FAILED = auto()


ANSWER_KIND = {
    Asked.NOT_YET: pb.Answer.NOT_ASKED,
    Asked.WAITING: pb.Answer.WAITING,
    Asked.ANSWERED: pb.Answer.ANSWERED,
    Asked.FAILED: pb.Answer.FAILED,
}


@dataclass(slots=True)
class Target:
    """A replica, or a fallback that stands in for `home`; `read` and `other` say in which quorum it
    counts."""

    node: NodeId
    read: bool
    other: bool
    home: NodeId = ""
    state: Asked = Asked.NOT_YET
    held: Held | None = None  # what it answered to a fetch


@dataclass
class Operation:
    """One request of a client that is under way; how it goes on is each kind's own.

    `id` is repeated in all calls that it makes, and 0 is no operation's.
    """

    store: Coordinator
    caller: Caller
    key: str
    needed: int
    explain: bool
    id: int = 0
    targets: list[Target] = field(default_factory=list)
    hedges: bool = False  # another replica may be asked when one is slow
    answered: bool = False  # the client was; late responses may still be worth something
    deadline_ms: int = 0

    # ------------------------------------------------------------------------------ asking replicas

    def request(self, target: Target) -> Message:
        """What the replica is asked now."""
        raise NotImplementedError

    def proceed(self) -> None:
        """Something has changed: a replica answered, failed, or was added."""
        raise NotImplementedError

    def give_up(self, reason: str) -> None:
        """It cannot succeed any more, or its time is over."""
        raise NotImplementedError

    def ask_more(self) -> None:
        """Asks those that are needed now and were not asked yet."""
        raise NotImplementedError

    def ask_enough(self, needed: int, *, reads: bool) -> None:
        """Asks everyone, or as many as are needed where that is the setting."""
        number = self.id
        for target in list(self.targets):
            if self.id != number:
                return  # Our own answer was the last that was missing, and it goes on already.
            if self.store.fan_out != "all" and self.store.enough(
                self, needed, reads=reads, states=(Asked.WAITING, Asked.ANSWERED)
            ):
                return
            if target.state is Asked.NOT_YET:
                self.ask(target)

    def ask(self, target: Target) -> None:
        """Asks one; the node itself answers at once."""
        target.state = Asked.WAITING
        self.store.ask(self, target, self.request(target))

    def ask_another(self) -> bool:
        """Asks one more that was not needed so far; whether there was one."""
        for target in self.targets:
            if target.state is Asked.NOT_YET:
                self.ask(target)
                return True
        return False

    def count(self, state: Asked) -> int:
        """How many targets are in this state."""
        return sum(target.state is state for target in self.targets)

    def failed(self, target: Target) -> None:
        """One cannot answer: another takes its place if there is one."""
        target.state = Asked.FAILED
        if self.replaces_failed():
            home = target.home or target.node
            if self.store.sloppy and not self.store.away_too_long(home):
                self.store.stand_in(self, target)
            self.ask_more()
        self.proceed()

    def replaces_failed(self) -> bool:
        """Another replica is worth asking in the place of one that failed."""
        return not self.answered

    def late(self) -> None:
        """The client was answered, and nobody who was asked is heard of any more."""
        return

    def hopeless(self) -> bool:
        """Everyone who could be asked was, and has answered or failed."""
        return not self.count(Asked.NOT_YET) and not self.count(Asked.WAITING)

    def answers(self) -> list[pb.Answer]:
        """What became of each replica, for the client that wants to know."""
        if not self.explain:
            return []
        return [
            pb.Answer(
                replica=target.node,
                kind=ANSWER_KIND[target.state],
                stands_in_for=target.home,
                record=without_values(pack(target.held)) if target.held else None,
            )
            for target in self.targets
        ]
