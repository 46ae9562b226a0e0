"""Part 5: choreography, with outbox and inbox."""

from __future__ import annotations

from labs.kit.grading.scenario import Advice

CHOREOGRAPHY = "saga-choreography"
OUTBOX = "saga-outbox"
INBOX = "saga-inbox"

ADVICE: dict[str, Advice] = {
    "events-carry-an-order-to-its-end": Advice(
        3,
        "Richardson 2018, 4.2",
        (
            "Look at take_event: an event that this service reacts to, and one that it does not.",
            "react(event) says what is to be done, what that comes to, and the event that tells of "
            "it; None: then follow. In both cases the place in the log moves on.",
            "taken = {OFFSET: pb.Counter(value=self.offset + 1)}. reacted is None: "
            "self.follow(event, taken). Else emit(produced, together), or commit(together) when "
            "nothing is to be told.",
        ),
        CHOREOGRAPHY,
    ),
    "events-undo-what-was-declined": Advice(
        2,
        "Richardson 2018, 4.2",
        (
            "Look at record: when is an order over of which a step was declined?",
            "A decline turns it back, and it is over when the first step is undone; at once if "
            "that was the one that was declined.",
            "A ..._DECLINED: status COMPENSATING and the reason. STOCK_DECLINED or STOCK_RELEASED: "
            "COMPENSATED. STOCK_CONFIRMED: COMPLETED. done and undone by STEPS_DONE and "
            "STEPS_UNDONE.",
        ),
        CHOREOGRAPHY,
    ),
    "an-effect-and-its-event-are-one": Advice(
        4,
        "Richardson 2018, 3.3",
        (
            "Look at emit: how many transactions are there between the effect and its event?",
            "To write to the database and to send are two things, and a crash comes between them, "
            "whichever is first. So the event is written with the effect, and sent from there.",
            'commit({**rows, "outbox/" + event.id: pb.Outbox(event=event)}); then send_event, and '
            "watch_outbox. relay, after a restart: send_event for each of self.outbox.values().",
        ),
        OUTBOX,
    ),
    "an-event-is-kept-until-the-log-has-it": Advice(
        3,
        "Richardson 2018, 3.3",
        (
            "Look at when an event leaves the outbox, and at who sends it again.",
            "Sent is not arrived. The event stays on disk until the log has answered, and is sent "
            "again until then.",
            "relay: self.send_event(event) for all, then self.watch_outbox(), which sets the timer "
            "again. Only published removes, and it is called when the response is there.",
        ),
        OUTBOX,
    ),
    "the-outbox-is-emptied": Advice(
        2,
        "Richardson 2018, 3.3",
        (
            "Look at published: is the event gone from memory and from the disk?",
            "What stays in the outbox is sent again after each restart, and the log grows.",
            'if self.outbox.pop(name, None) is not None: self.save("outbox/" + name, pb.Outbox()); '
            "an empty message removes the row.",
        ),
        OUTBOX,
    ),
    "what-comes-twice-is-taken-once": Advice(
        3,
        "Helland 2012; Richardson 2018, 3.3",
        (
            "Look at take_event when the log has an event for the second time.",
            "At least once is all that the log promises. The inbox remembers the names of events "
            "that were taken, in the transaction of their effect.",
            'self.inbox and event.id in self.seen: self.write(taken), and no more. Else "inbox/" + '
            "event.id goes into taken, as pb.Inbox(offset=self.offset + 1).",
        ),
        INBOX,
    ),
    "nothing-is-missed-in-the-log": Advice(
        2,
        "Richardson 2018, 3.3",
        (
            "Look at the row OFFSET: does it move by one for each event, whatever the event is?",
            "The place in the log is on disk. After a restart the service reads on from there, and "
            "what was not taken comes again.",
            "taken always has the OFFSET row, and each path of take_event writes it exactly once: "
            "with the effect, or by follow.",
        ),
        INBOX,
    ),
    "wherever-a-node-crashes-in-a-choreography": Advice(
        2,
        "Richardson 2018, 3.3, 4.2",
        (
            "Pass the other checks of this part first. Then count the transactions of one event: "
            "there is to be one.",
            "Effect, event, inbox and place in the log are one transaction. Whatever is not in it "
            "can be lost or doubled by a crash.",
            "together = {**work.rows, **taken} with self.inbox, and that is what emit makes "
            "durable, with the outbox row.",
        ),
        OUTBOX,
    ),
}
