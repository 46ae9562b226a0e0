"""Random orders under random faults: the right core keeps every promise, and what is planted is
found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labs.kit.fuzz.run import Outcome, run_case
from labs.kit.fuzz.target import Case
from labs.saga.fuzz import FUZZ
from nodes.cores.saga import OrderSaga
from nodes.cores.saga.services import Rows, Work
from protos import saga_pb2 as pb
from tests.support.seeds import share_of_clusters

SEEDS_MAX = 40  # within which a planted bug must show


@pytest.mark.parametrize("seed", range(share_of_clusters(500)))
def test_random_orders_and_faults(seed: int) -> None:
    """No money or goods lost or made, nothing done twice, no order half done after a heal but for
    the dead letters, from which an operator brings it to its end."""
    outcome = run_case(FUZZ, Case(seed))
    assert outcome.failure is None, outcome.failure
    assert outcome.verdict == "passed" or outcome.why_vacuous == "no fault acted"


class LogsAfterwards(OrderSaga):
    """Asks for the next step, and logs it when that is done."""

    def take_step(self, saga: pb.Saga) -> None:
        super().take_step(saga)
        super().log(saga)

    def log(self, saga: pb.Saga) -> None:
        if saga.status not in (pb.RUNNING, pb.COMPENSATING):
            super().log(saga)


class ForgetsKeys(OrderSaga):
    """Does a step again when it is asked again."""

    def work(self, request: pb.DoRequest) -> Work:
        forgetful = pb.DoRequest()
        forgetful.CopyFrom(request)
        forgetful.key = ""
        return super().work(forgetful)


class TrustsSilence(OrderSaga):
    """Takes a step that nobody answered for one that was not done."""

    def turn_back(self, saga: pb.Saga, reason: str, *, unsure: bool) -> None:
        del unsure
        super().turn_back(saga, reason, unsure=False)


class TurnsBackPastThePivot(OrderSaga):
    """Undoes an order that was shipped."""

    def stick(self, saga: pb.Saga, reason: str) -> None:
        if saga.status == pb.RUNNING:
            self.turn_back(saga, reason, unsure=False)
        else:
            super().stick(saga, reason)


class GivesUpSilently(OrderSaga):
    """Says of a compensation that nobody carried out that it is done."""

    def stick(self, saga: pb.Saga, reason: str) -> None:
        if saga.status == pb.COMPENSATING:
            self.advance(saga, skipped=False)
        else:
            super().stick(saga, reason)


class TellsAndForgets(OrderSaga):
    """Sends an event once, and keeps none to be sent again."""

    def emit(self, event: pb.Event, rows: Rows) -> None:
        self.commit(rows)
        self.send_event(event)


PLANTED: dict[type[OrderSaga], set[str]] = {
    LogsAfterwards: {"the intent is logged before the call (S8)"},
    ForgetsKeys: {
        "goods add up",
        "money adds up",
        "places add up",
        "each effect happens at most once for an order (S3)",
        "what comes after its compensation is refused (S6)",
    },
    TrustsSilence: {
        "what may have been done is undone (S4)",
        "an order is carried out everywhere or nowhere",
    },
    TurnsBackPastThePivot: {
        "each effect happens at most once for an order (S3)",
        "a sale is confirmed only when the shipment is booked",
        "compensations go backwards (S2)",
    },
    GivesUpSilently: {"an order is carried out everywhere or nowhere"},
    TellsAndForgets: {"recovers after a heal: orders come to an end"},
}


# From where on to look, so that no time goes by with seeds that are known not to show it.
FROM_SEED = {GivesUpSilently: 2, TurnsBackPastThePivot: 9, TellsAndForgets: 5}


def first_failure(core: type[OrderSaga]) -> Outcome | None:
    target = replace(FUZZ, mutants={"planted": core})
    first = FROM_SEED.get(core, 0)
    for seed in range(first, first + SEEDS_MAX):
        outcome = run_case(target, Case(seed, mutant="planted"))
        if outcome.failure is not None:
            return outcome
    return None


@pytest.mark.parametrize("core", PLANTED, ids=lambda core: core.__name__)
def test_what_is_planted_is_found(core: type[OrderSaga]) -> None:
    """By the promise that it breaks."""
    outcome = first_failure(core)
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.promise in PLANTED[core], outcome.failure
