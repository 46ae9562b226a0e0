"""Every experiment of the quorum lab in simulation, with short settings: what the guide claims is
what comes out."""

from __future__ import annotations

import pytest

from labs.kit.experiment import Figures
from labs.quorum_store.experiments.tools import Account
from labs.quorum_store.lab import LAB
from nodes.parts.quorum import overlaps, stale_probability
from tests.support.experiments import passed as passed_in


def passed(experiment_id: str) -> Figures:
    """The figures of a run of this lab that counts and whose claims hold."""
    return passed_in(LAB, experiment_id)


def test_quorum_overlap() -> None:
    """No read misses a write where quorums overlap, and C(N-W,R)/C(N,R) of them where not."""
    figures = passed("quorum-overlap")
    for n in (3, 5):
        for r in range(1, n + 1):
            for w in range(1, n + 1):
                measured = figures.value(f"stale_share_r{r}_w{w}_n{n}") / 100
                if overlaps(n, r, w):
                    assert measured == 0, (n, r, w)
                else:
                    assert measured == pytest.approx(stale_probability(n, r, w), abs=0.25)


def test_staleness_in_time() -> None:
    """Stale right after the acknowledgement, fresh soon."""
    figures = passed("staleness-in-time")
    assert figures.value("stale_share_after_0_ms") > 20
    assert figures.value("stale_share_after_40_ms") == 0


def test_concurrent_writes() -> None:
    """Siblings lose none; the last writer wins loses two of three, and by a wall clock that is slow
    everything that its node wrote."""
    figures = passed("concurrent-writes")
    for way in ("siblings", "lww", "lww_wall"):
        assert figures.value(f"acknowledged_concurrent_{way}") == 18
        assert figures.value(f"acknowledged_sequential_{way}") == 12
    assert figures.value("lost_concurrent_siblings") == 0
    assert figures.value("lost_concurrent_lww") == 12
    assert figures.value("lost_sequential_lww") == 0
    assert figures.value("lost_sequential_lww_wall") == 6


def test_an_account_counts_what_nobody_replaced_knowingly() -> None:
    """Overwritten by one who had read it is no loss; overwritten unseen is."""
    account = Account()
    account.acknowledged(1, seen=())
    account.acknowledged(2, seen=(1,))
    account.acknowledged(3, seen=(1,))
    assert account.lost(final=(2, 3)) == []
    assert account.lost(final=(3,)) == [2]
    assert account.lost(final=()) == [2, 3]


def test_not_linearizable_with_overlap() -> None:
    """New and then old, in every run; never with ABD, whose reads take another round trip."""
    figures = passed("not-linearizable-with-overlap")
    assert figures.value("linearizable_quorum") == 0
    assert figures.value("linearizable_abd") == 1
    assert figures.value("read_round_trips_quorum") == pytest.approx(1, abs=0.1)
    assert figures.value("read_round_trips_abd") == pytest.approx(2, abs=0.1)


def test_latency_vs_quorum() -> None:
    """Whoever waits for the slow replica waits there and back; nobody else does."""
    figures = passed("latency-vs-quorum")
    for name in ("read_p99_ms_r2_one_slow", "write_p99_ms_w2_one_slow", "read_p99_ms_r1_all_far"):
        assert figures.value(name) < 10, name
    for name in ("read_p50_ms_r3_one_slow", "write_p50_ms_w3_one_slow", "read_p50_ms_r2_all_far"):
        assert figures.value(name) == pytest.approx(80, abs=5), name


def test_tail_hedging() -> None:
    """The 99th percentile falls to about the wait before hedging, for a few requests more."""
    figures = passed("tail-hedging")
    assert figures.value("read_p99_ms_hedge") < 40
    assert figures.value("read_p99_ms_no_hedge") > 100
    assert 0 < figures.value("extra_requests_hedge") < 10


def test_partition_availability() -> None:
    """Raft serves one side, sloppy quorums both, strict ones some keys on either."""
    figures = passed("partition-availability")
    for f in ("reads", "writes"):
        assert figures.value(f"{f}_served_minority_raft") == 0
        assert figures.value(f"{f}_served_minority_sloppy") == 100
        assert 0 < figures.value(f"{f}_served_minority_strict") < 100


def test_sloppy_quorum_loses_overlap() -> None:
    """Everything is accepted, nothing is seen on the other side, until the hints are delivered."""
    figures = passed("sloppy-quorum-loses-overlap")
    assert figures.value("stale_reads_far_sloppy") == 100
    assert figures.value("stale_reads_near_sloppy") == 0
    assert figures.value("stale_reads_after_handoff_sloppy") == 0


def test_hinted_handoff_recovery() -> None:
    """A hint for every key that was written; none after the window."""
    figures = passed("hinted-handoff-recovery")
    assert figures.value("hints_kept_in_window") == 40
    assert figures.value("missing_afterwards_in_window") == 0
    assert figures.value("missing_afterwards_window_over") > 0
    assert figures.value("recovery_ms_in_window") < 3000


def test_read_repair_convergence() -> None:
    """One record for each key that is read, and none for the others."""
    figures = passed("read-repair-convergence")
    for count in (25, 100):
        assert figures.value(f"repairs_a_key_{count}_keys") == 1
        assert figures.value(f"unread_still_behind_{count}_keys") == 100
    assert figures.value("repair_ms_100_keys") > 2 * figures.value("repair_ms_25_keys")


def test_anti_entropy_convergence() -> None:
    """Little more is sent than what differs."""
    figures = passed("anti-entropy-convergence")
    for count in (25, 100):
        assert 1 <= figures.value(f"times_the_difference_{count}_keys") <= 3
        assert figures.value(f"convergence_ms_{count}_keys") < 2000


def test_resurrected_delete() -> None:
    """Back from the dead, all of them, when the tombstones are gone too soon."""
    figures = passed("resurrected-delete")
    assert figures.value("resurrected_short_grace") == 100
    assert figures.value("resurrected_long_grace") == 0


def test_hot_spot() -> None:
    """Tokens even out the keys, not what is asked of one key."""
    figures = passed("hot-spot")
    assert figures.value("busiest_few_tokens") > 3
    assert figures.value("busiest_hot") > 1.5


def test_rebalancing() -> None:
    """What moves is what the ring says, and a sixth of it all where there are many tokens."""
    figures = passed("rebalancing")
    for name in ("tokens_1", "tokens_128"):
        moved = figures.value(f"moved_share_{name}")
        assert moved == pytest.approx(figures.value(f"moved_by_the_ring_{name}"), abs=6)
        assert figures.value(f"lost_keys_{name}") == 0
