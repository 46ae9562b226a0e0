"""Part 2: locks."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

LOCKS, DEADLOCK = "commit-locks", "commit-deadlock"

ADVICE: dict[str, Advice] = {
    "nothing-is-spent-twice": Advice(
        3,
        "Bernstein and others 3.2",
        (
            "Look at ask_for_locks: is there a way to locked that does not go through the lock "
            "table?",
            "Whether there is enough is certain only while nobody else can change the amount. So "
            "locks come first, and the look at amounts after.",
            "ask_for_locks: match self.locks.request(transaction, before(request.priority), "
            "resources). Only Answer.GRANTED goes on to locked.",
        ),
        LOCKS,
    ),
    "locks-stay-until-the-outcome-is-known": Advice(
        4,
        "Bernstein and others 7.4",
        (
            "Look at who calls let_go, and when. Does a transaction that was refused take the "
            "locks of another one with it?",
            "A yes is a promise that the share can be carried out. Without its locks another "
            "transaction would spend what was promised.",
            "Locks go by let_go, which refuse calls after a no and conclude after the outcome, and "
            "nothing else. Who gets Answer.DIE holds none, and is only told no by self.vote.",
        ),
        LOCKS,
    ),
    "reads-see-what-is-committed": Advice(
        3,
        "Bernstein and others 2.4",
        (
            "Look at what changes self.amounts, and when: a read shows just that.",
            "What a transaction in doubt will make of an amount may yet be aborted. Until it is "
            "committed, the last committed amount is the truth.",
            "self.amounts changes in conclude, for pb.COMMITTED; neither locked nor ask_for_locks "
            "touches it.",
        ),
        LOCKS,
    ),
    "the-younger-dies-and-the-older-waits": Advice(
        4,
        "Rosenkrantz, Stearns, Lewis 1978",
        (
            "Look at the three answers of the lock table: what does each mean for the vote?",
            "Only an older transaction waits for a younger one, so no circle can close. The "
            "younger one is told no at once, and tries again with its old age.",
            "Answer.DIE: count it in self.died, note it, and self.vote with a reason that speaks "
            "of the lock. Answer.WAIT: a Waiting(request, callers, until_ms) into self.waiting, "
            "and watch_waiting(); nobody is told anything.",
        ),
        DEADLOCK,
    ),
    "whoever-waited-gets-its-turn": Advice(
        3,
        "Bernstein and others 3.2",
        (
            "Look at after_release: locks.release says who holds its locks now, and who must die.",
            "Who waits has no timer that looks again, apart from its patience. Whoever gives locks "
            "up has to wake those that come next.",
            "after_release: for each of released.granted pop its Waiting and call "
            "locked(waiting.request, waiting.callers); for each of released.died the same with "
            "self.vote and a reason.",
        ),
        LOCKS,
    ),
    "a-deadlock-does-not-last": Advice(
        3,
        "Bernstein and others 3.4",
        (
            "Look at give_up_waiting: who has waited for too long, and what does it say?",
            "Nobody here can see a circle that goes through other nodes. Who waits long may be in "
            "one, and a participant that has not voted may always vote no.",
            "give_up_waiting: refuse each whose until_ms is at most self.now.mono_ms, with a "
            "reason, then watch_waiting() for the next. A refusal may serve others meanwhile: "
            "look each up again before you refuse it.",
        ),
        DEADLOCK,
    ),
}
