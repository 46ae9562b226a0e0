"""The four session guarantees (Terry, Demers, Petersen, Spreitzer, Theimer and Welch 1994) on
registers; a session is a process, and each is judged by itself, by key.

Is there an order of the writes to a key that explains what sessions saw? It is not known, but
everything that a guarantee says about it is an edge: from a write to one that must come later.
There is such an order unless the edges go in a circle. A session's own writes to a key keep their
order in it.

    read-your-writes     a read sees the session's own latest write before it, or a later one
    monotonic-reads      a read sees what the session's read before it saw, or a later one
    monotonic-writes     whoever reads two writes of one session reads them in its order
    writes-follow-reads  whoever reads two writes, of which the second was written by a session that
                         had read the first, reads them in this order

A register shows one write at a time. So the last two are judged by what a session reads one after
the other; lists (`list_sessions.py`) show all writes in one read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from labs.kit.checkers.linearizable import Finding
from labs.kit.checkers.versions import INITIAL, Versions, because

Edge = tuple[int, int]


@dataclass(slots=True)
class _Edges:
    """What each guarantee says; each edge with the events that it comes from."""

    own: dict[Edge, tuple[int, ...]] = field(default_factory=dict)  # a session's writes
    ryw: dict[Edge, tuple[int, ...]] = field(default_factory=dict)
    mr: dict[Edge, tuple[int, ...]] = field(default_factory=dict)
    wfr: dict[Edge, tuple[int, ...]] = field(default_factory=dict)
    forgotten: dict[str, tuple[int, int]] = field(default_factory=dict)  # saw nothing after all


def judge_sessions(history: Versions, consistency: str) -> Finding:
    """Linear in the number of operations."""
    edges = _edges(history)
    if consistency in edges.forgotten:
        earlier, reader = edges.forgotten[consistency]
        return _bad(
            history,
            f"{history.say(reader)} saw no write at all, after {history.say(earlier)}",
            [earlier, reader],
            reader,
        )
    match consistency:
        case "read-your-writes":
            suspects, graph = edges.ryw, edges.own | edges.ryw
        case "monotonic-reads":
            suspects, graph = edges.mr, edges.own | edges.mr
        case "monotonic-writes":
            suspects, graph = edges.own, edges.own | edges.mr
        case _:
            suspects, graph = edges.wfr, edges.wfr | edges.mr
    component = _components(len(history.events), graph)
    for (first, second), sources in suspects.items():
        if component[first] == component[second]:
            back = _path(second, first, graph, component)
            reader = max(sources)
            circle = ", then ".join(history.say(place) for place in [first, *back])
            return _bad(
                history,
                f"{consistency} does not hold: by what the sessions saw, these writes would follow "
                f"each other in a circle: {circle} (one of those who saw it: "
                f"{history.say(reader)})",
                [first, *back, *sources],
                reader,
            )
    return Finding(True)


def _edges(history: Versions) -> _Edges:
    edges = _Edges()
    for session in history.sessions:
        wrote: dict[str | None, int] = {}
        seen: dict[str | None, tuple[int, int]] = {}  # key -> (write, event that saw it)
        for place in session:
            event, key = history.events[place], history.key(place)
            if event.saw is not None:
                own, before = wrote.get(key), seen.get(key)
                if event.saw == INITIAL:
                    if own is not None:
                        edges.forgotten.setdefault("read-your-writes", (own, place))
                    if before is not None:
                        edges.forgotten.setdefault("monotonic-reads", (before[1], place))
                else:
                    if own is not None and own != event.saw:
                        edges.ryw.setdefault((own, event.saw), (own, place))
                    if before is not None and before[0] != event.saw:
                        edges.mr.setdefault((before[0], event.saw), (before[1], place))
                    seen[key] = event.saw, place
            if event.writes:
                if key in wrote:
                    edges.own.setdefault((wrote[key], place), (wrote[key], place))
                if key in seen and seen[key][0] != place:
                    edges.wfr.setdefault((seen[key][0], place), (seen[key][1], place))
                wrote[key] = place
    return edges


def _components(count: int, graph: Iterable[Edge]) -> list[int]:
    """Strongly connected components by number (Tarjan 1972, without recursion)."""
    after: list[list[int]] = [[] for _ in range(count)]
    for first, second in graph:
        after[first].append(second)
    index, low = [-1] * count, [0] * count
    component, open_nodes = [-1] * count, []  # type: list[int], list[int]
    number = 0
    for root in range(count):
        if index[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, nth = work.pop()
            if nth == 0:
                index[node] = low[node] = number
                number += 1
                open_nodes.append(node)
            elif component[after[node][nth - 1]] < 0:
                low[node] = min(low[node], low[after[node][nth - 1]])
            for at in range(nth, len(after[node])):
                other = after[node][at]
                if index[other] < 0:
                    work += [(node, at + 1), (other, 0)]
                    break
                if component[other] < 0:
                    low[node] = min(low[node], index[other])
            else:
                while low[node] == index[node]:
                    member = open_nodes.pop()
                    component[member] = node
                    if member == node:
                        break
    return component


def _path(begin: int, end: int, graph: Iterable[Edge], component: list[int]) -> list[int]:
    """A shortest way from one write to another of its component, both included."""
    after: dict[int, list[int]] = {}
    for first, second in graph:
        if component[first] == component[second] == component[begin]:
            after.setdefault(first, []).append(second)
    came: dict[int, int] = {begin: begin}
    queue = [begin]
    for node in queue:
        for other in after.get(node, ()):
            if other not in came:
                came[other] = node
                queue.append(other)
    way = [end]
    while way[-1] != begin:
        way.append(came[way[-1]])
    return way[::-1]


def _bad(history: Versions, explanation: str, places: list[int], reader: int) -> Finding:
    events = history.events
    involved = [events[place].operation for place in places]
    return Finding(False, because(explanation, involved, events[reader].operation))
