"""Reads without writing the log (thesis 6.4): ReadIndex, and as settings lease reads and stale
reads."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.core import Caller, Env, exercise, handles
from nodes.cores.raft.membership import Membership
from nodes.parts.quorum import reached_by_majority
from protos import kv_pb2 as kv
from protos import node_pb2 as node
from protos import raft_pb2 as pb

MAX_WAITING_READS = 10_000  # A leader that cannot prove itself must not fill its memory.
MODES = {"readindex": kv.LINEARIZABLE, "lease": kv.LEASE, "stale": kv.STALE}


@dataclass(frozen=True, slots=True)
class WaitingRead:
    """A read that may be answered once the round is acknowledged and the index applied."""

    caller: Caller
    key: str
    round: int
    read_index: int


class Reads(Membership):
    """A leader may have been deposed without knowing: it must ask before it answers."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.default_consistency = MODES[env.text("reads")]
        self.lease_on_wall_clock = env.text("lease_clock") == "wall"
        self.waiting_reads: list[WaitingRead] = []
        self.round_began_ms: dict[int, int] = {}  # on the lease's clock

    @handles(kv.GetRequest)
    def get(self, request: kv.GetRequest, caller: Caller) -> kv.GetResponse | None:
        consistency = request.consistency or self.default_consistency
        if consistency == kv.STALE:
            return self.read(request.key)  # Whatever we have; we need not even lead.
        if self.role != pb.LEADER:
            return kv.GetResponse(refused=self.not_leader())
        if consistency == kv.LEASE and self.holds_lease():
            return self.read(request.key)
        if len(self.waiting_reads) >= MAX_WAITING_READS:
            reason = f"{MAX_WAITING_READS} reads wait for proof of leadership already"
            return kv.GetResponse(refused=node.Refused(reason=reason))
        self.wait_for_proof(request.key, caller)
        return None

    @exercise(part=5, brief="note the read index and the round that must be acknowledged (6.4)")
    def wait_for_proof(self, key: str, caller: Caller) -> None:
        """ReadIndex: a round of requests that begins after the read arrived proves that we lead.

        The index is at least that of our no-op: until that is committed, we do not know how far
        earlier leaders had committed.
        """
        read_index = max(self.commit_index, self.term_start_index)
        self.waiting_reads.append(WaitingRead(caller, key, self.round + 1, read_index))
        self.set_timer("flush", 0)

    def leadership_in_doubt(self) -> bool:
        return bool(self.waiting_reads) and self.waiting_reads[-1].round > self.round

    @exercise(part=5, brief="answer the reads that are proved and applied (6.4)")
    def answer_reads(self) -> None:
        """Reads leave in the order in which they came."""
        proved = self.acknowledged_round()
        while self.waiting_reads:
            read = self.waiting_reads[0]
            if read.round > proved or read.read_index > self.last_applied:
                return
            self.respond(read.caller, self.read(read.key))
            self.waiting_reads.pop(0)

    def acknowledged_round(self) -> int:
        """The latest round that a majority has responded to."""
        return reached_by_majority(
            self.round if voter == self.env.node_id else self.followers[voter].acknowledged_round
            for voter in self.voters
        )

    # -------------------------------------------------------------------------------------- leases

    def lease_clock_ms(self) -> int:
        """Intervals belong on the monotonic clock; the wall clock is here to show why."""
        return self.now.wall_ms if self.lease_on_wall_clock else self.now.mono_ms

    def begin_round(self) -> None:
        super().begin_round()
        self.round_began_ms[self.round] = self.lease_clock_ms()

    def round_acknowledged(self) -> None:
        super().round_acknowledged()
        proved = self.acknowledged_round()
        while len(self.round_began_ms) > 1 and next(iter(self.round_began_ms)) < proved:
            del self.round_began_ms[next(iter(self.round_began_ms))]
        self.answer_reads()

    def holds_lease(self) -> bool:
        """Nobody else can have been elected yet, as far as clocks agree (thesis 6.4.1).

        Those who acknowledged a round vote for nobody within the minimum election timeout; a tenth
        of it is kept back for clocks that drift. Without check_quorum they make no such promise,
        and a leader that hands over asks them to break it: the election that it asked for may come
        late.
        """
        began_ms = self.round_began_ms.get(self.acknowledged_round())
        handed_over = self.handed_over_in_term == self.current_term
        if began_ms is None or handed_over or not self.check_quorum:
            return False
        until_ms = began_ms + self.election_timeout_ms_min * 9 // 10
        return self.lease_clock_ms() < until_ms and self.last_applied >= self.term_start_index

    # ------------------------------------------------------------------------------------- endings

    def applied(self) -> None:
        super().applied()
        if self.role == pb.LEADER:
            self.answer_reads()

    def on_leadership_won(self) -> None:
        self.round_began_ms = {}
        super().on_leadership_won()

    def on_leadership_lost(self, reason: str) -> None:
        super().on_leadership_lost(reason)
        unknown = node.OutcomeUnknown(reason=f"{self.env.node_id} lost the lead: {reason}")
        for read in self.waiting_reads:
            self.respond(read.caller, kv.GetResponse(outcome_unknown=unknown))
        self.waiting_reads = []

    def not_leader(self) -> node.Refused:
        """Definite: nothing happened. Says who may know better."""
        return node.Refused(reason=f"{self.env.node_id} is not the leader", hint=self.leader_id)

    # ------------------------------------------------------------------------ hooks of later layers

    def read(self, key: str) -> kv.GetResponse:
        """What the state machine holds now."""
        raise NotImplementedError
