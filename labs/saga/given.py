"""What the exercise file says of names that are given, by part; a line each."""

from __future__ import annotations

GIVEN = {
    1: """
Each method says what a step comes to, a Work, and changes nothing: Work(pb.DoResponse.DONE, \
rows=rows), declined(reason), or Work(pb.DoResponse.FAILED, reason) for "not this time". All rows \
are saved as one transaction then, and taken into memory.
In memory: self.stock and self.accounts are numbers, self.reservations and self.charges rows, by \
item, customer and order. On disk: "stock/ITEM" is a pb.Stock, "reservations/ORDER" a \
pb.Reservation, "accounts/CUSTOMER" a pb.Account, "charges/ORDER" a pb.Charge; Stock and Account \
with open=True.
States: pending, confirmed, released, refused; charged, refunded, refused.
Given as an example: ship(order) and cancel(order); confirm(order).
Settings: self.semantic_locks, self.commutative, self.idempotent.
""",
    2: """
act(request) and compensate(request) say what a step or its compensation comes to: part 1.
self.requests: by key, a pb.Request(result, reason) each; on disk in "requests/KEY".
Work.effect: it changes something, and is not only remembered. self.lost_disk: then every \
request fails.
""",
    3: """
self.sagas: by order, a pb.Saga each; on disk in SAGAS + order. PLAN: the steps in order.
saga.step is the step at hand, or with status pb.COMPENSATING the one that is being undone.
Given: take_step(saga) asks the service for the step at hand; end(saga, status); begin(order).
self.crash_point("before-saga-logged") and ("saga-logged") stand around the saving, so that \
`lab fault crash-at` finds them.
""",
    4: """
PIVOT: the step behind which there is no way back.
self.of(saga): what is not logged of a saga: retry_at_ms, when to ask again. watch() sets the \
timer that looks for it.
Given: stick(saga, reason) puts it into the dead letters; end(saga, status).
operate returns None when it was done, or the reason why not, in words for an operator.
Settings: self.attempts_max, self.backoff_ms, self.backoff_ms_max.
""",
    5: """
self.outbox: by name, the events that the log may not have; on disk in "outbox/NAME", a pb.Outbox.
self.seen: the names of events that were taken; on disk in "inbox/NAME", a pb.Inbox.
self.offset: how far this service has read the log; on disk in OFFSET, a pb.Counter.
Given: commit(rows) makes rows durable as one; send_event(event), watch_outbox(); react(event); \
follow(event, taken), which calls record; tell(request, work).
Settings: self.events_by (outbox, publish-after or publish-before), self.inbox.
""",
}
