"""What the exercise file says of names that are given, by part; a line each."""

from __future__ import annotations

GIVEN = {
    1: """
A Coordination is a transaction at its coordinator: transaction, shares (by node), participants, \
waiting_for, yes, votes, outcome, reason. self.coordinated has them by transaction.
self.amounts, self.votes (a pb.Vote each) and self.ended (outcomes) are what is on disk in the \
slots AMOUNTS, VOTES and ENDED with a name behind; changed(amounts, changes) may object.
self.force(what, transaction, rows) writes all of it or nothing, before anything that follows; \
remember(transaction, outcome) says what to write of an outcome, and knows it from now on.
self.ask(peer, request, timeout_ms) sends a request that is counted.
Given: consider, refuse, vote, records_begin, write_decision, all_voted_yes, tell, tell_client, \
let_go, on_in_doubt. self.crash_point(name) names a moment for `lab fault crash-at`; no check \
needs it.
""",
    2: """
self.locks: a LockTable (nodes/parts/locks.py): request(transaction, priority, resources) \
answers Answer.GRANTED, WAIT or DIE; release(transaction) returns a Released: granted, died.
before(request.priority): as the lock table compares ages, the older the smaller.
self.waiting: a Waiting for each request that waits for locks: request, callers, until_ms.
Given: locked, vote, refuse, watch_waiting. Settings: self.patience_ms. self.died is counted.
""",
    3: """
self.decisions: the pb.Decision of each transaction that is not forgotten, as in the slot \
DECISIONS + transaction; its outcome is pb.UNDECIDED where only the begin is recorded.
records_begin(): whether a record is written before anyone is asked, and for aborts.
Given: resume, recover_undecided, write_decision, tell, tell_client.
""",
    4: """
State: what an inquiry is answered with: UNKNOWN, WORKING (has not decided, or not voted), \
PREPARED, PRECOMMITTED, COMMITTED, ABORTED. state_of(transaction) is that of a participant.
self.votes[transaction]: who coordinates it, and all of its participants; others(vote).
inquire(node, transaction, cooperative=...) asks. Settings: self.cooperative.
""",
    5: """
A vote and a decision have a field precommitted. self.rounds: a Round of the termination \
protocol by transaction: waiting_for, heard (an answer by node), precommitting.
Given: involved, participants_of, own_state, coordinator_works, fell_silent, leads, bring_along, \
end_round, be_patient; read them first, in three_phase.py.
""",
}
