"""The picture: right in 80 columns, without colour, and deaf to what nodes put into names."""

from __future__ import annotations

import io
import time
from typing import Any

from rich.console import Console

from labs.kit import live
from labs.raft.lab import LAB

VIEW = {"role": "leader", "term": 4, "commit_index": 9, "last_applied": 9, "first_log_index": 1,
        "last_log_index": 9, "snapshot_index": 0}  # fmt: skip


def a_status(**changes: Any) -> dict[str, Any]:
    def node(name: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "state": "up", "since_ms": 0, "answers": True, "role": "follower",
                "silent_since_ms": None, "view": VIEW, **more}  # fmt: skip

    status = {
        "lab": "raft",
        "runtime": "local",
        "phase": "ready",
        "leader": "n1",
        "settings": {},
        "started_at": time.time() - 5,
        "now_ms": 5000,
        "nodes": [
            node("n1", role="leader"),
            node("n2", state="paused", since_ms=3000, view=None, role=None),
            node("n3", silent_since_ms=3800),
        ],
        "links": [],
        "faults": [],
        "network_error": None,
    }
    return {**status, **changes}


def picture(status: dict[str, Any], *events: dict[str, Any], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, no_color=True, force_terminal=False)
    console.print(live.draw(LAB, status, events, len(events)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def toxic(kind: str, stream: str, **attributes: int) -> dict[str, Any]:
    return {"type": kind, "stream": stream, "attributes": attributes}


def link(source: str, target: str, *toxics: dict[str, Any], enabled: bool = True) -> dict[str, Any]:
    return {"from": source, "to": target, "toxics": list(toxics), "enabled": enabled}


def test_nodes() -> None:
    """Each node's role, term, indices and length of log; since when it is paused or silent."""
    lines = picture(a_status()).splitlines()
    assert lines[0] == "raft · local · up 5.0 s · leader n1"
    assert lines[1].split() == ["node", "state", "role", "term", "commit", "applied", "log"]
    assert lines[2].split() == ["n1", "up", "leader", "4", "9", "9", "9"]
    assert lines[3].split() == ["n2", "paused", "2.0", "s"]
    assert lines[4].split()[:4] == ["n3", "silent", "1.2", "s"]


def test_links_that_are_not_clean() -> None:
    """Links with the same trouble share a line; clean ones are not shown."""
    cut_both = [toxic("timeout", side, timeout=0) for side in ("upstream", "downstream")]
    slow = toxic("latency", "upstream", latency=200, jitter=50)
    status = a_status(
        links=[
            link("n1", "n2", *cut_both),
            link("n2", "n1", *cut_both),
            link("n1", "n3", slow),
            link("n3", "n2", enabled=False),
            link("n3", "n1"),
        ]
    )
    shown = picture(status)
    assert "links: n1<->n2  cut" in shown
    assert "n1->n3  delay 200±50 ms upstream" in shown
    assert "n3->n2  severed" in shown
    assert "n3->n1" not in shown


def test_faults_and_events() -> None:
    """Active faults with their age; events as sentences with their time and count."""
    fault = {"kind": "kill", "nodes": ["n2"], "since_ms": 2000, "sentence": "killed n2"}
    event = {"at_ms": 1234, "kind": "leader", "sentence": "n1 leads", "times": 3}
    shown = picture(a_status(faults=[fault]), event)
    assert "fault: killed n2 (3.0 s ago)" in shown
    assert "     1.23 s  n1 leads (3 times)" in shown


def test_proxy_gone() -> None:
    """When the proxy is gone the picture says so instead of showing old links."""
    assert "network: the proxy server has ended" in picture(
        a_status(network_error="the proxy server has ended")
    )


def test_narrow_and_hostile() -> None:
    """Names with escapes are shown as escapes, and nothing is wider than the terminal."""
    status = a_status(leader="n1\x1b[2J")
    status["nodes"][0].update(id="n1\x1b[2J", role="\x07")
    event = {"at_ms": 1, "kind": "x", "sentence": "s" * 300}
    shown = picture(status, event, width=40)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert max(map(len, shown.splitlines())) <= 40


def test_where_it_can_be_drawn() -> None:
    """Pipes and dumb terminals get lines, not a picture."""
    assert not live.can_redraw(Console(file=io.StringIO()))
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert not live.can_redraw(dumb)
    capable = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    assert live.can_redraw(capable)
    assert 3 <= live.lines_for_events(capable, LAB, a_status()) <= 15
