"""Writes: W replicas, and what a client is told (Dynamo 4.5, 4.6)."""

from __future__ import annotations

from protos import quorum_store_pb2 as pb
from tests.support.store_bench import StoreBench


def test_a_write_is_sent_to_all_n_and_answered_by_w() -> None:
    """The coordinator sends the new version to the N highest-ranked nodes; if W-1 respond, the
    write is successful (4.5)."""
    bench = StoreBench()
    bench.down.add("n3")
    assert not bench.put("n1", "x", b"1").HasField("outcome_unknown")
    assert bench.held("n1", "x") == bench.held("n2", "x") == [b"1"]


def test_too_few_replicas_leave_the_outcome_open() -> None:
    """What one replica took, a later read may find."""
    bench = StoreBench()
    bench.down |= {"n2", "n3"}
    assert bench.put("n1", "x", b"1").HasField("outcome_unknown")
    assert bench.held("n1", "x") == [b"1"]


def test_one_replica_alone_gives_the_version() -> None:
    """Two of them would make two versions of one write."""
    bench = StoreBench(size=5)
    key = bench.key_outside("n5")
    bench.forget()
    bench.put("n5", key, b"1", w=3)
    assert len(bench.calls(pb.MintRequest)) == 1
    assert len(bench.calls(pb.StoreRequest)) == 2


def test_who_is_down_is_stood_in_for_by_the_next_on_the_ring() -> None:
    """Operations are performed on the first N healthy nodes; the replica sent to another node has a
    hint that tells whose it was (4.6)."""
    bench = StoreBench(size=5, quorum="sloppy")
    first, second, third = bench.owners("x")
    bench.down |= {second, third}
    response = bench.put(first, "x", b"1", w=3)
    assert not response.HasField("outcome_unknown")
    others = [node for node in bench.nodes if node not in bench.owners("x")]
    homes = {hint.home for node in others for hint in bench.inspect(node, "x").hints}
    assert homes == {second, third}


def test_strict_quorums_have_no_stand_ins() -> None:
    """Only the owners count."""
    bench = StoreBench(size=5)
    first, second, third = bench.owners("x")
    bench.down |= {second, third}
    assert bench.put(first, "x", b"1").HasField("outcome_unknown")
    others = [node for node in bench.nodes if node not in bench.owners("x")]
    assert not any(bench.view(node).hints for node in others)


def test_what_a_coordinator_suspects_it_asks_last() -> None:
    """Nobody waits for a node that did not answer a moment ago (4.8.3)."""
    bench = StoreBench(suspect_ms=1000)
    bench.down.add("n2")
    bench.get("n1", "x")
    assert list(bench.view("n1").suspected) == ["n2"]
    bench.wait(1000)
    bench.inspect("n1", "x")
    assert not bench.view("n1").suspected


def test_abd_orders_writes_by_tags_greater_than_all_a_quorum_holds() -> None:
    """A write comes after all that were complete before it began (ABD, multi-writer)."""
    bench = StoreBench(versions="abd", tombstone_grace_ms=0)
    bench.put("n1", "x", b"1")
    bench.put("n2", "x", b"2")
    bench.put("n3", "x", b"3")
    [sibling] = bench.get("n1", "x").siblings
    assert (sibling.value, sibling.stamp.time) == (b"3", 3)


def test_nobody_stands_in_for_who_is_away_longer_than_the_hint_window() -> None:
    """Nothing new is kept for it (Cassandra), whether it is known to be down or fails again, and W
    counts without it. Once it was heard, it is stood in for again."""
    bench = StoreBench(size=5, quorum="sloppy", hint_window_ms=5000)
    first, second, third = bench.owners("x")
    others = [node for node in bench.nodes if node not in (first, second, third)]

    def kept() -> set[bytes]:
        hints = [hint for node in others for hint in bench.inspect(node, "x").hints]
        assert all(hint.home == third for hint in hints)
        return {sibling.value for hint in hints for sibling in hint.record.siblings}

    def acknowledged(value: bytes, w: int) -> bool:
        return not bench.put(first, "x", value, w=w).HasField("outcome_unknown")

    bench.down.add(third)
    assert acknowledged(b"1", 3)
    bench.wait(5000)
    assert acknowledged(b"2", 3)
    assert kept() == {b"1", b"2"}
    bench.wait(1)  # Now it has been away for longer than 5000 ms.
    assert bench.cores[first].seems_down(third)
    assert not acknowledged(b"3", 3), "nobody takes the place of who seems to be down"
    bench.wait(2000)
    bench.inspect(first, "x")
    assert not bench.cores[first].seems_down(third)
    assert not acknowledged(b"4", 3), "nor of who is asked again, and fails again"
    assert acknowledged(b"5", 2)
    assert kept() == {b"1", b"2"}

    bench.down.clear()
    bench.wait(2000)
    assert acknowledged(b"6", 3)
    bench.down.add(third)
    assert acknowledged(b"7", 3)
    assert b"7" in kept()


def test_a_failure_now_and_then_is_no_long_absence() -> None:
    """The window counts from the first failure since the node was last heard."""
    bench = StoreBench(hint_window_ms=5000)
    core = bench.cores["n1"]
    for _ in range(3):
        bench.down.add("n3")
        bench.put("n1", "x", b"1")
        bench.wait(3000)
        bench.down.clear()
        bench.put("n1", "x", b"1")
        assert not core.away_too_long("n3")
