"""Planted bugs in how an order turns back, and when."""

from __future__ import annotations

from nodes.cores.saga import OrderSaga
from nodes.cores.saga.orchestrator import PIVOT
from protos import saga_pb2 as pb


class UndoesOnlyTheLatest(OrderSaga):
    """Is content when the latest step is undone."""

    def to_undo(self, saga: pb.Saga) -> pb.Step:
        return pb.NO_STEP if saga.undone else super().to_undo(saga)


class UndoesForwards(OrderSaga):
    """Undoes the first step first."""

    def to_undo(self, saga: pb.Saga) -> pb.Step:
        left = [step for step in saga.done if step not in saga.undone]
        return left[0] if left else pb.NO_STEP


class KeepsTheReasonToItself(OrderSaga):
    """Does not say why an order turned back."""

    def turn_back(self, saga: pb.Saga, reason: str, *, unsure: bool) -> None:
        super().turn_back(saga, "", unsure=unsure)


class AsksAgainAfterNo(OrderSaga):
    """Takes a step that was declined for one that failed this time."""

    def declined(self, saga: pb.Saga, reason: str) -> None:
        self.try_again(saga, reason)


class TurnsBackAtOnce(OrderSaga):
    """Has no patience: whatever fails once turns the order back."""

    def try_again(self, saga: pb.Saga, reason: str) -> None:
        if saga.status == pb.RUNNING and PIVOT not in saga.done:
            self.turn_back(saga, reason, unsure=True)
        else:
            super().try_again(saga, reason)


class NeverAsksAgain(OrderSaga):
    """Waits for an answer that got lost."""

    def try_again(self, saga: pb.Saga, reason: str) -> None:
        saga.attempts += 1


class HammersTheService(OrderSaga):
    """Waits no longer before the tenth attempt than before the first."""

    def try_again(self, saga: pb.Saga, reason: str) -> None:
        attempts = saga.attempts
        saga.attempts = 0
        super().try_again(saga, reason)
        if saga.status == pb.RUNNING:
            saga.attempts += attempts


class TakesSilenceForNo(OrderSaga):
    """Takes a step that was not answered for one that was not done."""

    def turn_back(self, saga: pb.Saga, reason: str, *, unsure: bool) -> None:
        super().turn_back(saga, reason, unsure=False)


class TurnsBackBehindThePivot(OrderSaga):
    """Undoes an order whose shipment is booked."""

    def try_again(self, saga: pb.Saga, reason: str) -> None:
        if saga.status == pb.RUNNING and saga.attempts + 1 >= self.attempts_max:
            self.turn_back(saga, reason, unsure=True)
        else:
            super().try_again(saga, reason)


class ReportsItAsUndone(OrderSaga):
    """Takes a compensation for done that could not be."""

    def try_again(self, saga: pb.Saga, reason: str) -> None:
        if saga.status == pb.COMPENSATING and saga.attempts + 1 >= self.attempts_max:
            self.advance(saga, skipped=False)
        else:
            super().try_again(saga, reason)


class UndoesWhatIsShipped(OrderSaga):
    """Lets an operator undo an order that is past its pivot."""

    def operate(self, saga: pb.Saga, action: pb.OperateRequest.Action) -> str | None:
        if saga.status == pb.STUCK and action == pb.OperateRequest.COMPENSATE:
            saga.before_stuck, saga.stuck_because = pb.UNKNOWN, ""
            self.turn_back(saga, "an operator", unsure=True)
            return None
        return super().operate(saga, action)


class OperatesOnAnything(OrderSaga):
    """Lets operators act on orders that are over."""

    def operate(self, saga: pb.Saga, action: pb.OperateRequest.Action) -> str | None:
        return super().operate(saga, action) if saga.status == pb.STUCK else None


class SkipsNothing(OrderSaga):
    """Asks for a step that an operator has seen to."""

    def operate(self, saga: pb.Saga, action: pb.OperateRequest.Action) -> str | None:
        if action == pb.OperateRequest.SKIP:
            action = pb.OperateRequest.RETRY
        return super().operate(saga, action)


class TurnsBackUnlogged(OrderSaga):
    """Begins to undo before its log says so."""

    def turn_back(self, saga: pb.Saga, reason: str, *, unsure: bool) -> None:
        saga.status, saga.reason, saga.attempts = pb.COMPENSATING, reason, 0
        if not unsure:
            saga.step = self.to_undo(saga)
        if saga.step == pb.NO_STEP:
            self.end(saga, pb.COMPENSATED)
        else:
            self.take_step(saga)
