"""The orchestrator: a durable log of how far each saga is, and calls to the services.

What it is about to do is logged before the call, so that after a crash it does it again: the key of
a step is always the same, and the service knows a repetition. A step that is declined turns the
saga back, and so does one that cannot be brought about; after the pivot there is no way back, and
what follows is tried until it succeeds or an operator is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import Message

from nodes.core import Call, Caller, Env, NodeId, Started, exercise, on_response, on_timer
from nodes.cores.saga.services import Services
from protos import saga_pb2 as pb

PLAN = (pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM)
PIVOT = pb.SHIP
OVER = (pb.COMPLETED, pb.COMPENSATED)
SAGAS = "sagas/"


@dataclass(slots=True)
class Volatile:
    """What is not worth logging of a saga."""

    retry_at_ms: int | None = None
    callers: list[Caller] = field(default_factory=list)


class Orchestrator(Services):
    """Drives sagas from step to step, forwards or back."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.call_timeout_ms = env.number("call_timeout_ms")
        self.backoff_ms = env.number("backoff_ms")
        self.backoff_ms_max = env.number("backoff_ms_max")
        self.attempts_max = env.number("attempts_max")
        self.sagas: dict[str, pb.Saga] = {}
        self.volatile: dict[str, Volatile] = {}

    def load(self, table: str, key: str, row: Message) -> None:
        super().load(table, key, row)
        if isinstance(row, pb.Saga):
            self.sagas[key] = row

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        if self.orchestrates():
            self.recover()

    def orchestrates(self) -> bool:
        """This node drives sagas."""
        return self.role == "orchestrator" and self.env.text("style") == "orchestrated"

    def of(self, saga: pb.Saga) -> Volatile:
        """The volatile side of a saga."""
        return self.volatile.setdefault(saga.order.id, Volatile())

    # ------------------------------------------------------------------------------------- the log

    @exercise(part=3, brief="log what a saga is about to do, before it does it")
    def log(self, saga: pb.Saga) -> None:
        """How far the saga is, durably; its next step is the intent."""
        self.crash_point("before-saga-logged")
        self.save(SAGAS + saga.order.id, saga)
        self.crash_point("saga-logged")

    @exercise(part=3, brief="after a start: go on with every saga that was under way")
    def recover(self) -> None:
        """The step at hand may have been done or not; asked for again, it is done once."""
        for saga in self.sagas.values():
            if saga.status in (pb.RUNNING, pb.COMPENSATING):
                self.take_step(saga)

    def begin(self, order: pb.Order) -> pb.Saga:
        """A new saga."""
        saga = pb.Saga(order=order, status=pb.RUNNING, step=PLAN[0])
        self.sagas[order.id] = saga
        self.note("placed", order=order.id)
        self.log(saga)
        self.take_step(saga)
        return saga

    # --------------------------------------------------------------------------------------- steps

    def take_step(self, saga: pb.Saga) -> None:
        """Asks the service for the step at hand, or for its compensation."""
        self.of(saga).retry_at_ms = None
        self.messages += 1
        name, back = pb.Step.Name(saga.step).lower(), saga.status == pb.COMPENSATING
        self.note("step", order=saga.order.id, step=name, undone=back, attempt=saga.attempts + 1)
        request = self.request_for(saga.order, saga.step, back=back)
        self.call(self.place_of(saga.step), request, timeout_ms=self.call_timeout_ms)
        self.crash_point("step-sent")

    @exercise(part=2, brief="the same step of the same order always has the same key")
    def request_for(self, order: pb.Order, step: pb.Step, *, back: bool) -> pb.DoRequest:
        """A step, or its compensation, as a request; its key names order, step and direction."""
        name, direction = pb.Step.Name(step).lower(), "undo" if back else "do"
        key = f"{order.id}:{name}:{direction}" if self.idempotent else ""
        return pb.DoRequest(step=step, compensation=back, order=order, key=key)

    @on_response(pb.DoRequest, pb.DoResponse)
    def on_done(self, peer: NodeId, request: pb.DoRequest, response: pb.DoResponse) -> None:
        self.messages += 1
        saga = self.awaited(request)
        if saga is None:
            return
        if response.result == pb.DoResponse.DONE:
            self.advance(saga, skipped=False)
        elif response.result == pb.DoResponse.DECLINED and saga.status == pb.RUNNING:
            self.declined(saga, response.reason)
        else:
            self.try_again(saga, response.reason)

    def on_call_failed(self, call: Call, reason: str) -> None:
        if isinstance(call.request, pb.DoRequest):
            saga = self.awaited(call.request)
            if saga is not None:
                self.try_again(saga, f"{call.peer} did not answer")

    def awaited(self, request: pb.DoRequest) -> pb.Saga | None:
        """The saga that waits for just this; None when it has moved on."""
        saga = self.sagas.get(request.order.id)
        if saga is None or saga.status not in (pb.RUNNING, pb.COMPENSATING):
            return None
        back = saga.status == pb.COMPENSATING
        return saga if (saga.step, back) == (request.step, request.compensation) else None

    @exercise(part=3, brief="a step is done: log the next one and take it, or end")
    def advance(self, saga: pb.Saga, *, skipped: bool) -> None:
        """The step at hand is done, or an operator has seen to it."""
        saga.attempts = 0
        if skipped:
            saga.skipped.append(saga.step)
        if saga.status == pb.RUNNING:
            saga.done.append(saga.step)
            place = PLAN.index(saga.step) + 1
            if place == len(PLAN):
                self.end(saga, pb.COMPLETED)
                return
            saga.step = PLAN[place]
        else:
            saga.undone.append(saga.step)
            following = self.to_undo(saga)
            if following == pb.NO_STEP:
                self.end(saga, pb.COMPENSATED)
                return
            saga.step = following
        self.log(saga)
        self.take_step(saga)

    @exercise(part=4, brief="a step was declined: turn back, unless it is past the pivot")
    def declined(self, saga: pb.Saga, reason: str) -> None:
        """It will never be done. What follows the pivot must not be declined; if it is, that is an
        operator's."""
        if PIVOT in saga.done:
            self.stick(saga, reason)
        else:
            self.turn_back(saga, reason, unsure=False)

    @exercise(part=4, brief="turn back: undo what was done, and what may have been done")
    def turn_back(self, saga: pb.Saga, reason: str, *, unsure: bool) -> None:
        """Compensates, the latest step first. `unsure`: the step at hand may have been done, so it
        is undone as if it was."""
        self.note("turned_back", order=saga.order.id, reason=reason)
        saga.status, saga.reason, saga.attempts = pb.COMPENSATING, reason, 0
        if not unsure:
            saga.step = self.to_undo(saga)
        if saga.step == pb.NO_STEP:
            self.end(saga, pb.COMPENSATED)
            return
        self.log(saga)
        self.take_step(saga)

    @exercise(part=4, brief="which step to undo next")
    def to_undo(self, saga: pb.Saga) -> pb.Step:
        """The latest step that was done and not undone."""
        left = [step for step in saga.done if step not in saga.undone]
        return left[-1] if left else pb.NO_STEP

    def end(self, saga: pb.Saga, status: pb.Status) -> None:
        """The saga is over, which is reported only from here on."""
        saga.status, saga.step = status, pb.NO_STEP
        self.log(saga)
        self.note("ended", order=saga.order.id, status=pb.Status.Name(status).lower())
        self.tell_clients(saga)

    # ------------------------------------------------------------------------------------ patience

    @exercise(part=4, brief="a step failed: try again later, turn back, or call for an operator")
    def try_again(self, saga: pb.Saga, reason: str) -> None:
        """Nobody knows whether it was done. The same request may be sent again; after so many times
        the saga turns back, if it can."""
        saga.attempts += 1
        if saga.attempts < self.attempts_max:
            wait_ms = min(self.backoff_ms_max, self.backoff_ms << (saga.attempts - 1))
            self.of(saga).retry_at_ms = self.now.mono_ms + self.env.rng.randint(
                wait_ms // 2, wait_ms
            )
            self.watch()
        elif saga.status == pb.RUNNING and PIVOT not in saga.done:
            self.turn_back(saga, reason, unsure=True)
        else:
            self.stick(saga, reason)

    def stick(self, saga: pb.Saga, reason: str) -> None:
        """It needs an operator: it is not over, and nothing says that it is."""
        saga.before_stuck, saga.status, saga.stuck_because = saga.status, pb.STUCK, reason
        self.log(saga)
        self.note("stuck", order=saga.order.id, reason=reason)
        self.tell_clients(saga)

    def watch(self) -> None:
        """Looks again when the first retry is due."""
        due = [one.retry_at_ms for one in self.volatile.values() if one.retry_at_ms is not None]
        if due:
            self.set_timer("sagas", max(0, min(due) - self.now.mono_ms))

    @on_timer("sagas")
    def retry_due(self) -> None:
        """Those whose time has come."""
        for order, volatile in list(self.volatile.items()):
            if volatile.retry_at_ms is not None and volatile.retry_at_ms <= self.now.mono_ms:
                self.take_step(self.sagas[order])
        self.watch()

    # ----------------------------------------------------------------------------------- operators

    @exercise(part=4, brief="what an operator may do with a saga that is stuck")
    def operate(self, saga: pb.Saga, action: pb.OperateRequest.Action) -> str | None:
        """Does it; or says why not."""
        if saga.status != pb.STUCK:
            return "it is not stuck"
        if action == pb.OperateRequest.NONE:
            return "it takes an action: retry, skip or compensate"
        if action == pb.OperateRequest.COMPENSATE and PIVOT in saga.done:
            return "it is past its pivot: it can only be brought to its end"
        saga.status, saga.before_stuck = saga.before_stuck, pb.UNKNOWN
        saga.attempts, saga.stuck_because = 0, ""
        name = pb.OperateRequest.Action.Name(action).lower()
        self.note("operated", order=saga.order.id, action=name)
        if action == pb.OperateRequest.SKIP:
            self.advance(saga, skipped=True)
        else:  # A saga that is stuck before its pivot is compensating by itself.
            self.log(saga)
            self.take_step(saga)
        return None

    # ------------------------------------------------------------------------------------- clients

    def tell_clients(self, saga: pb.Saga) -> None:
        """Everyone who waits for this saga hears how it is."""
        volatile = self.of(saga)
        for caller in volatile.callers:
            self.respond(caller, pb.PlaceResponse(saga=saga))
        volatile.callers = []
        if saga.status in OVER:
            self.volatile.pop(saga.order.id, None)
