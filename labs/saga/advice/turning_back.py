"""Part 4: turning back, the pivot, patience and operators."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

COMPENSATION = "saga-compensation"
PIVOT = "saga-pivot"
UNKNOWN = "saga-unknown"
RETRIES = "saga-retries"
STUCK = "saga-stuck"

ADVICE: dict[str, Advice] = {
    "a-declined-order-is-undone": Advice(
        4,
        "Sagas 1987, 2, 4",
        (
            "Look at turn_back and to_undo: what is undone, and in which order?",
            "All that was done is undone, the latest first: T1 T2 C2 C1. The reason is kept in the "
            "log, and a client reads it there.",
            "turn_back: saga.status, saga.reason, saga.attempts = pb.COMPENSATING, reason, 0; step "
            "is to_undo(saga). to_undo: the last of saga.done that is not in saga.undone, or "
            "pb.NO_STEP.",
        ),
        COMPENSATION,
    ),
    "no-is-not-asked-again": Advice(
        2,
        "Richardson 2018, 4.2",
        (
            "Look at declined: is it the same as a failure?",
            "DECLINED is for good, so patience is wasted on it; FAILED and silence are for now.",
            "declined: stick(saga, reason) if PIVOT in saga.done, else turn_back(saga, reason, "
            "unsure=False).",
        ),
        RETRIES,
    ),
    "who-is-away-for-a-moment-is-asked-again": Advice(
        3,
        "Sagas 1987, 5",
        (
            "Look at try_again: what happens after the first attempt?",
            "As long as there are attempts left the same step is asked for again, later.",
            "saga.attempts += 1; if that is less than self.attempts_max: set "
            "self.of(saga).retry_at_ms and call self.watch().",
        ),
        RETRIES,
    ),
    "it-waits-longer-each-time": Advice(
        2,
        "Brooker 2015 on backoff and jitter",
        (
            "Look at how try_again computes its wait.",
            "Whoever is overloaded does not recover under the same load: the wait doubles with "
            "each attempt, up to a bound, and chance spreads it.",
            "wait_ms = min(self.backoff_ms_max, self.backoff_ms << (saga.attempts - 1)); then "
            "self.now.mono_ms + self.env.rng.randint(wait_ms // 2, wait_ms).",
        ),
        RETRIES,
    ),
    "what-may-have-been-done-is-undone": Advice(
        4,
        "Sagas 1987, 4",
        (
            "Look at turn_back when it is unsure, and at who says so.",
            "No answer is not no. The step may have been done, so its compensation is asked for as "
            "well; if it was not done, that does nothing, and is remembered.",
            "try_again turns back with unsure=True. turn_back then leaves saga.step as it is: its "
            "compensation is the first one.",
        ),
        UNKNOWN,
    ),
    "behind-the-pivot-there-is-no-way-back": Advice(
        3,
        "Richardson 2018, 4.3",
        (
            "Look at try_again when the attempts are used up: may the saga always turn back?",
            "Once the shipment is booked the order will be carried out. What cannot be done is put "
            "into the dead letters, and nothing is undone; an operator cannot change that either.",
            "try_again: turn_back only if saga.status == pb.RUNNING and PIVOT not in saga.done, "
            "else stick. operate: refuse COMPENSATE if PIVOT in saga.done.",
        ),
        PIVOT,
    ),
    "a-compensation-is-not-given-up": Advice(
        3,
        "Sagas 1987, 4, 6",
        (
            "Look at try_again for a saga that is compensating, when its attempts are used up.",
            "A compensation cannot be declined and cannot be compensated. If it does not work, "
            "somebody has to know of it: the saga is stuck, which is not the same as over.",
            "Compensating sagas never turn back again: stick(saga, reason). operate with RETRY: "
            "status from before_stuck, attempts 0, log and take_step.",
        ),
        STUCK,
    ),
    "operators-act-on-what-is-stuck": Advice(
        2,
        "Sagas 1987, 6",
        (
            "Look at operate: which sagas may be touched, and what does each action do?",
            "Only what is stuck. RETRY asks for the step at hand again; SKIP takes it as done and "
            "goes on, and the log says that it was the operator.",
            "If saga.status != pb.STUCK return a reason. Restore saga.before_stuck, clear "
            "stuck_because, attempts = 0; for SKIP self.advance(saga, skipped=True), else log and "
            "take_step; return None.",
        ),
        STUCK,
    ),
    "wherever-a-node-crashes-on-the-way-back": Advice(
        2,
        "Sagas 1987, 4",
        (
            "Pass the other checks of this part first. Then: what does the log say at the moment "
            "of the crash, that the order goes forwards or back?",
            "That a saga turns back is logged before anything is undone. A crash before that lets "
            "the declined step be asked for again, and it is declined again.",
            "turn_back: change status, step and reason, self.log(saga), and only then "
            "self.take_step(saga); end(saga, pb.COMPENSATED) if there is nothing to undo.",
        ),
        UNKNOWN,
    ),
}
