"""Nodes that join and leave (Dynamo 4.8), phase by phase."""

from __future__ import annotations

import pytest

from nodes.cluster.api import Refused, definite
from nodes.cores.quorum_store.ring import Owner
from protos import quorum_store_pb2 as pb
from tests.support.store_bench import StoreBench


def spread(bench: StoreBench) -> None:
    """Everyone gossips with everyone in the end, and hands over what is not its own."""
    for _ in range(6):
        for node in bench.nodes:
            if node not in bench.down:
                bench.fire(node, "gossip")
    for node in bench.nodes:
        if node not in bench.down:
            bench.fire(node, "handoff")


def join(bench: StoreBench, node: str) -> pb.JoinResponse:
    return bench.ask(node, pb.JoinRequest(), pb.JoinResponse)


def leave(bench: StoreBench, node: str) -> pb.LeaveResponse:
    return bench.ask(node, pb.LeaveRequest(), pb.LeaveResponse)


def with_keys(size: int, count: int = 60, **params: int) -> StoreBench:
    """A cluster that holds some keys."""
    bench = StoreBench(size=size, **params)
    for number in range(count):
        bench.put("n1", f"k{number}", b"%d" % number)
    return bench


def check_all_there(bench: StoreBench, count: int = 60) -> None:
    """Every key is at its owners, and nowhere else."""
    for number in range(count):
        key = f"k{number}"
        owners = bench.owners(key)
        for node in bench.nodes:
            assert bench.held(node, key) == ([b"%d" % number] if node in owners else [])


def test_a_node_that_joins_gets_its_ranges_and_others_give_them_up() -> None:
    """Nodes offer and, upon confirmation, transfer the appropriate set of keys (4.9)."""
    bench = with_keys(4, members=3)
    assert not join(bench, "n4").HasField("refused")
    spread(bench)
    assert all(bench.places(node)["n4"] == "MEMBER" for node in bench.nodes)
    check_all_there(bench)
    assert sum(bench.view(node).transferred for node in bench.nodes) == bench.view("n4").keys


def test_a_node_that_leaves_ends_with_nothing() -> None:
    """When a node is removed, it reallocates its keys in a reverse process (4.9)."""
    bench = with_keys(4)
    assert not leave(bench, "n2").HasField("refused")
    spread(bench)
    assert bench.view("n2").keys == 0
    check_all_there(bench)


def test_the_phases_come_one_after_the_other() -> None:
    """So that nobody's quorums miss another's."""
    bench = with_keys(4, members=3)
    join(bench, "n4")
    leave(bench, "n1")
    spread(bench)
    phases = [note for note in bench.notes() if note.isalpha()]
    wanted = ["joining", "settling", "member", "leaving", "draining", "outside"]
    assert [note for note in phases if note in wanted] == wanted


def test_a_phase_waits_for_everyone() -> None:
    """Any node coordinates, so that all of them must know before the next phase."""
    bench = with_keys(4, members=3)
    bench.down.add("n3")
    bench.begin("n4", pb.JoinRequest())
    bench.deliver()
    spread(bench)
    assert bench.places("n1")["n4"] == "JOINING"
    bench.down.clear()
    bench.wait(2000)
    spread(bench)
    assert bench.places("n3")["n4"] == "MEMBER"


def test_a_change_goes_on_after_a_crash() -> None:
    """The phase is on the disk of who drives it."""
    bench = with_keys(4, members=3)
    bench.down.add("n3")
    bench.begin("n4", pb.JoinRequest())
    bench.deliver()
    bench.start("n4")
    bench.down.clear()
    bench.wait(2000)
    spread(bench)
    assert bench.places("n1")["n4"] == "MEMBER"
    check_all_there(bench)


def test_writes_while_a_node_joins_go_to_the_owners_by_both_readings() -> None:
    """W of those before, and W of those that come."""
    bench = with_keys(4, members=3)
    bench.cores["n1"].change([pb.RingEntry(node="n4", membership=pb.JOINING, version=1)])
    owners, key = joining_key(bench, without="n1")
    stays = next(one.node for one in owners if one.read and one.other and one.node != "n1")
    replaced = next(one.node for one in owners if not one.other)
    bench.down = {"n4"}
    assert not bench.put("n1", key, b"1").HasField("outcome_unknown"), "two of both are left"
    bench.down = {"n4", replaced}
    assert not bench.put("n1", key, b"2").HasField("outcome_unknown"), "two of both are left"
    bench.down = {"n4", stays}
    assert bench.put("n1", key, b"3").HasField("outcome_unknown"), "one of those that come"
    bench.down = {replaced, stays}
    assert bench.put("n1", key, b"4").HasField("outcome_unknown"), "one of those before"


def joining_key(bench: StoreBench, *, without: str) -> tuple[list[Owner], str]:
    """A key of which n4 takes the place of another than this node; and its owners."""
    for number in range(1000):
        owners = bench.cores["n1"].owners(f"x{number}")
        replaced = [one.node for one in owners if not one.other]
        if replaced and replaced != [without]:
            return owners, f"x{number}"
    raise AssertionError


def test_what_is_under_way_when_the_ring_changes_is_finished_by_the_new_one() -> None:
    """Who has acknowledged a phase must not complete a write by the one before."""
    bench = with_keys(4, members=3, write_quorum=3)
    core = bench.cores["n1"]
    core.change([pb.RingEntry(node="n4", membership=pb.JOINING, version=1)])
    _, key = joining_key(bench, without="n1")
    core.change([pb.RingEntry(node="n4", membership=pb.OUTSIDE, version=2)])
    bench.deliver()
    bench.begin("n1", pb.PutRequest(key=key, value=b"1"))
    core.change([pb.RingEntry(node="n4", membership=pb.JOINING, version=3)])
    [operation] = core.operations.values()
    assert [target.node for target in operation.targets if not target.read] == ["n4"]
    bench.down.add("n4")
    bench.deliver()
    assert not operation.answered
    bench.wait(1000)
    bench.fire("n1", "operations")
    assert operation.answered


def test_one_change_at_a_time() -> None:
    """A second one is refused while the first goes on."""
    bench = with_keys(5, members=4)
    bench.cores["n1"].change([pb.RingEntry(node="n5", membership=pb.JOINING, version=1)])
    with pytest.raises(Refused, match="n5 is joining: the ring changes by one node at a time"):
        definite(leave(bench, "n1"))


def test_of_two_changes_that_begin_at_once_one_is_called_off() -> None:
    """Neither can go on while the other is there."""
    bench = with_keys(5, members=4)
    bench.begin("n5", pb.JoinRequest())
    bench.begin("n2", pb.LeaveRequest())
    bench.deliver()
    spread(bench)
    places = bench.places("n1")
    assert set(places.values()) <= {"MEMBER", "OUTSIDE"}
    check_all_there(bench)


@pytest.mark.parametrize(
    ("size", "members", "request_type", "node", "reason"),
    [
        (3, 0, pb.JoinRequest, "n1", "n1 is a member of the ring already"),
        (4, 3, pb.LeaveRequest, "n4", "n4 is not in the ring"),
        (3, 0, pb.LeaveRequest, "n1", "each key has 3 replicas, and only 2 nodes would be left"),
    ],
)
def test_what_makes_no_sense_is_refused(
    size: int,
    members: int,
    request_type: type[pb.JoinRequest] | type[pb.LeaveRequest],
    node: str,
    reason: str,
) -> None:
    """In words that tell why."""
    bench = StoreBench(size=size, members=members)
    response = join(bench, node) if request_type is pb.JoinRequest else leave(bench, node)
    with pytest.raises(Refused, match=reason):
        definite(response)


def test_a_node_outside_still_coordinates() -> None:
    """It only holds nothing itself."""
    bench = with_keys(4, members=3)
    assert not bench.put("n4", "x", b"1").HasField("refused")
    assert bench.values("n4", "x") == [b"1"]
    assert bench.view("n4").keys == 0
