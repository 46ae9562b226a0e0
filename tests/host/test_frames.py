"""Calls that share a stream: batches, parts, and what happens to what nobody waits for."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.host.frames import BATCH_BYTES, PART_BYTES, FramesBroken, Incoming, Outgoing
from nodes.host.rpc import RECEIVE_BYTES_MAX
from protos import node_pb2

SIZES = st.sampled_from(
    [0, 1, 100, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 5 * PART_BYTES + 7]
)


def outgoing(unwanted: set[int] | None = None) -> Outgoing[node_pb2.RequestFrames]:
    nobody = unwanted if unwanted is not None else set()
    return Outgoing(node_pb2.RequestFrames, lambda call: call not in nobody)


async def drained(queue: Outgoing[node_pb2.RequestFrames]) -> list[node_pb2.RequestFrames]:
    return [await queue.next() for _ in iter(lambda: queue.count, 0)]


def payload(call: int, size_bytes: int) -> bytes:
    return bytes([call % 251]) * size_bytes


@given(st.lists(SIZES, min_size=1, max_size=12))
async def test_what_is_put_in_arrives_once_and_whole(sizes: list[int]) -> None:
    """Small, large or empty, each message comes out with its own bytes and its own head."""
    queue, incoming = outgoing(), Incoming[node_pb2.RequestFrame]()
    for call, size_bytes in enumerate(sizes, 1):
        queue.put(call, payload(call, size_bytes), method=f"/m/{call}", lamport=call)
    found = {}
    for batch in await drained(queue):
        assert batch.ByteSize() < 2 * BATCH_BYTES + PART_BYTES
        for frame in batch.frames:
            arrived = incoming.take(frame)
            if arrived is not None:
                assert arrived.frame.call not in found
                assert arrived.frame.method == f"/m/{arrived.frame.call}"
                found[arrived.frame.call] = arrived.payload
    assert found == {call: payload(call, size) for call, size in enumerate(sizes, 1)}
    assert queue.waiting_bytes == 0


async def test_small_messages_pass_a_large_one_and_do_not_hold_it_up() -> None:
    """Every batch has a part of what is large, and the small ones that wait."""
    queue = outgoing()
    queue.put(1, payload(1, 4 * PART_BYTES))
    queue.put(2, b"small")
    assert [frame.call for frame in (await queue.next()).frames] == [2, 1]
    queue.put(3, b"small")
    assert [frame.call for frame in (await queue.next()).frames] == [3, 1]


async def test_large_messages_travel_one_after_the_other() -> None:
    """So no end ever holds two that are incomplete."""
    queue = outgoing()
    for call in (1, 2):
        queue.put(call, payload(call, 2 * PART_BYTES))
    calls = [frame.call for batch in await drained(queue) for frame in batch.frames]
    assert calls == [1, 1, 2, 2]


async def test_what_nobody_waits_for_is_not_sent() -> None:
    """Before its first part it is dropped, after that its receiver is told."""
    unwanted: set[int] = set()
    queue = outgoing(unwanted)
    queue.put(1, payload(1, 4 * PART_BYTES))
    queue.put(2, payload(2, 4 * PART_BYTES))
    queue.put(3, b"small")
    await queue.next()
    unwanted |= {1, 2}
    queue.put(4, b"", abandoned=True)
    frames = [frame for batch in await drained(queue) for frame in batch.frames]
    assert [(frame.call, frame.abandoned) for frame in frames] == [(4, True), (1, True)]
    assert queue.waiting_bytes == 0


async def test_the_writer_is_woken_by_what_comes() -> None:
    """`next` waits while there is nothing, and for something that somebody wants."""
    queue = outgoing({1})
    waiting = asyncio.create_task(queue.next())
    queue.put(1, b"nobody wants it")
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put(2, b"x")
    async with asyncio.timeout(5):
        assert [frame.call for frame in (await waiting).frames] == [2]


def part(call: int, size_bytes: int, *, more: bool) -> node_pb2.RequestFrame:
    return node_pb2.RequestFrame(call=call, part=b"x" * size_bytes, more=more)


def test_two_messages_in_parts_break_the_rules() -> None:
    """A second one may not begin before the first is complete or given up."""
    incoming = Incoming[node_pb2.RequestFrame]()
    assert incoming.take(part(1, 10, more=True)) is None
    with pytest.raises(FramesBroken, match="calls 1 and 2 both come in parts"):
        incoming.take(part(2, 10, more=True))
    incoming.forget(1)
    assert incoming.take(part(2, 10, more=True)) is None
    arrived = incoming.take(part(2, 5, more=False))
    assert arrived is not None
    assert arrived.payload == b"x" * 15


def test_what_is_too_large_is_not_kept() -> None:
    """Its size is told, its bytes are gone; one of the largest size passes."""
    incoming = Incoming[node_pb2.RequestFrame]()
    mib = 1024 * 1024
    for size_bytes, fits in ((RECEIVE_BYTES_MAX, True), (RECEIVE_BYTES_MAX + 1, False)):
        for _ in range(RECEIVE_BYTES_MAX // mib):
            assert incoming.take(part(1, mib, more=True)) is None
        arrived = incoming.take(part(1, size_bytes - RECEIVE_BYTES_MAX, more=False))
        assert arrived is not None
        assert arrived.size_bytes == size_bytes
        assert (arrived.payload is not None) is fits
