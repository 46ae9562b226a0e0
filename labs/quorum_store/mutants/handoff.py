"""Planted bugs in what stands in for others, and in how the ring changes."""

from __future__ import annotations

from nodes.core import NodeId
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.operation import Asked, Operation, Target
from nodes.cores.quorum_store.records import Held
from protos import quorum_store_pb2 as pb


class NobodyStandsIn(QuorumStore):
    """Asks owners only, also where the quorum is sloppy."""

    def replace_suspects(self, key: str, targets: list[Target]) -> None:
        pass

    def stand_in(self, operation: Operation, failed: Target) -> None:
        pass


class WaitsForTheDown(QuorumStore):
    """Asks a node that kept silent a moment ago again, and waits for it again."""

    def replace_suspects(self, key: str, targets: list[Target]) -> None:
        pass


class CountsHintsNotKept(QuorumStore):
    """Acknowledges what it was to keep for another node, and does not keep it."""

    def keep_hint(self, home: NodeId, key: str, incoming: Held) -> None:
        self.witness(incoming)


class HintsInMemoryOnly(QuorumStore):
    """Keeps hints that a crash takes away."""

    def keep_hint(self, home: NodeId, key: str, incoming: Held) -> None:
        effects = len(self._effects)
        super().keep_hint(home, key, incoming)
        del self._effects[effects:]


class NeverHandsOff(QuorumStore):
    """Keeps what it has for others to itself."""

    def hand_hints(self, home: NodeId) -> None:
        pass


class DropsHintsWhenSent(QuorumStore):
    """Drops a hint when it is sent, and not when it has arrived."""

    def hand_hints(self, home: NodeId) -> None:
        super().hand_hints(home)
        for peer, key in list(self.handing):
            if peer == home and home in self.hints.get(key, {}):
                self.drop_hint(home, key)


class DropsHintsThatGrew(QuorumStore):
    """Drops a hint when its home has what was sent, with what has come into it since."""

    def hint_delivered(self, home: NodeId, key: str) -> None:
        if home in self.hints.get(key, {}):
            self.handing[home, key] = self.hints[key][home]
        super().hint_delivered(home, key)


class HintsAnswerNoReads(QuorumStore):
    """Answers reads with its own records only, and not with what it keeps for others."""

    def known(self, key: str) -> Held:
        return self.held(key)


class SameLifeAfterHandoff(QuorumStore):
    """Goes on numbering the writes of a key whose earlier ones it has given away."""

    def forgot(self, held: Held) -> None:
        pass


class CountsOneRing(QuorumStore):
    """Counts the owners of a write by the ring to read by only, also while that changes."""

    def enough(
        self,
        operation: Operation,
        needed: int,
        *,
        reads: bool,
        states: tuple[Asked, ...] = (Asked.ANSWERED,),
    ) -> bool:
        return super().enough(operation, needed, reads=True, states=states)


class ReadFromBeforeTransfer(QuorumStore):
    """Joins the ring at once, before it holds what it is then asked for."""

    @property
    def needs_pass(self) -> bool:
        """Only of one who leaves."""
        return self.place != pb.JOINING and super().needs_pass


class LeavesAtOnce(QuorumStore):
    """Leaves before those that take its place hold what it held."""

    @property
    def needs_pass(self) -> bool:
        """Only of one who joins."""
        return self.place != pb.LEAVING and super().needs_pass


class ChangesTogether(QuorumStore):
    """Changes its place in the ring while another node does."""

    def cannot_change(self) -> str | None:
        return None


class KeepsWhatItLost(QuorumStore):
    """Goes on keeping records that the ring has given to others."""

    def move_records(self) -> None:
        pass
