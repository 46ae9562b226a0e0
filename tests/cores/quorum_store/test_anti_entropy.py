"""Replica synchronization by hash trees (Dynamo 4.7)."""

from __future__ import annotations

from protos import quorum_store_pb2 as pb
from tests.support.store_bench import StoreBench


def record(value: bytes, counter: int = 1) -> pb.Record:
    """A record of one write that some other node named."""
    made = pb.Record(siblings=[pb.Sibling(dot=pb.Dot(actor="z", counter=counter), value=value)])
    made.context.entries.add(actor="z", counter=counter)
    return made


def place(bench: StoreBench, node: str, key: str, value: bytes, counter: int = 1) -> None:
    """Puts a record onto one node alone."""
    request = pb.StoreRequest(key=key, record=record(value, counter))
    bench.ask(node, request, pb.StoreResponse)


def filled(count: int = 200) -> StoreBench:
    """Three nodes that hold the same keys."""
    bench = StoreBench()
    for number in range(count):
        for node in bench.nodes:
            place(bench, node, f"k{number}", b"v" * 50)
    return bench


def test_equal_trees_cost_one_message() -> None:
    """If the hash values of the two roots are equal, the nodes require no synchronization (4.7)."""
    bench = filled()
    bench.forget()
    bench.fire("n1", "anti_entropy")
    assert len(bench.calls(pb.CompareTreesRequest)) == 1
    assert not bench.calls(pb.ExchangeLeavesRequest)
    assert bench.view("n1").rounds == 1
    assert bench.view("n1").exchanged_bytes < 40


def test_only_what_differs_travels() -> None:
    """Merkle trees minimize the amount of data that needs to be transferred (4.7)."""
    bench = filled()
    for number in range(10):
        place(bench, "n2", f"k{number}", b"w" * 50, counter=2)
    bench.fire("n1", "anti_entropy")
    assert all(bench.held("n1", f"k{number}") == [b"w" * 50] for number in range(10))
    assert sum(bench.view(node).exchanged_records for node in bench.nodes) == 10


def test_a_round_brings_both_sides_up_to_date() -> None:
    """What either holds, both hold afterwards."""
    bench = StoreBench()
    place(bench, "n1", "a", b"1")
    place(bench, "n2", "b", b"2")
    peer = next(iter(bench.cores["n1"].partners()))
    assert peer == "n2"
    bench.fire("n1", "anti_entropy")
    for node in ("n1", "n2"):
        assert (bench.held(node, "a"), bench.held(node, "b")) == ([b"1"], [b"2"])
    assert bench.view("n1").shared["n2"] == bench.view("n2").shared["n1"] != 0


def test_siblings_of_both_sides_are_merged() -> None:
    """Writes that do not know of each other stay side by side."""
    bench = StoreBench()
    place(bench, "n1", "a", b"1")
    other = pb.Record(siblings=[pb.Sibling(dot=pb.Dot(actor="y", counter=1), value=b"2")])
    other.context.entries.add(actor="y", counter=1)
    bench.ask("n2", pb.StoreRequest(key="a", record=other), pb.StoreResponse)
    bench.fire("n1", "anti_entropy")
    assert bench.held("n1", "a") == bench.held("n2", "a") == [b"1", b"2"]


def test_peers_take_their_turns() -> None:
    """Everyone is compared with sooner or later."""
    bench = StoreBench(size=4)
    bench.forget()
    for _ in range(3):
        bench.fire("n1", "anti_entropy")
    assert [peer for _, peer in bench.calls(pb.CompareTreesRequest)] == ["n2", "n3", "n4"]


def test_large_differences_go_in_bounded_messages() -> None:
    """And the round goes on until all of it was sent, both ways."""
    bench = StoreBench()
    for number in range(30):
        place(bench, "n1", f"a{number}", b"1" * 20_000)
        place(bench, "n2", f"b{number}", b"2" * 20_000)
    bench.fire("n1", "anti_entropy")
    assert bench.view("n1").keys == bench.view("n2").keys == 60
    sizes = [
        effect.request.ByteSize()
        for _, effect in bench.effects
        if hasattr(effect, "request") and isinstance(effect.request, pb.ExchangeLeavesRequest)
    ]
    assert len(sizes) > 4
    assert max(sizes) < 200_000


def test_another_ring_is_refused_and_gossip_follows() -> None:
    """Trees over different ranges have nothing to say to each other."""
    bench = StoreBench(size=4)
    bench.cores["n2"].change([pb.RingEntry(node="n4", membership=pb.OUTSIDE, version=2)])
    bench.forget()
    bench.fire("n1", "anti_entropy")
    assert ("n1", "n2") in bench.calls(pb.GossipRequest)
    assert bench.places("n1")["n4"] == "OUTSIDE"


def test_who_lost_its_disk_hurries_through_everyone() -> None:
    """It has caught up after a round with each other member, and not before."""
    bench = StoreBench()
    for node in bench.nodes:
        place(bench, node, "a", b"1")
    place(bench, "n3", "b", b"2")
    bench.down.add("n3")
    bench.start("n1", amnesia=True)
    bench.fire("n1", "anti_entropy")
    assert bench.held("n1", "a") == [b"1"]
    assert bench.view("n1").recovering, "n3 may hold what n1 had acknowledged"
    bench.start("n1")
    assert bench.view("n1").recovering, "also after another crash"
    bench.down.discard("n3")
    bench.wait(2000)
    bench.fire("n1", "anti_entropy")
    assert not bench.view("n1").recovering
    assert bench.held("n1", "b") == [b"2"]
    assert "recovered" in bench.notes()


def test_nobody_coordinates_by_a_ring_that_may_be_long_gone() -> None:
    """A node that lost its disk first hears who is in the ring."""
    bench = StoreBench()
    bench.down |= {"n2", "n3"}
    bench.start("n1", amnesia=True)
    assert "does not know yet" in bench.put("n1", "a", b"1").refused.reason
    assert "does not know yet" in bench.get("n1", "a").refused.reason
    bench.down.clear()
    bench.fire("n1", "gossip")
    assert not bench.put("n1", "a", b"1").HasField("refused")
