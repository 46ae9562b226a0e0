"""The feed of sentences: reads what is new, across rotations, and skips what nobody reads."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from labs.kit import event_feed
from labs.kit.event_feed import EventFeed
from labs.raft.lab import LAB


def line(kind: str, at_ms: float = 1, node: str = "n1", **fields: Any) -> str:
    head = {"node": node, "seq": 1, "lamport": 1, "at_ms": at_ms, "kind": kind}
    return json.dumps({**head, **fields}) + "\n"


def a_feed(folder: Path) -> EventFeed:
    return EventFeed(LAB, {node: folder / f"{node}.jsonl" for node in ("n1", "n2")}, lambda: 7.0)


def sentences(feed: EventFeed) -> list[str]:
    return [one.sentence for one in feed.lines]


async def test_merges_by_time_and_skips_routine(tmp_path: Path) -> None:
    """Lines of all nodes come in the order of their time; heartbeats do not come at all."""
    feed = a_feed(tmp_path)
    (tmp_path / "n1.jsonl").write_text(
        line("sent") + line("commit", index=3) + line("snapshot", 20, index=9)
    )
    (tmp_path / "n2.jsonl").write_text(line("received") + line("started", 10, "n2"))
    await feed.refresh()
    assert sentences(feed) == ["n2 started", "n1 took a snapshot up to index 9"]
    await feed.refresh()
    assert len(feed.lines) == 2, "nothing is told twice"


async def test_half_lines_and_garbage(tmp_path: Path) -> None:
    """A line is read when it is whole; one that is no event is passed over."""
    feed, path = a_feed(tmp_path), tmp_path / "n1.jsonl"
    whole = line("started")
    path.write_text(whole[:10])
    await feed.refresh()
    assert sentences(feed) == []
    path.write_text(whole + '"kind":"x"\n{"kind":"y"}\n' + '{"kind":"z","at_ms":"now"}\n')
    await feed.refresh()
    assert sentences(feed) == ["n1 started"]


async def test_rotation_loses_nothing(tmp_path: Path) -> None:
    """What was written before the file was moved aside is read there."""
    feed, path = a_feed(tmp_path), tmp_path / "n1.jsonl"
    path.write_text(line("snapshot", 1, index=1))
    await feed.refresh()
    with path.open("a") as file:
        file.write(line("snapshot", 2, index=2))
    path.rename(tmp_path / "n1.jsonl.1")
    path.write_text(line("snapshot", 3, index=3))
    await feed.refresh()
    assert [one.at_ms for one in feed.lines] == [1, 2, 3]


async def test_far_behind_is_bounded(tmp_path: Path, monkeypatch: Any) -> None:
    """A feed that is far behind reads the end only, from a whole line on."""
    monkeypatch.setattr(event_feed, "READ_BYTES_MAX", 400)
    feed = a_feed(tmp_path)
    (tmp_path / "n1.jsonl").write_text("".join(line("snapshot", i, index=i) for i in range(50)))
    await feed.refresh()
    indices = [one.at_ms for one in feed.lines]
    assert 1 <= len(indices) < 10
    assert indices[-1] == 49


async def test_repeats_are_counted(tmp_path: Path) -> None:
    """A node that says the same again and again takes one line, with a count."""
    feed = a_feed(tmp_path)
    (tmp_path / "n1.jsonl").write_text(
        "".join(line("campaign", i, term=2, pre_vote=True) for i in range(3))
    )
    await feed.refresh()
    [only] = feed.lines
    assert (only.times, only.at_ms, only.seq) == (3, 2, 3)


async def test_waiting(tmp_path: Path) -> None:
    """Who waits for news gets them as they come, or nothing when time is up."""
    feed = a_feed(tmp_path)
    assert await feed.wait_after(0, 0.01) == []
    waiting = asyncio.create_task(feed.wait_after(0, 5))
    await asyncio.sleep(0)
    await feed.tell("fault", "something broke")
    assert [one.sentence for one in await waiting] == ["something broke"]
    assert feed.after(1) == []
