"""`lab status` of the quorum lab: the ring as the nodes see it, and a key as each holds it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from labs.kit.views import view_to_json
from labs.quorum_store.key_view import RecordView, sibling_json, sibling_words
from labs.quorum_store.lab import LAB
from labs.quorum_store.ring_status import ring_status
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.parts.hash_ring import HashRing
from nodes.sim.cluster import SimCluster, simulate
from protos import quorum_store_pb2 as pb

T = TypeVar("T")
NODES = ("n1", "n2", "n3", "n4", "n5")
SETTINGS = LAB.defaults(simulated=True)


def simulated(program: Callable[[SimCluster], Awaitable[T]], **settings: int | str) -> T:
    """Runs it against five simulated nodes, which repair nothing by themselves."""
    quiet: dict[str, int | str] = {"anti_entropy_ms": 0, "handoff_ms": 0, "read_repair": "off"}
    nodes = tuple(NodeSpec(node, LAB.core) for node in NODES)
    spec = ClusterSpec(LAB.id, LAB.protos, nodes, {**SETTINGS, **quiet, **settings}, 1)

    async def main(cluster: SimCluster) -> T:
        return await program(cluster)

    return simulate(spec, main)


async def status_of(cluster: SimCluster, key: str) -> dict[str, Any]:
    """As the conductor makes it, by way of JSON."""
    nodes = []
    for node in cluster.nodes:
        view = await cluster.view(node)
        found = None if view is None else view_to_json(view)
        nodes.append({"id": node, "answers": found is not None, "view": found})
    looked = await RecordView().look(cluster, key)
    document = {"nodes": nodes, "settings": dict(cluster.params), "key": looked}
    copied: dict[str, Any] = json.loads(json.dumps(document))
    return copied


def rows(status: dict[str, Any]) -> dict[str, list[str]]:
    """By node: what the lines say it holds."""
    found: dict[str, list[str]] = {}
    node = ""
    for line in RecordView().lines(status)[1:]:
        match = re.match(r"  (?:\d.. replica|no replica |written to )\s*(n\d) +\+\S+ % +(.*)", line)
        node, held = match.groups() if match else (node, line.strip())
        found.setdefault(node, []).append(held)
    return found


def entries(**memberships: pb.Membership) -> dict[str, Any]:
    """A view with these in its ring, each in its second version if it is no plain member."""
    ring = pb.Ring(
        entries=[
            pb.RingEntry(node=node, membership=phase, version=1 + (phase != pb.MEMBER))
            for node, phase in memberships.items()
        ]
    )
    return view_to_json(pb.QuorumStoreView(ring=ring))


# ----------------------------------------------------------------------------------------- the ring


def test_the_ring_by_the_newest_that_anybody_knows() -> None:
    """Of each node the entry with the highest version counts; who has another is named."""
    members = dict.fromkeys(NODES[:4], pb.MEMBER)
    old, new = entries(**members), entries(**members, n5=pb.JOINING)
    lines = ring_status({"n1": old, "n2": new, "n3": old, "n5": new}, SETTINGS)
    assert lines[0] == "ring: 4 members with 64 tokens each, a key on 3 of them"
    assert lines[5].split()[0] == "n5"
    assert "joining, then" in lines[5]
    assert lines[6] == "  not heard of everything yet: n1, n3"
    agreed = ring_status({"n2": new, "n5": new}, SETTINGS)
    assert agreed == lines[:6]


def test_a_node_that_is_in_no_ring_is_outside() -> None:
    """It answers, and no entry names it."""
    view = entries(n1=pb.MEMBER)
    assert ring_status({"n1": view, "n2": view}, SETTINGS)[2].endswith("outside")


def test_nobody_says_anything() -> None:
    """While the nodes start there is no ring to draw."""
    assert ring_status({}, SETTINGS) == []


def test_the_ring_of_nodes_that_run() -> None:
    """What real cores say in their views can be drawn."""

    async def program(cluster: SimCluster) -> list[str]:
        status = await status_of(cluster, "cart")
        views = {one["id"]: one["view"] for one in status["nodes"]}
        return list(LAB.picture(views, status["settings"]))

    lines = simulated(program, members=4)
    assert lines[0] == "ring: 4 members with 64 tokens each, a key on 3 of them"
    assert [line.split()[-1] for line in lines[1:]] == ["member"] * 4 + ["outside"]


# ------------------------------------------------------------------------------------------ the key

FIRST, SECOND, THIRD, *OTHERS = HashRing(NODES, 64).walk("cart")


async def put(cluster: SimCluster, through: str, value: bytes, **fields: Any) -> pb.PutResponse:
    """Writes the key of these tests."""
    request = pb.PutRequest(key="cart", value=value, **fields)
    response = await cluster.call(through, request, timeout_ms=5000)
    assert isinstance(response, pb.PutResponse)
    return response


def test_each_replica_with_its_version() -> None:
    """A replica that was down holds what was there before, the others the newer version; and who
    is down is not taken for one who holds nothing."""

    async def program(cluster: SimCluster) -> tuple[dict[str, Any], dict[str, Any]]:
        wrote = await put(cluster, FIRST, b"milk", w=3)
        await cluster.faults.kill(THIRD)
        await put(cluster, FIRST, b"eggs", context=wrote.context)
        while_down = await status_of(cluster, "cart")
        await cluster.faults.restart(THIRD)
        return while_down, await status_of(cluster, "cart")

    while_down, status = simulated(program)
    assert rows(while_down)[THIRD] == ["no answer"]
    silent = [one for one in while_down["key"]["nodes"] if not one["answers"]]
    assert [one["id"] for one in silent] == [THIRD]
    assert silent[0]["error"]
    assert rows(status) == {
        FIRST: [f'A  "eggs"  {FIRST}#0:2'],
        SECOND: [f'A  "eggs"  {FIRST}#0:2'],
        THIRD: [f'B  "milk"  {FIRST}#0:1'],
    }
    held = {one["id"]: one["siblings"] for one in status["key"]["nodes"]}
    assert [(one["value"], one["dot"]) for one in held[THIRD]] == [("milk", f"{FIRST}#0:1")]
    assert [held[node] for node in OTHERS] == [[], []]


def test_siblings_and_hints_have_a_line_each() -> None:
    """Two writes that did not know of each other are both there, and the stand-in of a replica
    that is down says for whom it keeps them."""

    async def program(cluster: SimCluster) -> dict[str, Any]:
        await cluster.faults.kill(THIRD)
        await put(cluster, FIRST, b"milk", w=3)
        await put(cluster, FIRST, b"eggs", w=3)
        return await status_of(cluster, "cart")

    shown = rows(simulated(program, quorum="sloppy", write_quorum=3))
    assert shown[FIRST] == shown[SECOND] == [f'A  "milk"  {FIRST}#0:1', f'"eggs"  {FIRST}#0:2']
    assert shown[THIRD] == ["no answer"]
    assert shown[OTHERS[0]] == [
        f'hint for {THIRD}: "milk"  {FIRST}#0:1',
        f'hint for {THIRD}: "eggs"  {FIRST}#0:2',
    ]


def test_where_the_last_writer_wins_the_stamp_is_shown() -> None:
    """It is what decides; a deletion is a version as well."""

    async def program(cluster: SimCluster) -> dict[str, Any]:
        await put(cluster, FIRST, b"", deleted=True, w=3)
        return await status_of(cluster, "cart")

    (row,) = rows(simulated(program, versions="lww"))[SECOND]
    assert re.fullmatch(rf"A  deleted  \d+\.\d+@{FIRST}", row)


def test_nodes_that_mean_other_replicas_are_named() -> None:
    """While a change spreads, two coordinators may ask different nodes."""

    async def program(cluster: SimCluster) -> dict[str, Any]:
        return await status_of(cluster, "cart")

    status = simulated(program)
    assert not any(": on " in line for line in RecordView().lines(status))
    status["key"]["nodes"][4]["preference_list"] = ["n1", "n5"]
    lines = RecordView().lines(status)[-2:]
    assert lines[0] == f"  n1, n2, n3, n4: on {FIRST}, {SECOND}, {THIRD}"
    assert lines[1] == "  n5: on n1, n5"


def test_values_are_shortened_and_cannot_steer_a_terminal() -> None:
    """In the document they are whole."""
    sibling = pb.Sibling(dot=pb.Dot(actor="n1#0", counter=1), value=b"\x1b[2J" + b"x" * 100)
    told = sibling_json(sibling)
    assert told["value"] == "\x1b[2J" + "x" * 100
    words = sibling_words(told)
    assert words.isprintable()
    assert words.endswith('..."  n1#0:1')
    assert len(words) < 40
