"""The ring as an SVG picture, for reports: owners by colour and name, and a key's way around it."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi, sin
from typing import Final

from labs.kit.svg import BACK, FAINT, INK, Drawing, text_width, title
from labs.kit.text import counted
from labs.kit.timeline.palette import Paint
from labs.quorum_store.ring_picture import (
    OUTSIDE,
    Held,
    Holdings,
    Place,
    RingState,
    headline,
    percent,
    phase_words,
    places,
    short,
)
from nodes.parts.hash_ring import POSITIONS, HashRing, position

WIDTH: Final = 760
MARGIN: Final = 28
_CENTRE: Final = (214.0, 206.0)
_OUTER, _INNER = 132.0, 98.0
_AFTER_OUTER, _AFTER_INNER = 92.0, 82.0
_LEGEND_X: Final = 430
_ROW: Final = 24
_STEPS_MAX: Final = 9
_QUIET: Final = "#57606a"
_LABELLED_FROM: Final = 0.035  # of the ring: what is shorter has no room for a name
# Okabe and Ito's, which colour-blind people tell apart. Every owner is named as well.
_OWNERS: Final = (
    Paint("#0072b2", "#ffffff"),
    Paint("#e69f00", INK),
    Paint("#009e73", INK),
    Paint("#cc79a7", INK),
    Paint("#56b4e9", INK),
    Paint("#d55e00", INK),
    Paint("#f0e442", INK),
    Paint("#a5adb6", INK),
)
Paints = Mapping[str, Paint]


def ring_svg(ring: RingState, key: str | None = None, holdings: Holdings | None = None) -> str:
    """The whole picture; with a key also its preference list and what each replica holds."""
    paints = {node: _OWNERS[at % len(_OWNERS)] for at, node in enumerate(ring.nodes)}
    drawing = Drawing()
    drawing.text(MARGIN, 34, headline(ring), size=16, bold=True)
    _owners(drawing, ring, paints)
    bottom = max(_legend(drawing, ring, paints), _CENTRE[1] + _OUTER + 44)
    if key is not None:
        _key_mark(drawing, key)
        bottom = _way(drawing, ring, key, paints, bottom + 12)
        bottom = _holdings(drawing, places(ring, key, holdings or {}), paints, bottom + 20)
    return drawing.document(WIDTH, bottom + 12)


# ---------------------------------------------------------------------------------------- the ring


def _owners(drawing: Drawing, ring: RingState, paints: Paints) -> None:
    _circle(drawing, ring.read_by, paints, _OUTER, _INNER)
    x, y = _CENTRE
    if ring.changing:
        _circle(drawing, ring.after, paints, _AFTER_OUTER, _AFTER_INNER)
        drawing.text(x, y - 4, "outside: now", anchor="middle", colour=_QUIET)
        drawing.text(x, y + 14, "inside: after the change", anchor="middle", colour=_QUIET)
    else:
        drawing.text(x, y + 4, "keys go clockwise", anchor="middle", colour=_QUIET)
    drawing.line([(x, y - _INNER), (x, y - _OUTER - 5)], INK, 1.5)


def _circle(drawing: Drawing, ring: HashRing, paints: Paints, outer: float, inner: float) -> None:
    for length, place, node in ring.arcs():
        start, end, share = (place - length) / POSITIONS, place / POSITIONS, length / POSITIONS
        explained = title(
            f"{node} owns the {percent(share, 2)} of the ring up to {percent(end, 2)}"
        )
        shape = _band(start, end, outer, inner)
        drawing.add(f"<path d='{shape}' fill='{paints[node].fill}'>{explained}</path>")
        if share >= _LABELLED_FROM and outer == _OUTER:
            x, y = _point((start + end) / 2, (outer + inner) / 2)
            ink = paints[node].ink
            drawing.text(x, y + 4, short(node, 6), size=11, anchor="middle", colour=ink)


def _point(share: float, radius: float) -> tuple[float, float]:
    """Where a share of the way around is; 0 is at the top."""
    angle = 2 * pi * share
    return _CENTRE[0] + radius * sin(angle), _CENTRE[1] - radius * cos(angle)


def _band(start: float, end: float, outer: float, inner: float) -> str:
    """A stretch of the ring. SVG draws nothing from a point to itself, so a whole turn is two."""
    if end - start > 0.5:
        middle = (start + end) / 2
        return f"{_band(start, middle, outer, inner)} {_band(middle, end, outer, inner)}"
    (ax, ay), (bx, by) = _point(start, outer), _point(end, outer)
    (cx, cy), (dx, dy) = _point(end, inner), _point(start, inner)
    return (
        f"M{ax:.2f} {ay:.2f}A{outer:g} {outer:g} 0 0 1 {bx:.2f} {by:.2f}"
        f"L{cx:.2f} {cy:.2f}A{inner:g} {inner:g} 0 0 0 {dx:.2f} {dy:.2f}Z"
    )


def _legend(drawing: Drawing, ring: RingState, paints: Paints) -> float:
    shares, y = ring.read_by.shares(), 72.0
    for node in ring.nodes:
        drawing.box(_LEGEND_X, y, 16, 16, paints[node].fill)
        is_out = ring.memberships[node] == OUTSIDE
        drawing.text(_LEGEND_X + 26, y + 13, short(node, 10), bold=not is_out)
        share = "" if is_out else percent(shares.get(node, 0.0))
        drawing.text(_LEGEND_X + 136, y + 13, share, anchor="end")
        drawing.text(_LEGEND_X + 152, y + 13, phase_words(ring, node), colour=_QUIET)
        y += _ROW
    return y


# ------------------------------------------------------------------------------------------- a key


def _key_mark(drawing: Drawing, key: str) -> None:
    at = position(key) / POSITIONS
    tip, words = _point(at, _OUTER + 2), _point(at, _OUTER + 22)
    sides = [_point(at - 0.008, _OUTER + 15), _point(at + 0.008, _OUTER + 15)]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in [tip, *sides])
    drawing.add(f"<polygon points='{corners}' fill='{INK}'/>")
    anchor = "middle" if abs(words[0] - _CENTRE[0]) < 60 else ""
    anchor = anchor or ("start" if words[0] > _CENTRE[0] else "end")
    drawing.text(words[0], words[1] + 4, short(key, 8), anchor=anchor, bold=True)


def _way(drawing: Drawing, ring: RingState, key: str, paints: Paints, y: float) -> float:
    """The tokens clockwise from the key, until all replicas are met: where the preference list
    comes from."""
    at = position(key) / POSITIONS
    words = (
        f"{short(key, 40)} lies at {percent(at, 2)}. The first different nodes from there keep it:"
    )
    drawing.text(MARGIN, y, words, bold=True)
    steps, left_out = _steps(ring.read_by, key, ring.replication)
    width, y = (WIDTH - 2 * MARGIN) / _STEPS_MAX, y + 14
    for index, (node, place, meeting) in enumerate(steps):
        x = MARGIN + index * width
        paint = paints[node]
        drawing.box(x, y, width - 6, 26, paint.fill if meeting else BACK)
        if not meeting:
            drawing.add(
                f"<rect x='{x + 0.5:.1f}' y='{y + 0.5:.1f}' width='{width - 7:.1f}' height='25' "
                f"rx='2' fill='none' stroke='{FAINT}'/>"
            )
        middle, ink = x + (width - 6) / 2, paint.ink if meeting else _QUIET
        name = short(node, 9)
        drawing.text(middle, y + 18, name, anchor="middle", colour=ink, bold=bool(meeting))
        share = percent(place / POSITIONS, 2)
        drawing.text(middle, y + 41, share, size=11, anchor="middle", colour=_QUIET)
        what = meeting or "met before"
        drawing.text(
            middle, y + 56, what, size=11, anchor="middle", colour=INK if meeting else _QUIET
        )
    if left_out:
        words = f"(without {counted(left_out, 'more token')} of nodes that were met before)"
        drawing.text(MARGIN, y + 74, words, size=11, colour=_QUIET)
    return y + (74 if left_out else 56)


def _steps(ring: HashRing, key: str, count: int) -> tuple[list[tuple[str, int, str]], int]:
    """Node, token, and as which replica it was met (nothing if it was met before), up to the last
    replica; and how many were left out where there are too many."""
    start = position(key)
    tokens = sorted(((place - start) % POSITIONS, place, node) for _, place, node in ring.arcs())
    replicas = ring.preference_list(key, count)
    steps: list[tuple[str, int, str]] = []
    met: list[str] = []
    for _, place, node in tokens:
        if len(met) == len(replicas):
            break
        if node not in met:
            met.append(node)
            steps.append((node, place, f"replica {len(met)}"))
        else:
            steps.append((node, place, ""))
    again = [step for step in steps if not step[2]]
    spare = max(0, len(steps) - _STEPS_MAX)
    dropped = again[len(again) - min(spare, len(again)) :]
    return [step for step in steps if step not in dropped][:_STEPS_MAX], len(dropped)


def _holdings(drawing: Drawing, found: list[Place], paints: Paints, y: float) -> float:
    """A row a node, and below each other what it holds."""
    drawing.text(MARGIN, y + 4, "What each holds (the same letter: the same versions)", bold=True)
    y += 14
    for place in found:
        drawing.line([(MARGIN, y), (WIDTH - MARGIN, y)], FAINT)
        drawing.box(MARGIN, y + 6, 16, 16, paints[place.node].fill)
        drawing.text(MARGIN + 26, y + 18, short(place.node, 8), bold=True)
        drawing.text(MARGIN + 88, y + 18, place.role, colour=_QUIET)
        drawing.text(MARGIN + 184, y + 18, place.letter, bold=True)
        for index, line in enumerate(place.lines):
            colour = _QUIET if place.held in (None, Held()) else INK
            words = _cut(line, WIDTH - 2 * MARGIN - 210)
            drawing.text(MARGIN + 210, y + 18 + 18 * index, words, colour=colour)
        y += 28 + 18 * (len(place.lines) - 1)
    return y


def _cut(text: str, width: float) -> str:
    shown = short(text, 200)
    while text_width(shown, 12) > width:
        shown = short(shown, len(shown) - 4)
    return shown
