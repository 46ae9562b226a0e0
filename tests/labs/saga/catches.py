"""The shop's planted bugs with the checks that are about them, and what its empty methods
return."""

from __future__ import annotations

from typing import Any

from nodes.cores.saga.services import Work, declined
from protos import saga_pb2 as pb
from tests.support.catches import Catch

INTENT = "the intent is logged before the call"
ONCE = "each effect happens at most once"
ALL_STEPS = "completed is all steps done"
UNDONE = "compensated is all that was done undone"
IN_TIME = "is over or stuck"

CAUGHT_BY = {
    "releases-nothing": Catch("what-is-taken-is-put-back", "when that was undone"),
    "refunds-twice": Catch("what-is-taken-is-put-back", "when that was undone 2x"),
    "keeps-the-last-one": Catch("what-is-not-there-is-declined", "nothing speaks against it"),
    "sells-short": Catch("what-is-not-there-is-declined", "one too many"),
    "charges-on-credit": Catch("what-is-not-there-is-declined", "one too much"),
    "reserves-in-memory-only": Catch("what-was-done-survives-crashes", "after a crash"),
    "charges-without-record": Catch("what-was-done-survives-crashes", "40 refunded before"),
    "forgets-early-releases": Catch("a-compensation-may-come-first", "came before it"),
    "charges-after-the-refund": Catch("a-compensation-may-come-first", "came before it"),
    "restores-what-was-before": Catch("a-compensation-leaves-the-work-of-others", "only o2 still"),
    "ignores-pending-orders": Catch("nobody-touches-what-is-pending", "fails for now"),
    "declines-what-is-pending": Catch("nobody-touches-what-is-pending", "fails for now"),
    "locks-the-whole-shop": Catch("nobody-touches-what-is-pending", "lamp is pending"),
    "locks-for-ever": Catch("nobody-touches-what-is-pending", "nothing speaks against it"),
    "does-it-again": Catch("a-repetition-has-no-effect", "had done a step before"),
    "remembers-in-memory-only": Catch("a-repetition-has-no-effect", "had done a step before"),
    "remembers-before-it-does": Catch("the-key-is-kept-with-the-effect", "for a moment only"),
    "every-repetition-is-done": Catch("a-repetition-has-the-first-result", "under this key"),
    "remembers-only-what-was-done": Catch("a-repetition-has-the-first-result", "under this key"),
    "remembers-failures": Catch("what-failed-may-be-tried-again", "nothing speaks against it"),
    "a-new-key-each-time": Catch("lost-answers-charge-nobody-twice", "once each"),
    "one-key-for-a-step": Catch("keys-tell-orders-and-directions-apart", "enough of everything"),
    "one-key-for-both-directions": Catch(
        "keys-tell-orders-and-directions-apart", "neither reserved nor charged nor booked"
    ),
    "logs-nothing": Catch("an-order-that-was-taken-is-not-forgotten", INTENT),
    "logs-the-beginning-only": Catch("an-order-survives-its-orchestrator", INTENT),
    "logs-after-the-call": Catch("wherever-a-node-crashes", INTENT),
    "forgets-what-was-under-way": Catch("an-order-that-was-taken-is-not-forgotten", IN_TIME),
    "begins-anew-with-all": Catch("what-is-over-stays-over", INTENT, "is asked anything"),
    "completes-without-the-sale": Catch("an-order-is-carried-out", ALL_STEPS),
    "one-order-at-a-time": Catch("orders-do-not-wait-for-each-other", IN_TIME, "stays so"),
    "undoes-only-the-latest": Catch("a-declined-order-is-undone", UNDONE),
    "undoes-forwards": Catch("a-declined-order-is-undone", "compensations go backwards"),
    "keeps-the-reason-to-itself": Catch("a-declined-order-is-undone", "it is told why"),
    "asks-again-after-no": Catch("no-is-not-asked-again", "is not asked for again"),
    "turns-back-at-once": Catch("who-is-away-for-a-moment-is-asked-again", "for a moment only"),
    "never-asks-again": Catch("who-is-away-for-a-moment-is-asked-again", IN_TIME),
    "hammers-the-service": Catch("it-waits-longer-each-time", "each waits for longer"),
    "takes-silence-for-no": Catch(
        "what-may-have-been-done-is-undone", "what may have been done is undone"
    ),
    "turns-back-behind-the-pivot": Catch(
        "behind-the-pivot-there-is-no-way-back", "when tried again", "after the shipment is booked"
    ),
    "reports-it-as-undone": Catch("a-compensation-is-not-given-up", "everywhere or nowhere"),
    "undoes-what-is-shipped": Catch("behind-the-pivot-there-is-no-way-back", "no refusal"),
    "operates-on-anything": Catch("operators-act-on-what-is-stuck", "which is over"),
    "skips-nothing": Catch("operators-act-on-what-is-stuck", "has seen to its last step"),
    "turns-back-unlogged": Catch("wherever-a-node-crashes-on-the-way-back", INTENT),
    "publishes-after": Catch("an-effect-and-its-event-are-one", IN_TIME),
    "publishes-before": Catch(
        "an-effect-and-its-event-are-one", "everywhere or nowhere", "shipment is booked"
    ),
    "outbox-of-its-own": Catch("an-effect-and-its-event-are-one", IN_TIME),
    "forgets-what-it-sent": Catch("an-event-is-kept-until-the-log-has-it", IN_TIME),
    "never-sends-again": Catch("an-event-is-kept-until-the-log-has-it", IN_TIME),
    "keeps-what-the-log-has": Catch("the-outbox-is-emptied", "left in an outbox"),
    "removes-it-in-memory-only": Catch("the-outbox-is-emptied", "as nothing happens"),
    "takes-everything-in": Catch("what-comes-twice-is-taken-once", ONCE),
    "inbox-in-memory-only": Catch("what-comes-twice-is-taken-once", ONCE),
    "inbox-after-the-effect": Catch("wherever-a-node-crashes-in-a-choreography", ONCE),
    "skips-what-it-missed": Catch("nothing-is-missed-in-the-log", IN_TIME),
    "completed-when-shipped": Catch("events-carry-an-order-to-its-end", ALL_STEPS),
    "over-when-declined": Catch("events-undo-what-was-declined", UNDONE),
}
CATCHES = tuple(CAUGHT_BY.items())

# What a method returns that does nothing; None where it returns nothing.
IDLE: dict[str, Any] = {
    "reserve": declined(""),
    "release": declined(""),
    "charge": declined(""),
    "refund": declined(""),
    "pending": "",
    "work": Work(pb.DoResponse.DONE),
    "request_for": pb.DoRequest(),
    "to_undo": pb.NO_STEP,
}
