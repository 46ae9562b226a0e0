"""Planted bugs in how a repetition is known."""

from __future__ import annotations

from nodes.cores.saga import OrderSaga
from nodes.cores.saga.services import Work
from protos import saga_pb2 as pb


class DoesItAgain(OrderSaga):
    """Does not ask whether a request has come before."""

    def work(self, request: pb.DoRequest) -> Work:
        self.requests.pop(request.key, None)
        return super().work(request)


class RemembersInMemoryOnly(OrderSaga):
    """Knows repetitions until it crashes."""

    def work(self, request: pb.DoRequest) -> Work:
        work = super().work(request)
        remembered = work.rows.pop(f"requests/{request.key}", None)
        if isinstance(remembered, pb.Request):
            self.requests[request.key] = remembered
        return work


class RemembersBeforeItDoes(OrderSaga):
    """Saves that a step is done in a transaction of its own, before the step."""

    def work(self, request: pb.DoRequest) -> Work:
        work = super().work(request)
        name = f"requests/{request.key}"
        remembered = work.rows.pop(name, None)
        if remembered is not None:
            self.write({name: remembered})
        return work


class EveryRepetitionIsDone(OrderSaga):
    """Answers that a step is done whenever it comes again, also one that was declined."""

    def work(self, request: pb.DoRequest) -> Work:
        work = super().work(request)
        if work.repeated:
            work.result = pb.DoResponse.DONE
        return work


class RemembersOnlyWhatWasDone(OrderSaga):
    """Looks again when a request comes that it had declined."""

    def work(self, request: pb.DoRequest) -> Work:
        work = super().work(request)
        if work.result == pb.DoResponse.DECLINED:
            work.rows.pop(f"requests/{request.key}", None)
        return work


class RemembersFailures(OrderSaga):
    """Takes what did not work this time for what will never work."""

    def work(self, request: pb.DoRequest) -> Work:
        work = super().work(request)
        if work.result == pb.DoResponse.FAILED and not work.repeated:
            remembered = pb.Request(result=work.result, reason=work.reason)
            work.rows[f"requests/{request.key}"] = remembered
        return work


class ANewKeyEachTime(OrderSaga):
    """Gives each attempt a key of its own."""

    def request_for(self, order: pb.Order, step: pb.Step, *, back: bool) -> pb.DoRequest:
        request = super().request_for(order, step, back=back)
        request.key += f":{self.messages}"
        return request


class OneKeyForAStep(OrderSaga):
    """Has the same key for the same step of all orders."""

    def request_for(self, order: pb.Order, step: pb.Step, *, back: bool) -> pb.DoRequest:
        request = super().request_for(order, step, back=back)
        request.key = request.key.partition(":")[2]
        return request


class OneKeyForBothDirections(OrderSaga):
    """Has the same key for a step and for its compensation."""

    def request_for(self, order: pb.Order, step: pb.Step, *, back: bool) -> pb.DoRequest:
        request = super().request_for(order, step, back=back)
        request.key = request.key.rpartition(":")[0]
        return request
