"""Part 4: doubt."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

DOUBT, BLOCKING = "commit-doubt", "commit-blocking"

ADVICE: dict[str, Advice] = {
    "who-is-in-doubt-asks": Advice(
        3,
        "Bernstein and others 7.4",
        (
            "Look at ask_coordinator: it is called when nobody has told the outcome for long.",
            "A presumed abort is told once and never again. Who misses it has to ask, and the "
            "coordinator that finds nothing says so.",
            "ask_coordinator: self.inquire(vote.coordinator, transaction, cooperative=False). "
            "learn: pb.InquireResponse.ABORTED, or UNKNOWN from the coordinator, concludes with "
            "pb.ABORTED.",
        ),
        DOUBT,
    ),
    "somebody-who-knows-is-enough": Advice(
        3,
        "Bernstein and others 7.4, cooperative termination",
        (
            "Look at ask_others: whom can one ask when the coordinator is silent?",
            "An outcome that anyone knows is the outcome. The request to vote named all "
            "participants so that they can ask each other.",
            "ask_others: if self.cooperative and peer is the coordinator of self.votes[...], "
            "inquire of each of others(vote) with cooperative=True. state_told answers with "
            "state_of(transaction).",
        ),
        DOUBT,
    ),
    "who-has-not-voted-lets-all-abort": Advice(
        4,
        "Bernstein and others 7.4, cooperative termination",
        (
            "Look at state_told: what may somebody say that has not voted, and what follows for "
            "its vote?",
            "Without its yes nobody can have committed. If it promises never to say yes, all can "
            "abort; the promise has to outlive a crash, and the request that is still under way.",
            "state_told: if request.cooperative and state is UNKNOWN or WORKING, "
            "conclude(transaction, pb.ABORTED), which is durable, and answer ABORTED. consider "
            "votes no on what is in self.ended as aborted.",
        ),
        DOUBT,
    ),
    "those-in-doubt-wait-if-nobody-knows": Advice(
        4,
        "Skeen 1981; Bernstein and others 7.3",
        (
            "Look at learn and ask_others: what do they do when all others are in doubt as well?",
            "The coordinator may have decided either way before it went silent. Whatever those in "
            "doubt chose among themselves, they could be wrong: two-phase commit blocks.",
            "learn: PREPARED, WORKING, and UNKNOWN from a participant change nothing. No answer "
            "changes nothing either; it asks again after doubt_timeout_ms.",
        ),
        BLOCKING,
    ),
    "who-still-counts-votes-says-so": Advice(
        3,
        "Bernstein and others 7.4",
        (
            "Look at state_told at a coordinator that has not decided: what would UNKNOWN mean to "
            "who asks?",
            "To know nothing of a transaction is to have aborted it, where abort is presumed. A "
            "coordinator that waits for votes knows it well, and has not decided.",
            "state_told: first self.coordinated.get(transaction); unless its phase is 'deciding' "
            "answer WORKING, else what its outcome says. learn leaves WORKING alone.",
        ),
        DOUBT,
    ),
}
