"""Your AtomicCommit: the methods that you write. Everything else is given.

Work part by part; labs/commit/README.md leads through the course.

    lab check commit --mine --part 1 --watch   judges part 1 again whenever you save
    lab hint commit                            the next hint for the first check that fails
    lab check commit --mine                    the whole grade
    lab reset commit [--part P]                a fresh file, with the parts before P filled in

Replace each `raise NotWritten(...)` by your code. Methods of later parts are taken from the
reference while they are blank, so part 1 can pass before part 2 is begun.

Handlers say what they want through self, and it happens in this order (nodes/core.py):

    self.save(slot, message)                  durable before all that follows
    self.call(peer, request, timeout_ms=...)  the response comes to the method @on_response
    self.respond(caller, response)            a handler may also return its response
    self.set_timer(name, delay_ms)            fires the method @on_timer(name)
    self.cancel_timer(name)
    self.note(kind, name=value)               a line in the timeline, for people

    self.now.mono_ms                          the only clock; self.env.rng is the only chance
    self.env.node_id, self.env.peers          this node, and all others

Your code must depend on nothing else: no time, random, files or threads, or it could not be
replayed. What the names of this lab mean stands with each part.
"""

from __future__ import annotations

from nodes.core import NodeId, NotWritten, on_timer
from nodes.cores.commit import AtomicCommit
from nodes.cores.commit.coordinator import Coordination
from nodes.cores.commit.ledger import AMOUNTS, DECISIONS, VOTES, before, changed
from nodes.cores.commit.participant import Callers, Waiting
from nodes.cores.commit.termination import State
from nodes.cores.commit.three_phase import Round
from nodes.parts.locks import Answer, Released
from protos import commit_pb2 as pb


class MyAtomicCommit(AtomicCommit):
    """Your AtomicCommit. What is not here is as in nodes.cores.commit."""

    # --------------------------------------------------------------------------- part 1: Two phases
    # All participants commit or none does, and what was said outlives every crash.
    # Read: Bernstein, Hadzilacos, Goodman 1987, 7.1 to 7.4 up to recovery; Gray 1978
    # A Coordination is a transaction at its coordinator: transaction, shares (by node),
    #   participants, waiting_for, yes, votes, outcome, reason. self.coordinated has them by
    #   transaction.
    # self.amounts, self.votes (a pb.Vote each) and self.ended (outcomes) are what is on disk in the
    #   slots AMOUNTS, VOTES and ENDED with a name behind; changed(amounts, changes) may object.
    # self.force(what, transaction, rows) writes all of it or nothing, before anything that follows;
    #   remember(transaction, outcome) says what to write of an outcome, and knows it from now on.
    # self.ask(peer, request, timeout_ms) sends a request that is counted.
    # Given: consider, refuse, vote, records_begin, write_decision, all_voted_yes, tell,
    #   tell_client, let_go, on_in_doubt. self.crash_point(name) names a moment for `lab fault
    #   crash-at`; no check needs it.

    def locked(self, request: pb.PrepareRequest, callers: Callers) -> None:
        """The locks are held: whether it can be done is certain from here on."""
        # TODO: vote: no if it cannot be done, yes only once the promise is durable
        raise NotWritten(1, "locked")

    def conclude(self, transaction: str, outcome: pb.Outcome) -> None:
        """The transaction is over here. A decision that comes again changes nothing."""
        # TODO: carry out the decision once: amounts, vote and outcome in one write
        raise NotWritten(1, "conclude")

    def begin(self, coordination: Coordination) -> None:
        """Asks everyone to prepare; where nothing is presumed, it is written down first."""
        # TODO: first phase: ask every participant for its vote
        raise NotWritten(1, "begin")

    def count(self, transaction: str, node: NodeId, vote: pb.PrepareResponse) -> None:
        """A vote came in, or (as a no) did not come in time. Unanimity is needed, not a
        majority."""
        # TODO: count a vote: all yes commits, a single no aborts
        raise NotWritten(1, "count")

    def decide_commit(self, coordination: Coordination) -> None:
        """From the moment that this is durable, the transaction is committed."""
        # TODO: the commit point: durable first, then told
        raise NotWritten(1, "decide_commit")

    def tell_waiting(self, coordination: Coordination) -> None:
        """Sends the outcome to all that have not acknowledged it."""
        # TODO: second phase: tell everyone who has not acknowledged the outcome
        raise NotWritten(1, "tell_waiting")

    # -------------------------------------------------------------------------------- part 2: Locks
    # Transactions do not disturb each other, and none waits for ever.
    # Read: Bernstein and others 3.1 to 3.4; Rosenkrantz, Stearns, Lewis 1978 on wait-die
    # self.locks: a LockTable (nodes/parts/locks.py): request(transaction, priority, resources)
    #   answers Answer.GRANTED, WAIT or DIE; release(transaction) returns a Released: granted, died.
    # before(request.priority): as the lock table compares ages, the older the smaller.
    # self.waiting: a Waiting for each request that waits for locks: request, callers, until_ms.
    # Given: locked, vote, refuse, watch_waiting. Settings: self.patience_ms. self.died is counted.

    def ask_for_locks(self, request: pb.PrepareRequest, callers: Callers) -> None:
        """A transaction locks all that it changes here, before it looks at it."""
        # TODO: ask for the locks: prepare, wait, or die
        raise NotWritten(2, "ask_for_locks")

    def after_release(self, released: Released) -> None:
        """Those that got their locks vote; those that must die say no."""
        # TODO: who has got its locks votes; who must die says no
        raise NotWritten(2, "after_release")

    @on_timer("locks")
    def give_up_waiting(self) -> None:
        """Who has waited for too long may be in a deadlock, and votes no."""
        # TODO: nobody waits for a lock for ever
        raise NotWritten(2, "give_up_waiting")

    # ------------------------------------------------------------ part 3: Recovery and presumptions
    # A coordinator that comes back knows what to tell, and writes no more than it must.
    # Read: Mohan, Lindsay, Obermarck 1986; Bernstein and others 7.4, recovery
    # self.decisions: the pb.Decision of each transaction that is not forgotten, as in the slot
    #   DECISIONS + transaction; its outcome is pb.UNDECIDED where only the begin is recorded.
    # records_begin(): whether a record is written before anyone is asked, and for aborts.
    # Given: resume, recover_undecided, write_decision, tell, tell_client.

    def recover(self) -> None:
        """What was decided is told again until everyone has heard; what was only begun is aborted,
        since nobody can have been told to commit."""
        # TODO: after a crash: an undecided transaction is aborted, a decided one told
        raise NotWritten(3, "recover")

    def decide_abort(self, coordination: Coordination, reason: str) -> None:
        """Before the commit point it may be aborted at any time."""
        # TODO: an abort: with presumed abort nothing is written, and nobody waited for
        raise NotWritten(3, "decide_abort")

    def end_if_all_know(self, coordination: Coordination) -> None:
        """When all have the outcome, nobody will ask for it any more."""
        # TODO: forget a transaction when everyone has acknowledged its outcome
        raise NotWritten(3, "end_if_all_know")

    # -------------------------------------------------------------------------------- part 4: Doubt
    # Who voted yes and hears nothing asks whoever may know, and waits if nobody does.
    # Read: Bernstein and others 7.4, cooperative termination; Skeen 1981 on blocking
    # State: what an inquiry is answered with: UNKNOWN, WORKING (has not decided, or not voted),
    #   PREPARED, PRECOMMITTED, COMMITTED, ABORTED. state_of(transaction) is that of a participant.
    # self.votes[transaction]: who coordinates it, and all of its participants; others(vote).
    # inquire(node, transaction, cooperative=...) asks. Settings: self.cooperative.

    def ask_coordinator(self, transaction: str) -> None:
        """The coordinator is asked first, who may just be waiting for votes."""
        # TODO: ask the coordinator first
        raise NotWritten(4, "ask_coordinator")

    def ask_others(self, transaction: str, peer: NodeId) -> None:
        """`peer` is silent; if that is the coordinator, another participant may know the
        outcome."""
        # TODO: when the coordinator is silent, ask the others if they cooperate
        raise NotWritten(4, "ask_others")

    def learn(self, transaction: str, peer: NodeId, response: pb.InquireResponse) -> None:
        """Somebody who knows ends the doubt; somebody in doubt does not."""
        # TODO: what the answer to an inquiry allows a participant in doubt to do
        raise NotWritten(4, "learn")

    def state_told(self, request: pb.InquireRequest) -> State.State:
        """As coordinator what is on record, as participant what it voted."""
        # TODO: answer an inquiry; who has not voted promises not to, if asked by a peer
        raise NotWritten(4, "state_told")

    # ------------------------------------------------------------------------- part 5: Three phases
    # Those that are left decide without their coordinator, as long as silence is a crash.
    # Read: Skeen 1981; Bernstein and others 7.5
    # A vote and a decision have a field precommitted. self.rounds: a Round of the termination
    #   protocol by transaction: waiting_for, heard (an answer by node), precommitting.
    # Given: involved, participants_of, own_state, coordinator_works, fell_silent, leads,
    #   bring_along, end_round, be_patient; read them first, in three_phase.py.

    def precommit(self, coordination: Coordination) -> None:
        """Everyone shall know that everyone voted yes, before anyone commits."""
        # TODO: 3PC's middle phase: tell everyone that all voted yes
        raise NotWritten(5, "precommit")

    def take_precommit(self, transaction: str) -> bool:
        """From here on this participant commits if it is left alone; whether it takes it."""
        # TODO: a participant notes durably that all voted yes
        raise NotWritten(5, "take_precommit")

    def count_precommit(self, transaction: str, node: NodeId) -> None:
        """One more knows, or is taken for dead."""
        # TODO: commit once all that are alive know that all voted yes
        raise NotWritten(5, "count_precommit")

    def judge_round(self, transaction: str, running: Round) -> None:
        """Skeen's rule for those that are left, carried out by the first of them: an outcome that
        anyone knows holds; who has not voted yes keeps all from committing; if anyone knows that
        all voted yes, commit; else abort."""
        # TODO: the termination rule: what the states of those that are left allow
        raise NotWritten(5, "judge_round")
