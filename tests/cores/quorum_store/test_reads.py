"""Reads: R answers, read repair, and ABD's write-back (Dynamo 4.5, 5; Attiya and others, 1995)."""

from __future__ import annotations

import pytest

from nodes.cluster.api import Refused, definite
from protos import quorum_store_pb2 as pb
from tests.support.store_bench import StoreBench


def test_any_node_coordinates() -> None:
    """Any node in the ring is eligible to receive requests for any key (4.5)."""
    bench = StoreBench(size=5)
    bench.put("n1", "x", b"1")
    assert all(bench.values(node, "x") == [b"1"] for node in bench.nodes)


def test_a_read_needs_r_answers() -> None:
    """R is the minimum number of nodes that must participate in a read (4.5)."""
    bench = StoreBench()
    bench.put("n1", "x", b"1")
    bench.down |= {"n2", "n3"}
    with pytest.raises(Refused, match="too few replicas answered: 1 of 2"):
        definite(bench.get("n1", "x"))
    assert [one.value for one in bench.get("n1", "x", r=1).siblings] == [b"1"]


@pytest.mark.parametrize("read_repair", ["background", "blocking"])
def test_a_replica_that_answered_with_less_is_repaired(read_repair: str) -> None:
    """The coordinator updates nodes that returned stale versions: read repair (5)."""
    bench = StoreBench(read_repair=read_repair, read_quorum=3)
    bench.down.add("n3")
    bench.put("n1", "x", b"1")
    bench.down.discard("n3")
    bench.get("n2", "x")
    assert bench.held("n3", "x") == [b"1"]


def test_without_repair_a_read_changes_nothing() -> None:
    """The setting is what it says."""
    bench = StoreBench(read_repair="off", read_quorum=3)
    bench.down.add("n3")
    bench.put("n1", "x", b"1")
    bench.down.discard("n3")
    assert bench.values("n2", "x") == [b"1"]
    assert bench.held("n3", "x") == []


def test_asking_only_a_quorum_goes_on_when_one_fails() -> None:
    """Another replica is asked in the place of one that does not answer."""
    bench = StoreBench(size=5, fan_out="quorum")
    bench.put("n1", "x", b"1", w=3)
    bench.down.add(bench.owners("x")[1])
    up = next(node for node in bench.nodes if node not in bench.down)
    assert bench.values(up, "x") == [b"1"]


def test_abd_writes_back_what_it_read_before_it_answers() -> None:
    """A reader makes sure that a majority has what it returns: no later read goes back (ABD)."""
    bench = StoreBench(versions="abd", tombstone_grace_ms=0)
    bench.down |= {"n2", "n3"}
    unknown = bench.put("n1", "x", b"1")
    assert unknown.HasField("refused"), "no tag without a quorum"
    stamp = pb.Stamp(time=1, writer="n1", nonce=1)
    record = pb.Record(
        siblings=[pb.Sibling(dot=pb.Dot(actor="n1", counter=1), stamp=stamp, value=b"1")]
    )
    bench.ask("n1", pb.StoreRequest(key="x", record=record), pb.StoreResponse)
    bench.down = {"n3"}
    assert bench.values("n1", "x") == [b"1"]
    bench.down = {"n1"}
    assert bench.values("n3", "x") == [b"1"]


def test_a_node_that_lost_its_disk_answers_no_read_until_it_has_caught_up() -> None:
    """It would say "nothing" of writes that it acknowledged."""
    bench = StoreBench()
    bench.put("n1", "x", b"1", w=3)
    bench.start("n3", amnesia=True)
    response = bench.ask("n3", pb.FetchRequest(key="x"), pb.FetchResponse)
    assert "lost its disk" in response.refused.reason
    bench.fire("n3", "anti_entropy")
    assert not bench.view("n3").recovering
    assert bench.held("n3", "x") == [b"1"]
