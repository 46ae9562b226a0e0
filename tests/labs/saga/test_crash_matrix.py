"""Wherever a node crashes, an order ends as it would have without: the complete crash matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from labs.kit.crash_matrix import boundaries
from labs.kit.violation import InvariantViolated
from labs.saga.invariants import invariants
from labs.saga.orders import bound_ms, brought_to_an_end, place
from nodes.core import Param
from nodes.cores.saga import OrderSaga
from nodes.cores.saga.services import Rows
from nodes.sim.cluster import SimCluster, SimOptions
from protos import saga_pb2 as pb
from tests.support.saga_bench import order, saga_spec
from tests.support.seeds import is_full

RESTART_MS: Final = 400


@dataclass(frozen=True)
class Case:
    """Orders that are placed one after the other, and how each must end."""

    name: str
    orders: Sequence[pb.Order]
    ends: Sequence[tuple[pb.Status, ...]]
    params: dict[str, Param] = field(default_factory=dict)


DONE, UNDONE = (pb.COMPLETED,), (pb.COMPENSATED,)
CASES: Final = (
    Case("completes", [order()], [DONE]),
    Case("no goods", [order(quantity=101)], [UNDONE]),
    Case("no such item", [order(item="cup")], [UNDONE]),
    Case("no money", [order(price=1001)], [UNDONE]),
    Case("no place in the van", [order()], [UNDONE], {"opening_capacity": 0}),
    Case(
        "two orders, goods for one",
        [order(quantity=60), order("o2", quantity=60)],
        [DONE, UNDONE],
    ),
    # A service that stays away longer than the orchestrator's patience: it turns back without
    # knowing what was done, and may need an operator.
    Case("impatient", [order()], [DONE + UNDONE], {"attempts_max": 1}),
)
STYLES: Final = ("orchestrated", "choreographed")


async def outcome(cluster: SimCluster, case: Case) -> list[pb.Status]:
    """Places the orders, and brings all to an end within the bound."""
    within_ms = RESTART_MS + bound_ms(cluster.params)
    for one in case.orders:
        await place(cluster, one, within_ms=within_ms)
    ids = [one.id for one in case.orders]
    sagas, _ = await brought_to_an_end(cluster, ids, within_ms=within_ms)
    return [sagas[id].status for id in ids]


def matrices() -> list[object]:
    """Every case in both styles; in everyday runs no more choreographies than one of each kind,
    since their nodes look into the log all the time."""
    few = {"completes", "no money", "no place in the van"}
    return [
        pytest.param(style, case, id=f"{style}, {case.name}")
        for style in STYLES
        for case in CASES
        if is_full() or style == "orchestrated" or case.name in few
    ]


@pytest.mark.parametrize(("style", "case"), matrices())
def test_every_effect_boundary(style: str, case: Case) -> None:
    """A crash before any effect of any node, with what was not synced kept or lost: the order ends
    as it must at every service, within steps x (timeout + backoff) of the restart."""
    spec = saga_spec(style=style, **case.params)
    nodes = None if is_full() or case.name == "completes" else spec.node_ids[:1]
    wrong, places = [], 0
    for run in boundaries(
        spec,
        lambda cluster: outcome(cluster, case),
        nodes=nodes,
        restart_after_ms=RESTART_MS,
        options=SimOptions(digest=False),
        observers=invariants,
    ):
        places += 1
        ends = run.result or []
        if run.failure or not all(map(lambda end, may: end in may, ends, case.ends)):
            wrong.append(f"{run.where}: {ends}, {run.failure!r}")
    assert not wrong, f"{len(wrong)} of {places} places\n" + "\n".join(wrong[:10])
    assert places > 10


class TwoTransactions(OrderSaga):
    """Saves goods and reservation, money and charge, one after the other."""

    def write(self, rows: Rows) -> None:  # type: ignore[override]  # narrower, which is no matter
        for name, row in rows.items():
            super().write({name: row})


def test_what_is_half_saved_is_found() -> None:
    """A step that is two transactions: a crash between them, and nothing adds up any more."""
    found = set()
    for run in boundaries(
        saga_spec(),
        lambda cluster: outcome(cluster, CASES[0]),
        nodes=("n2", "n3", "n4"),
        restart_after_ms=RESTART_MS,
        options=SimOptions(digest=False),
        cores=dict.fromkeys(("n2", "n3", "n4"), TwoTransactions),
        observers=invariants,
    ):
        if isinstance(run.failure, InvariantViolated):
            found.add(run.failure.invariant)
    assert found >= {"goods add up", "money adds up", "places add up"}
