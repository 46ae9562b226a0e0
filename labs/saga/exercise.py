"""Your OrderSaga: the methods that you write. Everything else is given.

Work part by part; labs/saga/README.md leads through the course.

    lab check saga --mine --part 1 --watch   judges part 1 again whenever you save
    lab hint saga                            the next hint for the first check that fails
    lab check saga --mine                    the whole grade
    lab reset saga [--part P]                a fresh file, with the parts before P filled in

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

from nodes.core import NotWritten
from nodes.cores.saga import OrderSaga
from nodes.cores.saga.choreography import OFFSET, STEPS_DONE, STEPS_UNDONE, Kind
from nodes.cores.saga.orchestrator import PIVOT, PLAN, SAGAS
from nodes.cores.saga.services import Rows, Work, declined
from protos import saga_pb2 as pb


class MyOrderSaga(OrderSaga):
    """Your OrderSaga. What is not here is as in nodes.cores.saga."""

    # -------------------------------------------------------------- part 1: Steps and compensations
    # Each step is one local transaction, and each has a compensation that undoes just that.
    # Read: Garcia-Molina and Salem 1987, 1 and 2; Frank and Zahle 1998 on countermeasures
    # Each method says what a step comes to, a Work, and changes nothing: Work(pb.DoResponse.DONE,
    #   rows=rows), declined(reason), or Work(pb.DoResponse.FAILED, reason) for "not this time". All
    #   rows are saved as one transaction then, and taken into memory.
    # In memory: self.stock and self.accounts are numbers, self.reservations and self.charges rows,
    #   by item, customer and order. On disk: "stock/ITEM" is a pb.Stock, "reservations/ORDER" a
    #   pb.Reservation, "accounts/CUSTOMER" a pb.Account, "charges/ORDER" a pb.Charge; Stock and
    #   Account with open=True.
    # States: pending, confirmed, released, refused; charged, refunded, refused.
    # Given as an example: ship(order) and cancel(order); confirm(order).
    # Settings: self.semantic_locks, self.commutative, self.idempotent.

    def reserve(self, order: pb.Order) -> Work:
        """Takes the goods out. With semantic locks an item that another order is about to get or
        to give back is not touched meanwhile."""
        # TODO: take goods out of stock for an order, under a semantic lock if so set
        raise NotWritten(1, "reserve")

    def pending(self, order: pb.Order) -> str:
        """Another order that has the item reserved and not confirmed; empty: none."""
        # TODO: who has the item reserved, and is not over yet
        raise NotWritten(1, "pending")

    def release(self, order: pb.Order) -> Work:
        """Puts the goods back; if there are none to put back, they will not be taken later
        either."""
        # TODO: give reserved goods back, or remember that they must not be taken
        raise NotWritten(1, "release")

    def charge(self, order: pb.Order) -> Work:
        """Takes the price from the customer's account."""
        # TODO: take the money of a customer who has it
        raise NotWritten(1, "charge")

    def refund(self, order: pb.Order) -> Work:
        """A refund is not the same as never having been charged: both stay on record."""
        # TODO: give the money back, or remember that it must not be taken
        raise NotWritten(1, "refund")

    # --------------------------------------------------------------------- part 2: Idempotency keys
    # A step that is asked for again is not done again, and its answer is that of the first time.
    # Read: Helland 2012, Idempotence Is Not a Medical Condition
    # act(request) and compensate(request) say what a step or its compensation comes to: part 1.
    # self.requests: by key, a pb.Request(result, reason) each; on disk in "requests/KEY".
    # Work.effect: it changes something, and is not only remembered. self.lost_disk: then every
    #   request fails.

    def work(self, request: pb.DoRequest) -> Work:
        """What the request comes to. A repetition has the result of the first time, and no
        effect."""
        # TODO: do a step once for its key, and remember the result with the effect
        raise NotWritten(2, "work")

    def request_for(self, order: pb.Order, step: pb.Step, *, back: bool) -> pb.DoRequest:
        """A step, or its compensation, as a request; its key names order, step and direction."""
        # TODO: the same step of the same order always has the same key
        raise NotWritten(2, "request_for")

    # ------------------------------------------------------------------------- part 3: The saga log
    # What the orchestrator is about to do is in its log, so a crash loses no order and does none
    #   twice.
    # Read: Garcia-Molina and Salem 1987, 3 to 5
    # self.sagas: by order, a pb.Saga each; on disk in SAGAS + order. PLAN: the steps in order.
    # saga.step is the step at hand, or with status pb.COMPENSATING the one that is being undone.
    # Given: take_step(saga) asks the service for the step at hand; end(saga, status); begin(order).
    # self.crash_point("before-saga-logged") and ("saga-logged") stand around the saving, so that
    #   `lab fault crash-at` finds them.

    def log(self, saga: pb.Saga) -> None:
        """How far the saga is, durably; its next step is the intent."""
        # TODO: log what a saga is about to do, before it does it
        raise NotWritten(3, "log")

    def recover(self) -> None:
        """The step at hand may have been done or not; asked for again, it is done once."""
        # TODO: after a start: go on with every saga that was under way
        raise NotWritten(3, "recover")

    def advance(self, saga: pb.Saga, *, skipped: bool) -> None:
        """The step at hand is done, or an operator has seen to it."""
        # TODO: a step is done: log the next one and take it, or end
        raise NotWritten(3, "advance")

    # ------------------------------------------------------------------------- part 4: Turning back
    # What cannot be carried out is undone, behind the pivot nothing is, and what does neither has
    #   an operator.
    # Read: Garcia-Molina and Salem 1987, 4 to 6; Richardson 2018, 4.2 and 4.3
    # PIVOT: the step behind which there is no way back.
    # self.of(saga): what is not logged of a saga: retry_at_ms, when to ask again. watch() sets the
    #   timer that looks for it.
    # Given: stick(saga, reason) puts it into the dead letters; end(saga, status).
    # operate returns None when it was done, or the reason why not, in words for an operator.
    # Settings: self.attempts_max, self.backoff_ms, self.backoff_ms_max.

    def declined(self, saga: pb.Saga, reason: str) -> None:
        """It will never be done. What follows the pivot must not be declined; if it is, that is an
        operator's."""
        # TODO: a step was declined: turn back, unless it is past the pivot
        raise NotWritten(4, "declined")

    def turn_back(self, saga: pb.Saga, reason: str, *, unsure: bool) -> None:
        """Compensates, the latest step first. `unsure`: the step at hand may have been done, so it
        is undone as if it was."""
        # TODO: turn back: undo what was done, and what may have been done
        raise NotWritten(4, "turn_back")

    def to_undo(self, saga: pb.Saga) -> pb.Step:
        """The latest step that was done and not undone."""
        # TODO: which step to undo next
        raise NotWritten(4, "to_undo")

    def try_again(self, saga: pb.Saga, reason: str) -> None:
        """Nobody knows whether it was done. The same request may be sent again; after so many times
        the saga turns back, if it can."""
        # TODO: a step failed: try again later, turn back, or call for an operator
        raise NotWritten(4, "try_again")

    def operate(self, saga: pb.Saga, action: pb.OperateRequest.Action) -> str | None:
        """Does it; or says why not."""
        # TODO: what an operator may do with a saga that is stuck
        raise NotWritten(4, "operate")

    # ------------------------------------------------------------------------- part 5: Choreography
    # Services react to each other's events: none is lost, none tells a lie, none has its effect
    #   twice.
    # Read: Richardson 2018, 3.3 and 4.2; Helland 2012
    # self.outbox: by name, the events that the log may not have; on disk in "outbox/NAME", a
    #   pb.Outbox.
    # self.seen: the names of events that were taken; on disk in "inbox/NAME", a pb.Inbox.
    # self.offset: how far this service has read the log; on disk in OFFSET, a pb.Counter.
    # Given: commit(rows) makes rows durable as one; send_event(event), watch_outbox();
    #   react(event); follow(event, taken), which calls record; tell(request, work).
    # Settings: self.events_by (outbox, publish-after or publish-before), self.inbox.

    def emit(self, event: pb.Event, rows: Rows) -> None:
        """Makes the effect and its event happen, in the way of the setting."""
        # TODO: make an effect durable, and its event: together, or one after the other
        raise NotWritten(5, "emit")

    def relay(self) -> None:
        """Sends all that is in the outbox."""
        # TODO: send what is in the outbox, and look again later
        raise NotWritten(5, "relay")

    def published(self, name: str) -> None:
        """The log has it."""
        # TODO: remove an event from the outbox once the log has it
        raise NotWritten(5, "published")

    def take_event(self, event: pb.Event) -> None:
        """Reacts. With an inbox, that the event was taken and what came of it are one transaction;
        without, a crash between the two takes it again."""
        # TODO: take an event in: once, however often the log has it
        raise NotWritten(5, "take_event")

    def record(self, event: pb.Event, saga: pb.Saga) -> None:
        """What an event says of its order."""
        # TODO: what an event says of its order
        raise NotWritten(5, "record")
