"""Every experiment of the saga lab in simulation, with short settings: what the guide claims is
what comes out."""

from __future__ import annotations

from collections import Counter

import pytest

from labs.kit.experiment import Figures
from labs.saga.experiments.crashes import KINDS, PATIENT
from labs.saga.experiments.tools import Books, done_again, effects_in
from labs.saga.lab import CRASH_POINTS, LAB
from labs.saga.orders import bound_ms, place, settled
from nodes.cluster.api import NodeState
from nodes.core import NoteValue
from nodes.sim.cluster import SimCluster, simulate
from nodes.timeline import TimelineEvent
from protos import saga_pb2 as pb
from tests.support.experiments import passed as passed_in
from tests.support.saga_bench import order, saga_spec


def passed(experiment_id: str) -> Figures:
    """The figures of a run of this lab that counts and whose claims hold."""
    return passed_in(LAB, experiment_id)


def test_crash_matrix() -> None:
    """Every kind of order ends as it must, whole, and soon."""
    figures = passed("crash-matrix")
    for name, kind in KINDS.items():
        assert figures.value(f"crashes_{name}") == len(kind.passes)
        assert figures.value(f"as_expected_{name}") == 100
        assert figures.value(f"half_done_{name}") == figures.value(f"books_off_{name}") == 0
        assert figures.value(f"recovery_ms_{name}") < 3000
    for point in CRASH_POINTS:
        assert figures.value(f"as_expected_at_{point.replace('-', '_')}") == 100


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.attempts == PATIENT])
def test_the_matrix_leaves_no_pass_out(name: str) -> None:
    """Each node dies at each point as often as it passes it while one order is carried out."""
    kind = KINDS[name]

    async def one_order(cluster: SimCluster) -> dict[tuple[str, str], int]:
        within_ms = bound_ms(cluster.params)
        await place(cluster, order(price=kind.price), within_ms=within_ms)
        await settled(cluster, "o1", within_ms=within_ms)
        assert all(cluster.node_state(node) is NodeState.UP for node in cluster.nodes)
        return {
            (node, point): count
            for node in cluster.nodes
            for point, count in cluster.crash_points_passed(node).items()
        }

    # Events that are looked for when they are sent again are another pass, by chance.
    spec = saga_spec(style=kind.style, call_timeout_ms=350)
    assert simulate(spec, one_order) == kind.passes


def test_duplicate_and_lost_replies() -> None:
    """Charged twice without keys, and never with them, though as often asked twice."""
    figures = passed("duplicate-and-lost-replies")
    assert figures.value("requests_again_with_keys") > 10
    assert figures.value("requests_again_without_keys") > 10
    assert figures.value("charges_twice_with_keys") == 0
    assert figures.value("charges_twice_without_keys") > 5
    for what, step in (("goods", "reserve"), ("places", "ship")):
        missing = figures.value(f"{what}_missing_without_keys")
        assert missing == figures.value(f"{step}s_twice_without_keys") > 0


def test_what_was_done_again() -> None:
    """A step that is done three times for an order is done twice too often; undoing is another."""

    def did(order: str, step: str, *, undone: bool = False) -> TimelineEvent:
        fields: dict[str, NoteValue] = {"order": order, "step": step, "undone": undone}
        return TimelineEvent("n3", 1, 1, 1.0, "did", fields)

    events = [
        *(did("o1", "charge"), did("o1", "charge"), did("o1", "charge")),
        *(did("o1", "charge", undone=True), did("o2", "charge"), did("o1", "ship")),
    ]
    effects = effects_in(events)
    assert effects == Counter(
        {
            ("o1", "charge", False): 3,
            ("o1", "charge", True): 1,
            ("o2", "charge", False): 1,
            ("o1", "ship", False): 1,
        }
    )
    assert done_again(effects, "charge") == 2
    assert done_again(effects, "ship") == 0


def test_books_that_do_not_add_up() -> None:
    """What is missing is seen at each service, and an order that is neither done nor undone."""
    books = Books(
        pb.SagaView(
            stock={"book": 95, "lamp": 100},
            held={"book": 2},
            sold={"book": 1},
            reservations={"o1": "confirmed", "o2": "pending", "o3": "released"},
        ),
        pb.SagaView(accounts={"alice": 990}, taken=5, charges={"o1": "charged", "o3": "refunded"}),
        pb.SagaView(capacity_left=9, booked=1, shipments={"o1": "booked", "o3": "refused"}),
        {"stock": 100, "balance": 1000, "capacity": 10},
    )
    assert books.goods_off == {"book": -2, "lamp": 0}
    assert books.money_off == -5
    assert books.places_off == 0
    assert not books.balanced
    assert [books.whole(order) for order in ("o1", "o2", "o3", "o4")] == [True, False, True, True]


def test_compensation_fails() -> None:
    """Stuck and shown; ended by an operator, or by patience."""
    figures = passed("compensation-fails")
    assert figures.value("stuck_after_ms_retry") < 1500
    assert figures.value("end_ms_retry") < 1000
    for outage in ("short_outage", "retry"):
        assert figures.value(f"money_back_{outage}") == 100
        assert figures.value(f"goods_back_{outage}") == 100
        assert figures.value(f"named_as_skipped_{outage}") == 0
    assert figures.value("goods_back_skip") == 100


def test_isolation_anomalies() -> None:
    """One good from nothing a round; orders under a lock go one by one."""
    figures = passed("isolation-anomalies")
    assert figures.value("goods_from_nothing_absolute") == 3
    for way in ("absolute", "commutative", "locks"):
        assert figures.value(f"hot_completed_{way}") == 100
    assert figures.value("hot_per_s_locks") < figures.value("hot_per_s_commutative") / 3


def test_orchestration_vs_choreography() -> None:
    """Eight messages an order, in a few milliseconds or in a few polls."""
    figures = passed("orchestration-vs-choreography")
    assert figures.value("messages_per_order_choreographed") == pytest.approx(8, abs=1)
    assert figures.value("order_ms_orchestrated") < 20
    assert 100 < figures.value("order_ms_choreographed") < 600
    assert figures.value("carried_out_orchestrated") == 100


def test_outbox_vs_dual_write() -> None:
    """Two of four crashes lose the event, or make it a phantom."""
    figures = passed("outbox-vs-dual-write")
    assert figures.value("crashes_outbox") == 4
    assert figures.value("events_lost_publish_after") == 2
    assert figures.value("events_phantom_publish_before") == 2
    for what in ("events_lost", "events_phantom", "half_done", "effects_twice", "shipped_unpaid"):
        assert figures.value(f"{what}_outbox") == 0


def test_saga_vs_2pc() -> None:
    """At once or after the coordinator's patience; all or none; seen too early or locked."""
    figures = passed("saga-vs-2pc")
    assert figures.value("answer_ms_during_saga") < 20
    assert figures.value("answer_ms_during_two_pc") == pytest.approx(800, abs=20)
    assert figures.value("dirty_reads_saga") > 90
    assert figures.value("locked_two_pc") > 50
