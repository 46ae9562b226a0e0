"""Every Raft experiment in simulation, with short settings: what the guide claims is what comes
out."""

from __future__ import annotations

import pytest

from labs.kit.experiment import Figures
from labs.raft.lab import LAB
from tests.support.experiments import passed as passed_in


def passed(experiment_id: str) -> Figures:
    """The figures of a run of this lab that counts and whose claims hold."""
    return passed_in(LAB, experiment_id)


def test_leader_crash() -> None:
    """The time without a leader is mostly the time it takes to notice; nothing is lost."""
    figures = passed("leader-crash")
    assert figures.value("acknowledged_writes_lost") == 0
    assert 75 <= figures.value("detection_ms") <= 300, "a timeout, less the last heartbeat's age"
    assert figures.value("election_ms") < 20, "two rounds of messages that take 1 ms at most"
    parts = sum(figures.value(name) for name in ("detection_ms", "election_ms", "first_write_ms"))
    assert parts == pytest.approx(figures.value("downtime_ms"), rel=0.25)


def test_election_timeouts() -> None:
    """A range that is narrower than a message's time makes elections take seconds."""
    figures = passed("election-timeouts")
    assert figures.value("split_share_150_155") > 80
    assert figures.value("election_ms_150_155") > 3 * figures.value("election_ms_150_300")
    assert 75 <= figures.value("election_ms_150_300") <= 330


def test_split_vote() -> None:
    """Votes split when timeouts are as close as messages are slow."""
    figures = passed("split-vote")
    assert figures.value("split_share_3_tight") > figures.value("split_share_3_wide")
    assert figures.value("terms_3_tight") > 2


def test_partition_minority() -> None:
    """Clients notice nothing, and the minority acknowledges nothing."""
    figures = passed("partition-minority")
    assert figures.value("leader_changes") == 0
    assert figures.value("acknowledged_in_minority") == 0
    assert figures.value("longest_gap_ms") < 200
    assert figures.value("catch_up_ms") <= 400


def test_partition_leader() -> None:
    """The old leader believes for a while, and can commit nothing."""
    figures = passed("partition-leader")
    assert figures.value("acknowledged_in_minority") == 0
    assert figures.value("two_leaders_ms") > 0
    assert figures.value("entries_dropped") > 0
    assert 400 <= figures.value("old_leader_ms") <= 800


def test_asymmetric_partition() -> None:
    """PreVote and CheckQuorum keep the leader in its place; without them a link deposes it."""
    figures = passed("asymmetric-partition")
    assert figures.value("leader_changes_neither") >= 1
    assert figures.value("term_growth_both") == 0
    assert figures.value("longest_gap_ms_both") < figures.value("longest_gap_ms_neither")


def test_stale_read() -> None:
    """ReadIndex never lies, a lease only on a slow clock, a stale read often; the checker says the
    same as the count."""
    figures = passed("stale-read")
    for mode in ("stale", "lease_skew"):
        assert figures.value(f"stale_reads_{mode}") > 0
        assert figures.value(f"linearizable_{mode}") == 0
    for mode in ("lease", "readindex"):
        assert figures.value(f"stale_reads_{mode}") == 0
        assert figures.value(f"linearizable_{mode}") == 1
    assert figures.value("answered_reads_lease") > 0, "the lease outlives the partition's begin"


def test_read_cost() -> None:
    """ReadIndex asks the four others, a lease nobody."""
    figures = passed("read-cost")
    assert figures.value("requests_readindex") == pytest.approx(4, abs=0.3)
    assert figures.value("requests_lease") == pytest.approx(0, abs=0.1)
    assert figures.value("requests_write") == pytest.approx(4, abs=0.3)
    assert figures.value("latency_ms_lease") < figures.value("latency_ms_readindex")


def test_slow_follower() -> None:
    """One slow follower costs nothing; three of four cost two delays."""
    figures = passed("slow-follower")
    assert figures.value("write_ms_one_slow") < 10
    assert figures.value("write_ms_three_slow") > 80
    assert figures.value("lag_entries") > 0


def test_packet_loss() -> None:
    """Loss costs throughput, never an acknowledged write."""
    figures = passed("packet-loss")
    assert figures.value("acknowledged_writes_lost") == 0
    assert figures.value("throughput_40_percent") < 0.5 * figures.value("throughput_2_percent")


def test_figure_8() -> None:
    """An old entry on a majority is overwritten, unless one of the leader's own term is, too."""
    figures = passed("figure-8")
    assert figures.value("majority_entries_overwritten_overwritten") == 1
    assert figures.value("majority_entries_overwritten_own_entry") == 0
    assert figures.value("counted_as_committed_overwritten") == 0


def test_snapshot_catch_up() -> None:
    """A snapshot replaces most of the entries."""
    figures = passed("snapshot-catch-up")
    assert figures.value("missed_entries_log") >= 300
    assert figures.value("entries_by_log_log") == figures.value("missed_entries_log")
    assert figures.value("entries_by_log_snapshot") < 100
    assert figures.value("snapshots_snapshot") >= 1
    assert figures.value("snapshot_messages_log") == 0


def test_lost_fsync() -> None:
    """Skipping the fsync loses acknowledged writes when a majority loses power."""
    figures = passed("lost-fsync")
    assert figures.value("acknowledged_writes_lost_fsync_on") == 0
    assert figures.value("acknowledged_writes_lost_fsync_off") > 0
    assert figures.value("linearizable_fsync_off") == 0
