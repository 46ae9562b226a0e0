"""Choreography: no one is in charge; each service reacts to events, and makes events.

An effect and its event are two things, in two places. With an outbox the event is written in the
same local transaction, and sent from there until the log has it. Without, a crash between the two
loses the event, or tells of something that never happened. The log may deliver twice: an inbox in
the same transaction as the effect knows what was taken before. Nobody asks a service again, so
what cannot be done now is declined.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

from nodes.core import Call, Caller, Env, NodeId, Started, exercise, handles, on_response, on_timer
from nodes.cores.saga.orchestrator import OVER, SAGAS, Orchestrator
from nodes.cores.saga.services import Rows, Work
from protos import saga_pb2 as pb

LOG = "events"
OFFSET = "offsets/log"
POLL_MAX = 50
Kind = pb.Event

# What a service does at an event: the step, whether it is undone, and the events of its outcomes.
REACTIONS: dict[tuple[str, Kind.Kind], tuple[pb.Step, bool, Kind.Kind, Kind.Kind]] = {
    ("stock", Kind.ORDER_PLACED): (pb.RESERVE, False, Kind.STOCK_RESERVED, Kind.STOCK_DECLINED),
    ("payment", Kind.STOCK_RESERVED): (
        pb.CHARGE,
        False,
        Kind.PAYMENT_CHARGED,
        Kind.PAYMENT_DECLINED,
    ),
    ("shipping", Kind.PAYMENT_CHARGED): (
        pb.SHIP,
        False,
        Kind.SHIPMENT_BOOKED,
        Kind.SHIPMENT_DECLINED,
    ),
    ("stock", Kind.SHIPMENT_BOOKED): (pb.CONFIRM, False, Kind.STOCK_CONFIRMED, Kind.NONE),
    ("payment", Kind.SHIPMENT_DECLINED): (pb.CHARGE, True, Kind.PAYMENT_REFUNDED, Kind.NONE),
    ("stock", Kind.PAYMENT_DECLINED): (pb.RESERVE, True, Kind.STOCK_RELEASED, Kind.NONE),
    ("stock", Kind.PAYMENT_REFUNDED): (pb.RESERVE, True, Kind.STOCK_RELEASED, Kind.NONE),
}
STEPS_DONE = {
    Kind.STOCK_RESERVED: pb.RESERVE,
    Kind.PAYMENT_CHARGED: pb.CHARGE,
    Kind.SHIPMENT_BOOKED: pb.SHIP,
    Kind.STOCK_CONFIRMED: pb.CONFIRM,
}
STEPS_UNDONE = {Kind.PAYMENT_REFUNDED: pb.CHARGE, Kind.STOCK_RELEASED: pb.RESERVE}


class Choreography(Orchestrator):
    """Takes events from the log, and puts events into it. The first node keeps the log."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.choreographed = env.text("style") == "choreographed"
        self.events_by = env.text("events")  # outbox, publish-after or publish-before
        self.inbox = env.text("inbox") == "on"
        self.poll_ms = env.number("poll_ms")
        self.log_length = 0
        self.entries: list[pb.Event] = []  # the log, at the node that keeps it
        self.outbox: dict[str, pb.Event] = {}
        self.seen: dict[str, None] = {}  # the inbox
        self.offset = 0
        self.relaying = False
        self.sent_ms: dict[str, int] = {}  # when what is in the outbox was sent
        self.polling = False

    def load(self, table: str, key: str, row: Message) -> None:
        super().load(table, key, row)
        match row:
            case pb.Outbox():
                self.outbox[key] = row.event
            case pb.Inbox():
                self.seen[key] = None
            case pb.Counter() if table == "offsets":
                self.offset = row.value

    def on_start(self, started: Started) -> None:
        log = started.logs.get(LOG)
        self.entries = (
            [entry for entry in log.entries if isinstance(entry, pb.Event)] if log else []
        )
        super().on_start(started)
        if self.choreographed and not self.lost_disk:
            self.set_timer("poll", self.env.rng.randint(1, self.poll_ms))
            self.relay()

    @property
    def keeper(self) -> NodeId:
        """The node that keeps the log."""
        return self.places[0]

    # ------------------------------------------------------------------------------------- the log

    @handles(pb.PublishRequest)
    def publish(self, request: pb.PublishRequest, caller: Caller) -> pb.PublishResponse:
        self.put_into_log(request.event)
        return pb.PublishResponse(offset=len(self.entries))

    def put_into_log(self, event: pb.Event) -> None:
        """Adds an event at the end; one that is sent again is there again."""
        self.entries.append(event)
        self.append(LOG, len(self.entries), [event])
        self.crash_point("event-in-log")

    @handles(pb.PollRequest)
    def poll(self, request: pb.PollRequest, caller: Caller) -> pb.PollResponse:
        until = request.after + request.limit
        return pb.PollResponse(events=self.entries[request.after : until])

    # ------------------------------------------------------------------------------------ producing

    def new_event(self, kind: Kind.Kind, order: pb.Order, reason: str = "") -> pb.Event:
        """An event; told again, it has the same name."""
        name = f"{order.id}:{Kind.Kind.Name(kind).lower()}"
        return pb.Event(id=name, kind=kind, order=order, reason=reason)

    @exercise(
        part=5, brief="make an effect durable, and its event: together, or one after the other"
    )
    def emit(self, event: pb.Event, rows: Rows) -> None:
        """Makes the effect and its event happen, in the way of the setting."""
        if self.events_by == "outbox":
            self.commit({**rows, f"outbox/{event.id}": pb.Outbox(event=event)})
            self.send_event(event)
            self.watch_outbox()
        elif self.events_by == "publish-before":
            self.send_event(event)
            self.commit(rows)
        else:
            self.commit(rows)
            self.send_event(event)
        name = Kind.Kind.Name(event.kind).lower()
        self.note("told", order=event.order.id, event=name)

    def send_event(self, event: pb.Event) -> None:
        """To the log, once; without a message where this node keeps it. What is in the outbox and
        was sent a moment ago is under way."""
        sent_ms = self.sent_ms.get(event.id)
        if event.id in self.outbox:
            if sent_ms is not None and self.now.mono_ms - sent_ms < self.call_timeout_ms:
                return
            self.sent_ms[event.id] = self.now.mono_ms
        self.crash_point("before-event-sent")
        if self.env.node_id == self.keeper:
            self.put_into_log(event)
            self.published(event.id)
        else:
            self.messages += 1
            request = pb.PublishRequest(event=event)
            self.call(self.keeper, request, timeout_ms=self.call_timeout_ms)
        self.crash_point("event-sent")

    @exercise(part=5, brief="send what is in the outbox, and look again later")
    def relay(self) -> None:
        """Sends all that is in the outbox."""
        for event in list(self.outbox.values()):
            self.send_event(event)
        self.watch_outbox()

    def watch_outbox(self) -> None:
        """Looks again later, as long as there is something that the log may not have."""
        if self.outbox and not self.relaying:
            self.relaying = True
            self.set_timer("relay", self.call_timeout_ms)

    @on_timer("relay")
    def relay_again(self) -> None:
        """What was not acknowledged is sent again: the log may have it twice then."""
        self.relaying = False
        self.sent_ms = {name: at for name, at in self.sent_ms.items() if name in self.outbox}
        self.relay()

    @on_response(pb.PublishRequest, pb.PublishResponse)
    def on_published(
        self, peer: NodeId, request: pb.PublishRequest, response: pb.PublishResponse
    ) -> None:
        self.messages += 1
        self.published(request.event.id)

    @exercise(part=5, brief="remove an event from the outbox once the log has it")
    def published(self, name: str) -> None:
        """The log has it."""
        if self.outbox.pop(name, None) is not None:
            self.save(f"outbox/{name}", pb.Outbox())

    # ------------------------------------------------------------------------------------ consuming

    @on_timer("poll")
    def ask_log(self) -> None:
        """Looks for new events."""
        self.set_timer("poll", self.poll_ms)
        if self.env.node_id == self.keeper:
            self.take_events(self.entries[self.offset :])
        elif not self.polling:
            self.polling = True
            request = pb.PollRequest(after=self.offset, limit=POLL_MAX)
            self.messages += 1
            self.call(self.keeper, request, timeout_ms=self.call_timeout_ms)

    @on_response(pb.PollRequest, pb.PollResponse)
    def on_polled(self, peer: NodeId, request: pb.PollRequest, response: pb.PollResponse) -> None:
        self.messages += 1
        self.polling = False
        self.take_events(response.events)

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        if isinstance(call.request, pb.PollRequest):
            self.polling = False

    def take_events(self, events: Iterable[pb.Event]) -> None:
        """One after the other."""
        for event in events:
            self.take_event(event)

    @exercise(part=5, brief="take an event in: once, however often the log has it")
    def take_event(self, event: pb.Event) -> None:
        """Reacts. With an inbox, that the event was taken and what came of it are one transaction;
        without, a crash between the two takes it again."""
        taken: Rows = {OFFSET: pb.Counter(value=self.offset + 1)}
        if self.inbox and event.id in self.seen:
            self.repetitions += 1
            self.write(taken)
            return
        if self.inbox:
            taken[f"inbox/{event.id}"] = pb.Inbox(offset=self.offset + 1)
        reacted = self.react(event)
        if reacted is None:
            self.follow(event, taken)
            return
        request, work, produced = reacted
        together = {**work.rows, **taken} if self.inbox else work.rows
        if produced is not None:
            self.emit(produced, together)
        elif together:
            self.commit(together)
        self.tell(request, work)
        if not self.inbox:
            self.write(taken)

    def react(self, event: pb.Event) -> tuple[pb.DoRequest, Work, pb.Event | None] | None:
        """What this service does at an event, what that comes to, and the event that tells of it;
        None when the event is nothing to it."""
        reaction = REACTIONS.get((self.role, event.kind))
        if reaction is None:
            return None
        step, back, done, refused = reaction
        request = self.request_for(event.order, step, back=back)
        work = self.work(request)
        kind = done if work.result == pb.DoResponse.DONE else refused
        produced = None if kind == Kind.NONE else self.new_event(kind, event.order, work.reason)
        return request, work, produced

    def follow(self, event: pb.Event, taken: Rows) -> None:
        """Nothing is to be done; the orders' service keeps account of what others did."""
        saga = self.sagas.get(event.order.id)
        if saga is None or saga.status in OVER:
            self.write(taken)
            return
        self.record(event, saga)
        self.write({SAGAS + saga.order.id: saga, **taken})
        if saga.status in OVER:
            self.note("ended", order=saga.order.id, status=pb.Status.Name(saga.status).lower())
            self.tell_clients(saga)

    @exercise(part=5, brief="what an event says of its order")
    def record(self, event: pb.Event, saga: pb.Saga) -> None:
        """What an event says of its order."""
        step_done, step_undone = STEPS_DONE.get(event.kind), STEPS_UNDONE.get(event.kind)
        if step_done is not None and step_done not in saga.done:
            saga.done.append(step_done)
        if step_undone is not None and step_undone not in saga.undone:
            saga.undone.append(step_undone)
        if event.kind in (Kind.STOCK_DECLINED, Kind.PAYMENT_DECLINED, Kind.SHIPMENT_DECLINED):
            saga.status, saga.reason = pb.COMPENSATING, event.reason
            self.note("turned_back", order=saga.order.id, reason=event.reason)
        if event.kind in (Kind.STOCK_DECLINED, Kind.STOCK_RELEASED):
            saga.status = pb.COMPENSATED
        elif event.kind == Kind.STOCK_CONFIRMED:
            saga.status = pb.COMPLETED

    def place_by_events(self, order: pb.Order) -> pb.Saga:
        """A new order: the event that tells of it starts everything."""
        saga = pb.Saga(order=order, status=pb.RUNNING)
        self.note("placed", order=order.id)
        self.emit(self.new_event(Kind.ORDER_PLACED, order), {SAGAS + order.id: saga})
        return saga
