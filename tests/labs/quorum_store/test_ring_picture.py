"""The ring as text and as SVG: the same facts in both, and nothing that a name could break."""

from __future__ import annotations

import re
from itertools import islice, takewhile
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.quorum_store.ring_picture import Held, RingState, key_lines, places, ring_lines
from labs.quorum_store.ring_svg import ring_svg
from nodes.parts.hash_ring import HashRing, position

SVG = "{http://www.w3.org/2000/svg}"
FIVE = dict.fromkeys(["n1", "n2", "n3", "n4", "n5"], "member")
KEYS = [f"key {number}" for number in range(200)]
MILK, EGGS = '"milk"  n1#0:4', '"eggs"  n2#0:7'


def a_ring(tokens: int = 8, replication: int = 3, **memberships: str) -> RingState:
    return RingState(FIVE | memberships, tokens, replication)


def texts(svg: str) -> list[str]:
    """All words of a picture, which must be one well-formed document."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


# ------------------------------------------------------------------------------------------ members


def test_every_member_has_its_share() -> None:
    """As text and as SVG: node, share, phase; the one with the largest share has the longest
    bar."""
    ring = a_ring()
    first, *lines = ring_lines(ring)
    assert first == "ring: 5 members with 8 tokens each, a key on 3 of them"
    shares = HashRing(FIVE, 8).shares()
    words = texts(ring_svg(ring))
    for line, (node, share) in zip(lines, shares.items(), strict=True):
        assert line.split()[0] == node
        assert line.endswith(f"{100 * share:.1f} %  member")
        assert {node, f"{100 * share:.1f} %", "member"} <= set(words)
    bars = {node: line.count("█") for line, node in zip(lines, shares, strict=True)}
    assert sorted(bars, key=bars.__getitem__)[-1] == max(shares, key=shares.__getitem__)


@pytest.mark.parametrize(
    ("phase", "reads_now", "reads_then"),
    [
        ("joining", False, True),
        ("settling", True, True),
        ("leaving", True, False),
        ("draining", False, False),
        ("outside", False, False),
    ],
)
def test_a_member_that_comes_or_goes(phase: str, reads_now: bool, reads_then: bool) -> None:
    """Its share now, and the one that it will have."""
    with_it = HashRing([*FIVE, "n6"], 8).shares()["n6"]
    line = ring_lines(a_ring(n6=phase))[-1]
    assert line.split()[0] == "n6"
    assert f"{100 * with_it * reads_now:.1f} %  {phase}" in line
    assert ("then" in line) == (reads_now != reads_then)
    if reads_now != reads_then:
        assert line.endswith(f"{phase}, then {100 * with_it * reads_then:.1f} %")


def test_the_svg_has_an_arc_for_every_token_and_a_second_ring_while_it_changes() -> None:
    """Each arc says whose it is when the pointer rests on it."""

    def arcs(ring: RingState) -> list[str]:
        root = ElementTree.fromstring(ring_svg(ring))
        return [path.findtext(f"{SVG}title") or "" for path in root.iter(f"{SVG}path")]

    assert len(arcs(a_ring())) == 5 * 8
    assert len(arcs(a_ring(n6="joining"))) == 5 * 8 + 6 * 8
    for node in FIVE:
        assert sum(text.startswith(f"{node} owns") for text in arcs(a_ring())) == 8


def test_a_ring_of_one_token_is_a_whole_circle() -> None:
    """An SVG arc from a point to itself would be nothing at all."""
    svg = ring_svg(RingState({"n1": "member"}, 1, 3))
    (path,) = re.findall(r"<path d='([^']*)'", svg)
    assert path.count("A132 132") == 2


def test_a_ring_of_nobody_can_be_drawn() -> None:
    """Before anybody has joined."""
    ring = RingState({"n1": "outside"}, 8, 3)
    assert ring_lines(ring)[0] == "ring: 0 members with 8 tokens each, a key on 0 of them"
    assert key_lines(ring, "cart", {})[1:] == []
    assert "outside" in texts(ring_svg(ring, "cart"))


# --------------------------------------------------------------------------------------------- keys


@given(st.text(min_size=1, max_size=9))
def test_the_preference_list_comes_first(key: str) -> None:
    """In its order, and each node at the distance of its first token."""
    ring = a_ring()
    found = places(ring, key, {})
    assert [place.node for place in found] == [*HashRing(FIVE, 8).preference_list(key, 3)]
    assert [place.role for place in found] == ["1st replica", "2nd replica", "3rd replica"]
    assert [place.distance for place in found] == sorted(place.distance for place in found)
    node, distance = found[0].node, found[0].distance
    token = (position(key) + round(distance * 2**64)) % 2**64
    nearest = min(ring.read_by.tokens_of(node), key=lambda one: abs(one - token))
    assert nearest == pytest.approx(token, rel=1e-12)


def test_what_each_replica_holds() -> None:
    """The same letter for the same versions, wherever they are; who did not answer is not taken
    for one who holds nothing."""
    ring = a_ring()
    first, second, third, *others = HashRing(FIVE, 8).walk("cart")
    holdings = {
        first: Held((MILK, EGGS)),
        second: Held((MILK,)),
        others[0]: Held((MILK, EGGS)),
        others[1]: Held((), (f"hint for {third}: {MILK}",)),
    }
    lines = key_lines(ring, "cart", holdings)
    assert re.match(r"key cart at \d+\.\d\d % of the ring; clockwise from there:", lines[0])
    rows = [line.split(maxsplit=5) for line in lines[1:]]
    assert rows[0] == ["1st", "replica", first, rows[0][3], "%", f"A  {MILK}"]
    assert lines[2].strip() == EGGS
    assert rows[2][:3] + rows[2][5:] == ["2nd", "replica", second, f"B  {MILK}"]
    assert rows[3][:3] + rows[3][5:] == ["3rd", "replica", third, "no answer"]
    assert rows[4][:3] + rows[4][5:] == ["no", "replica", others[0], f"A  {MILK}"]
    assert rows[6][:3] + rows[6][5:] == ["no", "replica", others[1], f"hint for {third}: {MILK}"]
    held_nothing = key_lines(ring, "cart", holdings | {third: Held()})
    assert [line for line in held_nothing if line.endswith("nothing")] != []
    words = texts(ring_svg(ring, "cart", holdings))
    assert words.count(MILK) == 3
    assert words.count(EGGS) == 2
    assert (words.count("A"), words.count("B"), words.count("no answer")) == (2, 1, 1)


def test_while_the_ring_changes_others_are_written_to_as_well() -> None:
    """Who will own the key gets its writes already, and is not yet asked."""
    ring = a_ring(n6="joining")
    after = HashRing([*FIVE, "n6"], 8)
    key = next(f"key {n}" for n in range(999) if "n6" in after.preference_list(f"key {n}", 3))
    assert [(place.node, place.role) for place in places(ring, key, {})][3:] == [
        ("n6", "written to")
    ]


def test_the_way_around_shows_every_token_until_the_last_replica() -> None:
    """Those of nodes that were met before are shown, and do not count; where there are too many,
    they are left out, and that is said."""
    ring = a_ring(tokens=64)
    seen_before = 0
    for number in range(50):
        key = f"key {number}"
        words = texts(ring_svg(ring, key))
        assert [word for word in words if word.startswith("replica ")] == [
            "replica 1",
            "replica 2",
            "replica 3",
        ]
        seen_before += words.count("met before")
    assert seen_before > 20
    ring, key = next(
        (ring, key)
        for seed in range(100)
        for ring in [RingState({f"a{seed}": "member", f"b{seed}": "member"}, 64, 2)]
        for key in KEYS
        if len(set(islice(ring.read_by.clockwise(key), 10))) == 1
    )
    words = texts(ring_svg(ring, key))
    assert words.count("met before") == 7
    assert "replica 2" in words
    left_out = next(word for word in words if "more token" in word)
    passed = takewhile(lambda node: node == ring.read_by.owner(key), ring.read_by.clockwise(key))
    assert left_out.startswith(f"(without {len(list(passed)) - 8} more token")


# ------------------------------------------------------------------------------ what must not break


@given(
    st.dictionaries(st.text(min_size=1, max_size=90), st.sampled_from(["member", "joining"])),
    st.text(min_size=1, max_size=200),
    st.text(max_size=300),
)
def test_no_name_breaks_a_line_or_a_document(
    memberships: dict[str, str], key: str, value: str
) -> None:
    """Lines stay within 80 columns and are printable; SVG stays well-formed, on its own white
    sheet, so that it can be read on a dark page as well."""
    ring = RingState(memberships, 3, 3)
    holdings = dict.fromkeys(memberships, Held((value,), (value,)))
    for line in ring_lines(ring) + key_lines(ring, key, holdings):
        assert len(line) <= 80
        assert line.isprintable() or " " in line
        assert not set("\x1b\n\r\u202e") & set(line)
    root = ElementTree.fromstring(ring_svg(ring, key, holdings))
    sheet = root.find(f"{SVG}rect")
    assert sheet is not None
    assert (sheet.get("width"), sheet.get("fill")) == ("100%", "#ffffff")
