"""Hinted handoff (Dynamo 4.6), and records that the ring has moved (4.8)."""

from __future__ import annotations

from nodes.core import TimerFired
from protos import quorum_store_pb2 as pb
from tests.support.store_bench import StoreBench


def kept_for_n1(keys: int = 1, **params: int) -> tuple[StoreBench, str]:
    """A cluster in which someone keeps hints for n1, and who."""
    bench = StoreBench(size=4, quorum="sloppy", **params)
    bench.down.add("n1")
    written = 0
    number = 0
    while written < keys:
        key = f"h{number}"
        number += 1
        owners = bench.cores["n2"].owner_ids(key)
        if "n1" in owners:
            bench.put(next(node for node in owners if node != "n1"), key, b"1")
            written += 1
    [keeper] = [node for node in bench.nodes if bench.view(node).hints][:1]
    return bench, keeper


def test_a_hint_is_delivered_when_its_home_is_back_and_then_dropped() -> None:
    """Upon detecting that A has recovered, D will attempt to deliver the replica to A; once that
    succeeds, D may delete it (4.6)."""
    bench, keeper = kept_for_n1()
    bench.down.clear()
    bench.wait(2000)
    bench.fire(keeper, "handoff")
    assert bench.view(keeper).hints == 0
    assert bench.view(keeper).handed_off == 1
    assert bench.view("n1").keys == 1
    assert "handed_off" in bench.notes()


def test_a_home_that_seems_down_is_left_alone() -> None:
    """It is tried again when it was not tried for a while."""
    bench, keeper = kept_for_n1()
    bench.wait(2000)
    bench.fire(keeper, "handoff")
    bench.forget()
    bench.fire(keeper, "handoff")
    assert not bench.calls(pb.StoreRequest)
    bench.wait(2000)
    bench.fire(keeper, "handoff")
    assert bench.calls(pb.StoreRequest) == [(keeper, "n1")]
    assert bench.view(keeper).hints == 1


def test_hints_survive_a_restart_of_who_keeps_them() -> None:
    """They are kept in a separate local database (4.6)."""
    bench, keeper = kept_for_n1()
    bench.start(keeper)
    assert bench.view(keeper).hints == 1


def test_a_node_that_comes_back_is_not_flooded() -> None:
    """Few hints are under way at a time, and all arrive."""
    bench, keeper = kept_for_n1(keys=80)
    bench.down.clear()
    bench.wait(2000)
    core = bench.cores[keeper]
    kept = bench.view(keeper).hints
    bench.fire(keeper, "handoff")
    assert bench.view(keeper).handed_off == kept
    assert not core.handing


def test_hints_past_their_window_are_dropped() -> None:
    """A node that stays away for so long is brought up to date by anti-entropy."""
    bench, keeper = kept_for_n1(hint_window_ms=5000)
    bench.wait(5001)
    bench.fire(keeper, "handoff")
    assert bench.view(keeper).hints == 0
    assert "hint_dropped" in bench.notes()


def test_a_write_that_came_in_while_a_hint_was_under_way_is_not_dropped_with_it() -> None:
    """The acknowledgement is for what was sent."""
    bench, keeper = kept_for_n1()
    bench.down.clear()
    bench.wait(2000)
    core = bench.cores[keeper]
    [key] = core.hinted["n1"]
    bench.step(keeper, TimerFired("handoff"))
    newer = pb.Record()
    newer.CopyFrom(core.hints[key]["n1"].record)
    newer.siblings.add(dot=pb.Dot(actor="z", counter=1), value=b"2")
    newer.context.entries.add(actor="z", counter=1)
    bench.begin(keeper, pb.StoreRequest(key=key, record=newer, home="n1"))
    bench.deliver()
    assert bench.held("n1", key) == [b"1", b"2"]
    assert bench.view(keeper).hints == 0


def test_a_record_at_a_node_that_does_not_own_it_goes_to_all_owners() -> None:
    """And is dropped there once all of them have it."""
    bench = StoreBench(size=5)
    key = bench.key_outside("n5")
    record = pb.Record(siblings=[pb.Sibling(dot=pb.Dot(actor="z", counter=1), value=b"1")])
    record.context.entries.add(actor="z", counter=1)
    bench.ask("n5", pb.StoreRequest(key=key, record=record), pb.StoreResponse)
    owners = bench.owners(key)
    bench.down.add(owners[0])
    bench.fire("n5", "handoff")
    assert bench.held("n5", key) == [b"1"], "not all owners have it"
    bench.down.clear()
    bench.wait(2000)
    bench.fire("n5", "handoff")
    assert bench.held("n5", key) == []
    assert all(bench.held(owner, key) == [b"1"] for owner in owners)
    assert bench.view("n5").transferred == 1
