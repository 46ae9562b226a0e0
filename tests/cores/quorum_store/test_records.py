"""Versions: what overwrites what (Dynamo 4.4; dotted version vectors, 2010), and deletion."""

from __future__ import annotations

import pytest

from nodes.cores.quorum_store.wire import unpack_context
from protos import quorum_store_pb2 as pb
from tests.support.store_bench import StoreBench


def test_a_write_replaces_what_its_context_covers() -> None:
    """When a client updates an object, it names the version it updates (4.4)."""
    bench = StoreBench()
    first = bench.put("n1", "x", b"1")
    bench.put("n2", "x", b"2", first.context)
    assert bench.values("n3", "x") == [b"2"]


def test_writes_that_do_not_know_of_each_other_stay_side_by_side() -> None:
    """Branches that cannot be reconciled are both returned (4.4)."""
    bench = StoreBench()
    bench.put("n1", "x", b"1")
    bench.put("n1", "x", b"2")
    assert bench.values("n3", "x") == [b"1", b"2"]


def test_a_client_reconciles_siblings_by_writing_with_their_context() -> None:
    """The client collapses the branches into a single new version (4.4)."""
    bench = StoreBench()
    bench.put("n1", "x", b"1")
    bench.put("n2", "x", b"2")
    bench.put("n3", "x", b"1+2", bench.get("n1", "x").context)
    assert bench.values("n2", "x") == [b"1+2"]


def test_a_stale_context_leaves_what_it_has_not_seen() -> None:
    """A dot is covered only by who has seen it (dotted version vectors)."""
    bench = StoreBench()
    seen = bench.put("n1", "x", b"1").context
    bench.put("n1", "x", b"2", seen)
    bench.put("n1", "x", b"3", seen)
    assert bench.values("n1", "x") == [b"2", b"3"]


def test_two_writes_never_have_the_same_dot() -> None:
    """The counter is durable before the dot is told."""
    bench = StoreBench()
    bench.put("n1", "x", b"1")
    bench.start("n1")
    bench.put("n1", "x", b"2")
    dots = {one.dot.counter for one in bench.get("n1", "x").siblings}
    assert dots == {1, 2}


def test_a_node_that_lost_its_disk_is_another_actor() -> None:
    """It does not know any more up to which number it named writes."""
    bench = StoreBench()
    bench.put("n1", "x", b"1")
    bench.start("n1", amnesia=True)
    bench.put("n1", "x", b"2")
    actors = set(unpack_context(bench.get("n2", "x").context))
    assert len(actors) == 2
    assert bench.values("n2", "x") == [b"1", b"2"]


@pytest.mark.parametrize("clock", ["hybrid", "wall"])
def test_the_last_writer_wins(clock: str) -> None:
    """Timestamp based reconciliation: the object with the largest stamp is the right one (6)."""
    bench = StoreBench(versions="lww", clock=clock)
    bench.put("n1", "x", b"1")
    bench.wait(10)
    bench.put("n2", "x", b"2")
    assert bench.values("n3", "x") == [b"2"]


def test_a_deleted_key_has_no_values() -> None:
    """What was deleted is not returned, and a replica that missed it does not bring it back."""
    bench = StoreBench()
    seen = bench.put("n1", "x", b"1").context
    bench.down.add("n3")
    bench.put("n1", "x", b"", seen, deleted=True)
    bench.down.discard("n3")
    assert bench.values("n3", "x") == []


def test_tombstones_are_forgotten_after_their_time_and_not_taken_again() -> None:
    """Else they would go to and fro between who has dropped them and who has yet to."""
    bench = StoreBench(tombstone_grace_ms=1000)
    seen = bench.put("n1", "x", b"1").context
    bench.put("n1", "x", b"", seen, deleted=True)
    bench.wait(1000)
    bench.fire("n1", "tombstones")
    assert bench.view("n1").keys == 0
    bench.fire("n2", "anti_entropy")
    bench.fire("n3", "anti_entropy")
    assert bench.view("n1").keys == 0
    bench.fire("n2", "tombstones")
    bench.fire("n3", "tombstones")
    assert [bench.view(node).keys for node in bench.nodes] == [0, 0, 0]


def test_a_tombstone_within_its_time_is_spread_as_any_write() -> None:
    """Only so do all replicas learn of the deletion."""
    bench = StoreBench(write_quorum=1)
    seen = bench.put("n1", "x", b"1").context
    bench.down |= {"n2", "n3"}
    bench.put("n1", "x", b"", seen, deleted=True)
    bench.down.clear()
    bench.wait(2000)
    for _ in range(2):
        bench.fire("n1", "anti_entropy")
    assert bench.held("n2", "x") == bench.held("n3", "x") == []


def test_a_promise_is_durable_before_it_is_made() -> None:
    """What a replica acknowledges, it holds after a crash."""
    bench = StoreBench()
    bench.put("n1", "x", b"1", w=3)
    for node in bench.nodes:
        bench.start(node)
        assert bench.held(node, "x") == [b"1"]


def test_a_hint_or_record_of_ours_that_is_dropped_gives_a_new_life() -> None:
    """A later dot's context would else cover the earlier one, which nobody overwrote."""
    bench = StoreBench(size=4, quorum="sloppy")
    key = bench.key_outside("n4")
    home = bench.owners(key)[0]
    core = bench.cores["n4"]
    before = core.actor
    request = pb.MintRequest(key=key, value=b"1", home=home)
    bench.ask("n4", request, pb.MintResponse)
    bench.fire("n4", "handoff")
    assert bench.view("n4").hints == 0
    assert core.actor != before
    bench.ask("n4", pb.MintRequest(key=key, value=b"2", home=home), pb.MintResponse)
    bench.fire("n4", "handoff")
    assert bench.held(home, key) == [b"1", b"2"]
