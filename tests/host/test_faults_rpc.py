"""Faults on single calls are drawn from a seed, and refused when they make no sense."""

from __future__ import annotations

import math
import time

import pytest

from nodes.host.clock import SkewedClock
from nodes.host.faults_rpc import SPARED, Fate, RpcFaults
from protos.node_pb2 import RpcFault

PEERS = frozenset({"n2", "n3"})


def draws(seed: int, *faults: RpcFault, peer: str = "n2") -> list[Fate]:
    made = RpcFaults()
    made.replace(faults, seed, PEERS)
    return [made.draw(peer) for _ in range(200)]


def test_one_seed_one_fate() -> None:
    """The same seed hits the same calls, another seed others."""
    fault = RpcFault(kind="LOSE_REQUEST", percent=30)
    assert draws(1, fault) == draws(1, fault) != draws(2, fault)
    hit = sum(fate.lose_request for fate in draws(1, fault))
    assert 30 <= hit <= 90


def test_percent_holds_at_its_ends() -> None:
    """0 is never and 100 is always."""
    for percent in (0, 100):
        fates = draws(1, RpcFault(kind="DUPLICATE", percent=percent))
        assert {fate.duplicate for fate in fates} == {percent == 100}


def test_a_fault_on_one_peer_spares_the_others() -> None:
    """`peer` narrows it down; without it every peer is meant."""
    one = RpcFault(kind="LOSE_RESPONSE", percent=100, peer="n2")
    assert all(fate.lose_response for fate in draws(1, one))
    assert draws(1, one, peer="n3") == [SPARED] * 200
    everyone = RpcFault(kind="LOSE_RESPONSE", percent=100)
    assert all(fate.lose_response for fate in draws(1, everyone, peer="n3"))


def test_reordering_holds_within_its_bound() -> None:
    """Each call is held for a time of its own, never longer than asked."""
    holds = [fate.hold_ms for fate in draws(1, RpcFault(kind="REORDER", percent=100, hold_ms=50))]
    assert all(0 <= hold <= 50 for hold in holds)
    assert max(holds) - min(holds) > 25


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (RpcFault(percent=5), "unknown kind"),
        (RpcFault(kind="DUPLICATE", percent=-1), "expected 0 to 100"),
        (RpcFault(kind="DUPLICATE", percent=101), "expected 0 to 100"),
        (RpcFault(kind="DUPLICATE", percent=math.nan), "expected 0 to 100"),
        (RpcFault(kind="DUPLICATE", percent=5, peer="n9"), "'n9' is no peer"),
        (RpcFault(kind="DUPLICATE", percent=5, hold_ms=5), "only reorder"),
        (RpcFault(kind="REORDER", percent=5), "hold is 0 ms"),
        (RpcFault(kind="REORDER", percent=5, hold_ms=10**7), "expected 1 to"),
    ],
    ids=["no kind", "negative", "over 100", "no number", "no peer", "hold", "no hold", "long hold"],
)
def test_senseless_faults_change_nothing(fault: RpcFault, message: str) -> None:
    """A refused fault leaves those that were set."""
    made = RpcFaults()
    before = RpcFault(kind="DUPLICATE", percent=100)
    made.replace([before], 1, PEERS)
    with pytest.raises(ValueError, match=message):
        made.replace([before, fault], 1, PEERS)
    assert made.active == (before,)


def test_a_skewed_clock_is_off_by_its_offset_and_drifts_by_its_rate() -> None:
    """Wall time moves as told; monotonic time is never touched."""
    clock = SkewedClock()
    clock.set(-3_600_000, 1.0)
    assert abs(clock.now().wall_ms + 3_600_000 - time.time() * 1000) < 1_000
    assert abs(clock.now().mono_ms - time.monotonic() * 1000) < 1_000
    clock.set(0, 100.0)
    began = clock.now()
    while clock.now().mono_ms < began.mono_ms + 20:
        pass
    passed_ms = clock.now().wall_ms - began.wall_ms
    assert passed_ms > 1_500  # a true clock would show 20
    clock.set(0, 1.0)
    assert abs(clock.now().wall_ms - time.time() * 1000) < 1_000


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, 1e9])
def test_a_clock_cannot_stand_still_or_run_back(rate: float) -> None:
    """Impossible rates are refused and change nothing."""
    clock = SkewedClock()
    with pytest.raises(ValueError, match="clock rate"):
        clock.set(0, rate)
    with pytest.raises(ValueError, match="clock offset"):
        clock.set(10**13, 1.0)
    assert (clock.offset_ms, clock.rate) == (0, 1.0)
