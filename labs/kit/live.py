"""The cluster as a picture in a terminal: what `lab up`, `lab watch` and `lab status` show.

Everything is drawn from the document of `lab status --json`, so that a view from a second terminal
is the same as that of the conductor.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from labs.kit.key_view import load_key_view
from labs.kit.lab import Lab, no_leader
from labs.kit.text import span, visible

REFRESH_S = 0.25
LINKS_SHOWN = 8
Status = Mapping[str, Any]
_ROLE_STYLES = {"leader": "bold green", "candidate": "yellow", "pre_candidate": "yellow"}
_EVENT_STYLES = {"fault": "red", "down": "red", "crashed": "red", "heal": "green"}
_STATE_STYLES = {"up": "", "down": "red", "paused": "yellow", "silent": "magenta"}


def draw(lab: Lab, status: Status, events: Sequence[Mapping[str, Any]], lines: int) -> Group:
    """The whole picture; `lines` of the last events."""
    parts: list[RenderableType] = [headline(lab, status), node_table(lab, status)]
    parts += picture_lines(lab, status)
    parts += network_lines(status)
    parts += fault_lines(status)
    if lines > 0:
        parts.append(Text())
        parts += [event_line(event) for event in events[-lines:]]
    return Group(*parts)


def headline(lab: Lab, status: Status) -> Text:
    """Lab, runtime, age, and the leader where a lab has one."""
    age_ms = (time.time() - float(status["started_at"])) * 1000
    parts = [visible(str(status["lab"])), str(status["runtime"]), f"up {span(age_ms)}"]
    leader = status.get("leader")
    if status["phase"] != "ready":
        parts.append(str(status["phase"]))
    elif leader:
        parts.append(f"leader {visible(str(leader))}")
    elif lab.leader is not no_leader:
        parts.append("no leader")
    return Text(" · ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")


def node_table(lab: Lab, status: Status) -> Table:
    """One row a node."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("node", "state", *(("role",) if lab.roles else ())):
        table.add_column(title, no_wrap=True)
    for column in lab.view_columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    for node in status["nodes"]:
        table.add_row(*_row(lab, status, node))
    return table


def _row(lab: Lab, status: Status, node: Mapping[str, Any]) -> list[Text]:
    state, label = _state(status, node)
    role, view = visible(str(node.get("role") or "")), node.get("view")
    cells = [
        Text(visible(str(node["id"]))),
        Text(label, style=_STATE_STYLES.get(state, "")),
    ]
    if lab.roles:
        cells.append(Text(role.replace("_", "-"), style=_ROLE_STYLES.get(role, "")))
    style = "dim" if state != "up" else ""
    for column in lab.view_columns:
        cells.append(Text(visible(column.value(view)) if view else "", style=style))
    return cells


def _state(status: Status, node: Mapping[str, Any]) -> tuple[str, str]:
    now_ms, state = float(status["now_ms"]), str(node["state"])
    if state == "up" and node.get("silent_since_ms") is not None:
        return "silent", f"silent {span(now_ms - float(node['silent_since_ms']))}"
    if state == "up":
        return "up", "up"
    return state, f"{state} {span(now_ms - float(node['since_ms']))}"


def picture_lines(lab: Lab, status: Status) -> list[Text]:
    """What the lab draws besides, of the cluster and of the key that was asked for."""
    lines = list(lab.picture(_views(status), status["settings"]))
    if "key" in status:
        lines += load_key_view(lab).lines(status)
    return [Text(visible(line), no_wrap=True, overflow="ellipsis") for line in lines]


def _views(status: Status) -> dict[str, Mapping[str, Any]]:
    return {str(node["id"]): node["view"] for node in status["nodes"] if node["answers"]}


def network_lines(status: Status) -> list[Text]:
    """The links that are not clean, those with the same trouble together."""
    if status.get("network_error"):
        return [Text(f"network: {visible(str(status['network_error']))}", style="red")]
    lines = [
        Text(f"{', '.join(names)}  {trouble}", style="yellow")
        for trouble, names in troubled_links(status).items()
    ]
    if len(lines) > LINKS_SHOWN:
        more = len(lines) - LINKS_SHOWN
        lines = [*lines[:LINKS_SHOWN], Text(f"and {more} more (lab status --json)", style="yellow")]
    if lines:
        lines[0] = Text("links: ", style="bold") + lines[0]
    return lines


def troubled_links(status: Status) -> dict[str, list[str]]:
    """What is wrong -> the links it is wrong with; `n1<->n2` when both directions are alike."""
    trouble = {
        (str(link["from"]), str(link["to"])): text
        for link in status["links"]
        if (text := describe_link(link))
    }
    grouped: dict[str, list[str]] = {}
    for (source, target), text in trouble.items():
        both = trouble.get((target, source)) == text
        if both and source > target:
            continue
        arrow = "<->" if both else "->"
        grouped.setdefault(text, []).append(visible(f"{source}{arrow}{target}"))
    return grouped


def describe_link(link: Mapping[str, Any]) -> str:
    """What is wrong with a link in a few words; empty when it is clean."""
    words = [] if link.get("enabled", True) else ["severed"]
    streams: dict[str, list[str]] = {}
    for toxic in link.get("toxics", ()):
        streams.setdefault(_describe_toxic(toxic), []).append(str(toxic.get("stream", "")))
    for text, where in streams.items():
        side = "" if len(where) > 1 else f" {visible(where[0])}"
        words.append(text + side)
    return ", ".join(words)


def _describe_toxic(toxic: Mapping[str, Any]) -> str:
    kind, attributes = str(toxic.get("type", "?")), toxic.get("attributes") or {}
    if kind == "timeout" and attributes.get("timeout") == 0:
        return "cut"
    if kind == "latency":
        jitter = f"±{attributes['jitter']}" if attributes.get("jitter") else ""
        return f"delay {attributes.get('latency')}{jitter} ms"
    if kind == "bandwidth":
        return f"bandwidth {attributes.get('rate')} KB/s"
    values = " ".join(f"{visible(str(name))}={value}" for name, value in attributes.items())
    return f"{visible(kind)} {values}".rstrip()


def fault_lines(status: Status) -> list[Text]:
    """The faults that are active, one a line."""
    lines = []
    for fault in status["faults"]:
        age = span(float(status["now_ms"]) - float(fault.get("since_ms", status["now_ms"])))
        what = fault.get("sentence") or _describe_fault(fault)
        lines.append(Text(f"fault: {visible(str(what))} ({age} ago)", style="red"))
    return lines


def _describe_fault(fault: Mapping[str, Any]) -> str:
    nodes = ", ".join(str(node) for node in fault.get("nodes", ()))
    return f"{fault.get('kind', '?')} {nodes}".strip()


def event_line(event: Mapping[str, Any]) -> Text:
    """One event: seconds since the lab began, and its sentence."""
    at_s = float(event["at_ms"]) / 1000
    style = _EVENT_STYLES.get(str(event["kind"]), "none")
    text = Text(no_wrap=True, overflow="ellipsis").append(f"{at_s:9.2f} s  ", style="dim")
    times = int(event.get("times", 1))
    again = f" ({times} times)" if times > 1 else ""
    return text.append(f"{event['sentence']}{again}", style=style)


def lines_for_events(console: Console, lab: Lab, status: Status) -> int:
    """How many events fit below the rest without scrolling."""
    used = 4 + len(status["nodes"]) + len(status["faults"]) + LINKS_SHOWN
    used += len(picture_lines(lab, status))
    return max(3, min(15, console.height - used))


def can_redraw(console: Console) -> bool:
    """Whether the terminal can be drawn upon again and again; `TERM=dumb` and pipes cannot."""
    return console.is_terminal and not console.is_dumb_terminal
