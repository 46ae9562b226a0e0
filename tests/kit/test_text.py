"""Nothing that comes from a node may steer the reader's terminal; bytes are never lost."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.kit.durations import parse_ms
from labs.kit.errors import LabError, nearest
from labs.kit.sentences import sentence
from labs.kit.text import bytes_to_json, span, visible, visible_bytes
from labs.kit.views import view_to_json
from labs.raft.lab import LAB
from protos import raft_pb2 as raft


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    """What is printed holds no control, format or surrogate character."""
    shown = visible(text)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    shown.encode("utf-8")


def test_printable_text_is_left_alone() -> None:
    """Accents, other scripts and emoji are shown as they are."""
    assert visible("Zoë 世界 🚀 e\u0301") == "Zoë 世界 🚀 e\u0301"
    assert visible("\x1b[2J\u202e") == "\\x1b[2J\\u202e"


@given(st.binary())
def test_bytes_survive_json(value: bytes) -> None:
    """A value that is not UTF-8 comes along in base64, so that not one byte is lost."""
    fields = bytes_to_json(value)
    if "value_base64" in fields:
        assert base64.b64decode(fields["value_base64"]) == value
    else:
        assert fields["value"].encode() == value


def test_bytes_are_never_question_marks() -> None:
    """b'\\xff' is shown as an escape."""
    assert visible_bytes(b"a\xff") == "a\\xff"


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(0, "0 ms"), (-4, "0 ms"), (340, "340 ms"), (4200, "4.2 s"), (185_000, "3 min 5 s")],
)
def test_spans(milliseconds: int, said: str) -> None:
    """Durations read as people say them."""
    assert span(milliseconds) == said
    assert span(7_800_000) == "2 h 10 min"


@pytest.mark.parametrize(("text", "ms"), [("200ms", 200), ("1.5s", 1500), ("-5s", -5000)])
def test_durations(text: str, ms: int) -> None:
    """Durations are read with their unit."""
    assert parse_ms(text, "TIME") == ms


@pytest.mark.parametrize("text", ["", "5", "ms", "5 ms", "nan", "1e3ms", "5ms5", "٥ms"])
def test_bad_durations(text: str) -> None:
    """A duration without a unit, or that is none, is refused with an example."""
    with pytest.raises(LabError, match="such as 200ms"):
        parse_ms(text, "TIME")


def test_nearest_names() -> None:
    """A typo is told the nearest name, anything else all names."""
    assert nearest("raff", ["raft", "paxos"]) == "did you mean raft?"
    assert nearest("zzz", ["raft", "paxos"]) == "known: paxos, raft"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {"node": "n3", "kind": "leader", "term": 4, "votes": "n1,n5"},
            "n3 became leader of term 4 with votes from n1, n5",
        ),
        (
            {"node": "n1", "kind": "campaign", "term": 2, "pre_vote": True},
            "n1 heard no leader and asks whether it could win term 2",
        ),
        ({"node": "n1", "kind": "campaign", "term": 2}, "n1 campaigns for term 2"),
        ({"node": "n1", "kind": "follower", "term": 2, "leader": ""}, ""),
        ({"node": "n1", "kind": "vote", "term": 2}, "n1 voted for ? in term 2"),
        ({"node": "n1", "kind": "odd_thing", "count": 3}, "n1: odd thing (count 3)"),
        ({"node": "\x1b", "kind": "\x07", "a": True}, "\\x1b: \\x07 (a yes)"),
    ],
)
def test_sentences(event: Mapping[str, Any], said: str) -> None:
    """Events are said in the lab's words; unknown ones all the same, with escapes."""
    assert sentence(LAB, event) == said


def test_view_as_plain_data() -> None:
    """A view keeps its field names; enum values are words, digests are hexadecimal."""
    view = raft.RaftView(
        role=raft.LEADER,
        term=2**53 + 1,
        applied_digest=255,
        voters=["n1"],
        followers=[raft.Follower(node_id="n2", next_index=3)],
    )
    plain = view_to_json(view)
    assert plain["role"] == "leader"
    assert plain["term"] == 2**53 + 1
    assert plain["applied_digest"] == "00000000000000ff"
    assert plain["voters"] == ["n1"]
    assert plain["followers"] == [{"node_id": "n2", "next_index": 3, "match_index": 0}]
    assert plain["voted_for"] == ""
