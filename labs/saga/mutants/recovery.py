"""Planted bugs in the orchestrator's log, and in what follows from it."""

from __future__ import annotations

from nodes.cores.saga import OrderSaga
from nodes.cores.saga.orchestrator import PLAN, SAGAS
from protos import saga_pb2 as pb


class LogsNothing(OrderSaga):
    """Keeps in memory how far each order is."""

    def log(self, saga: pb.Saga) -> None:
        self.crash_point("before-saga-logged")
        self.crash_point("saga-logged")


class LogsTheBeginningOnly(OrderSaga):
    """Logs that there is an order, and not how far it is."""

    def log(self, saga: pb.Saga) -> None:
        if saga.done or saga.status != pb.RUNNING:
            self.crash_point("before-saga-logged")
            self.crash_point("saga-logged")
        else:
            super().log(saga)


class LogsAfterTheCall(OrderSaga):
    """Asks for the next step first, and logs then that it wanted to."""

    def advance(self, saga: pb.Saga, *, skipped: bool) -> None:
        place = PLAN.index(saga.step) + 1 if saga.step in PLAN else 0
        if saga.status == pb.RUNNING and place < len(PLAN):
            saga.attempts = 0
            saga.done.append(saga.step)
            saga.step = PLAN[place]
            self.take_step(saga)
            self.log(saga)
        else:
            super().advance(saga, skipped=skipped)


class ForgetsWhatWasUnderWay(OrderSaga):
    """Leaves the orders that were under way before a crash as they are."""

    def recover(self) -> None:
        pass


class BeginsAnewWithAll(OrderSaga):
    """After a crash asks for steps of orders that are over, too."""

    def recover(self) -> None:
        for saga in self.sagas.values():
            if saga.status == pb.COMPLETED:
                self.messages += 1
                request = self.request_for(saga.order, pb.CONFIRM, back=False)
                self.call(self.place_of(pb.CONFIRM), request, timeout_ms=self.call_timeout_ms)
        super().recover()


class CompletesWithoutTheSale(OrderSaga):
    """Takes an order for completed once it is shipped."""

    def advance(self, saga: pb.Saga, *, skipped: bool) -> None:
        if saga.step == pb.SHIP and saga.status == pb.RUNNING:
            saga.done.append(saga.step)
            self.end(saga, pb.COMPLETED)
        else:
            super().advance(saga, skipped=skipped)


class OneOrderAtATime(OrderSaga):
    """Has one place in its log, for the latest order."""

    def log(self, saga: pb.Saga) -> None:
        self.crash_point("before-saga-logged")
        for other in list(self.sagas):
            if other != saga.order.id:
                del self.sagas[other]
                self.save(SAGAS + other, pb.Saga())
        self.save(SAGAS + saga.order.id, saga)
        self.crash_point("saga-logged")
