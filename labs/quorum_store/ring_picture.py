"""The ring for people: who owns how much of it, and for a key, who holds which versions.

Everything is worked out from plain data (who is a member, how many tokens a node has, what each
replica said of a key), so that pictures of real, simulated and made-up clusters are alike.
The same facts are drawn as text here, and as SVG by `ring_svg`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labs.kit.text import counted, visible
from nodes.parts.hash_ring import POSITIONS, HashRing, position

WIDTH: Final = 80
_BAR: Final = 32
_KEY_SHOWN: Final = 26
OUTSIDE, MEMBER = "outside", "member"
_READ_BY: Final = frozenset({MEMBER, "settling", "leaving"})
_OTHERWISE: Final = frozenset({MEMBER, "joining", "draining"})
_AFTER: Final = frozenset({MEMBER, "joining", "settling"})


@dataclass(frozen=True, slots=True)
class Held:
    """What a node said it holds of a key, each version in a few words; and what it keeps of it for
    others."""

    versions: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, one below the other."""
        return (*self.versions, *self.hints) or ("nothing",)


Holdings = Mapping[str, Held]
"""By node; those that did not answer are missing."""


@dataclass(frozen=True, slots=True)
class RingState:
    """Who is in the ring and in which phase (names of the proto's Membership in small letters), the
    virtual nodes of a member, and on how many nodes a key is kept."""

    memberships: Mapping[str, str]
    tokens: int
    replication: int

    @property
    def nodes(self) -> list[str]:
        """All nodes, n10 behind n9."""
        return sorted(self.memberships, key=lambda node: (len(node), node))

    @property
    def changing(self) -> bool:
        """Somebody comes or goes."""
        return not set(self.memberships.values()) <= {MEMBER, OUTSIDE}

    @property
    def read_by(self) -> HashRing:
        """The ring that reads follow now."""
        return self._of(_READ_BY)

    @property
    def written_by(self) -> HashRing:
        """The ring that writes follow as well, while somebody comes or goes."""
        return self._of(_OTHERWISE)

    @property
    def after(self) -> HashRing:
        """The ring as it will be once the change is over."""
        return self._of(_AFTER)

    def _of(self, memberships: frozenset[str]) -> HashRing:
        members = (node for node, phase in self.memberships.items() if phase in memberships)
        return HashRing(members, self.tokens)


# ------------------------------------------------------------------------------- a key on the ring


@dataclass(frozen=True, slots=True)
class Place:
    """A node that has to do with a key: as what, how far clockwise from it (a share of the ring)
    it is met, what it holds, and a letter that those share who hold the same versions."""

    node: str
    role: str
    distance: float
    held: Held | None
    letter: str

    @property
    def lines(self) -> tuple[str, ...]:
        """What it holds, or that it did not say."""
        return ("no answer",) if self.held is None else self.held.lines


def places(ring: RingState, key: str, holdings: Holdings) -> list[Place]:
    """The preference list, then who is written to while the ring changes, then whoever else holds
    something."""
    roles = dict(_roles(ring, key))
    for node in ring.read_by.walk(key) + tuple(ring.nodes):
        if holdings.get(node, Held()) != Held():
            roles.setdefault(node, "no replica")
    letters: dict[tuple[str, ...], str] = {}
    found = []
    for node, role in roles.items():
        held = holdings.get(node)
        letter = ""
        if held is not None and held.versions:
            letter = letters.setdefault(held.versions, _letter(len(letters)))
        found.append(Place(node, role, distance(ring, key, node), held, letter))
    return found


def _roles(ring: RingState, key: str) -> Iterator[tuple[str, str]]:
    replicas = ring.read_by.preference_list(key, ring.replication)
    for index, node in enumerate(replicas):
        yield node, f"{ordinal(index + 1)} replica"
    if ring.changing:
        for node in ring.written_by.preference_list(key, ring.replication):
            if node not in replicas:
                yield node, "written to"


def distance(ring: RingState, key: str, node: str) -> float:
    """How much of the ring lies between a key and the first token of a node, clockwise."""
    tokens = HashRing([node], ring.tokens).tokens_of(node)
    return min((token - position(key)) % POSITIONS for token in tokens) / POSITIONS


def percent(share: float, digits: int = 1) -> str:
    """`12.5 %`."""
    return f"{100 * share:.{digits}f} %"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`: as far as preference lists go."""
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th') }"


def _letter(index: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[index % 26]


# -------------------------------------------------------------------------------------------- text


def ring_lines(ring: RingState) -> list[str]:
    """The members with their shares, as bars."""
    shares, after = ring.read_by.shares(), ring.after.shares()
    longest = max([*shares.values(), *after.values()], default=1.0)
    lines = [headline(ring)]
    for node in ring.nodes:
        share, becomes = shares.get(node, 0.0), after.get(node, 0.0)
        bar = "█" * round(_BAR * share / longest)
        bar += "░" * (round(_BAR * becomes / longest) - len(bar))
        phase = phase_words(ring, node)
        lines.append(f"  {visible(node):<4} {bar:<{_BAR}} {percent(share):>7}  {visible(phase)}")
    return fit(lines)


def headline(ring: RingState) -> str:
    """How many there are of everything."""
    count = len(ring.read_by.members)
    members, tokens = counted(count, "member"), counted(ring.tokens, "token")
    return f"ring: {members} with {tokens} each, a key on {min(ring.replication, count)} of them"


def phase_words(ring: RingState, node: str) -> str:
    """The phase a node is in, and what it will own once the change is over."""
    now, then = (one.shares().get(node, 0.0) for one in (ring.read_by, ring.after))
    return ring.memberships[node] + (f", then {percent(then)}" if then != now else "")


def key_lines(ring: RingState, key: str, holdings: Holdings) -> list[str]:
    """Where a key is, and what its replicas hold; the same letter means the same versions."""
    at = position(key) / POSITIONS
    lines = [f"key {short(key, _KEY_SHOWN)} at {percent(at, 2)} of the ring; clockwise from there:"]
    for place in places(ring, key, holdings):
        head = f"  {place.role:<11} {visible(place.node):<4} +{percent(place.distance, 2):<8} "
        for index, line in enumerate(place.lines):
            start = f"{head}{place.letter:<1} " if index == 0 else " " * (len(head) + 2)
            lines.append(f"{start} {visible(line)}")
    return fit(lines)


def short(text: str, length: int) -> str:
    """Printable, and not longer than that."""
    shown = visible(text)
    return shown if len(shown) <= length else f"{shown[: length - 3]}..."


def fit(lines: Iterable[str], width: int = WIDTH) -> list[str]:
    """No line is wider, or ends in blanks."""
    return [short(line, width).rstrip() for line in lines]
