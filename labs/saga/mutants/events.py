"""Planted bugs in how services tell each other what they have done."""

from __future__ import annotations

from nodes.cores.saga import OrderSaga
from nodes.cores.saga.services import Rows
from protos import saga_pb2 as pb


class PublishesAfter(OrderSaga):
    """Sends the event when the effect is done, and keeps it nowhere."""

    def emit(self, event: pb.Event, rows: Rows) -> None:
        self.events_by = "publish-after"
        super().emit(event, rows)


class PublishesBefore(OrderSaga):
    """Tells of an effect before it is done."""

    def emit(self, event: pb.Event, rows: Rows) -> None:
        self.events_by = "publish-before"
        super().emit(event, rows)


class OutboxOfItsOwn(OrderSaga):
    """Saves the effect, and then the event, each by itself."""

    def emit(self, event: pb.Event, rows: Rows) -> None:
        self.commit(rows)
        super().emit(event, {})


class ForgetsWhatItSent(OrderSaga):
    """Takes an event for known as soon as it is sent."""

    def emit(self, event: pb.Event, rows: Rows) -> None:
        super().emit(event, rows)
        self.published(event.id)


class NeverSendsAgain(OrderSaga):
    """Sends each event once, whether it arrives or not."""

    def relay(self) -> None:
        pass


class KeepsWhatTheLogHas(OrderSaga):
    """Leaves an event in the outbox for ever."""

    def published(self, name: str) -> None:
        pass


class RemovesItInMemoryOnly(OrderSaga):
    """Finds events in its outbox after a crash that the log has long had."""

    def published(self, name: str) -> None:
        self.outbox.pop(name, None)


class TakesEverythingIn(OrderSaga):
    """Does not ask whether an event was taken before."""

    def take_event(self, event: pb.Event) -> None:
        self.seen.pop(event.id, None)
        super().take_event(event)


class InboxInMemoryOnly(OrderSaga):
    """Knows the events that it has taken until it crashes."""

    def write(self, rows: Rows) -> None:  # type: ignore[override]  # as it is called
        self.seen.update(
            {name.removeprefix("inbox/"): None for name in rows if name.startswith("inbox/")}
        )
        super().write({name: row for name, row in rows.items() if not name.startswith("inbox/")})


class InboxAfterTheEffect(OrderSaga):
    """Saves the effect, and then that the event was taken."""

    def take_event(self, event: pb.Event) -> None:
        if event.id in self.seen:
            super().take_event(event)
            return
        inbox, self.inbox = self.inbox, False
        try:
            super().take_event(event)
        finally:
            self.inbox = inbox
        self.write({f"inbox/{event.id}": pb.Inbox(offset=self.offset)})


class SkipsWhatItMissed(OrderSaga):
    """Loses its place in the log when it takes an event that is nothing to it."""

    def take_event(self, event: pb.Event) -> None:
        super().take_event(event)
        if self.react(event) is None:
            self.offset += 1


class CompletedWhenShipped(OrderSaga):
    """Takes an order for over when it hears that the shipment is booked."""

    def record(self, event: pb.Event, saga: pb.Saga) -> None:
        super().record(event, saga)
        if event.kind == pb.Event.SHIPMENT_BOOKED:
            saga.status = pb.COMPLETED


class OverWhenDeclined(OrderSaga):
    """Takes an order for undone when it hears that a step was declined."""

    def record(self, event: pb.Event, saga: pb.Saga) -> None:
        super().record(event, saga)
        if saga.status == pb.COMPENSATING:
            saga.status = pb.COMPENSATED
