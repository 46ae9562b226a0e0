"""From events to what is drawn: messages with their fates, faults with their ends, roles."""

from __future__ import annotations

from typing import Any

import pytest

from labs.kit.history import Entry, HistoryMalformed
from labs.kit.timeline import Diagram, diagram
from labs.kit.timeline.model import DOWN, PAUSED
from labs.raft.lab import LAB
from nodes.cluster.api import CLIENT
from tests.kit.timeline.script import Script, election


def fates(found: Diagram) -> dict[str, str]:
    return {message.id: message.fate for message in found.messages}


def roles(found: Diagram, node: str) -> list[tuple[str, int | None, float, float | None]]:
    return [
        (band.role, band.term, band.began_ms, band.ended_ms)
        for band in found.bands
        if band.node == node
    ]


# -------------------------------------------------------------------------------------- messages


def test_a_message_goes_from_its_sender_to_its_receiver() -> None:
    """Sending and receiving are told apart by the id that both carry."""
    [message] = diagram(Script().message("a", "n1", "n2", 1.0, 3.5, "Vote").events).messages
    assert (message.source, message.target, message.kind) == ("n1", "n2", "Vote")
    assert (message.sent_ms, message.received_ms, message.fate) == (1.0, 3.5, "arrived")
    assert not message.is_response


def test_a_duplicate_is_two_messages() -> None:
    """A request that arrives twice is drawn twice, from one sending."""
    script = Script().message("a", "n1", "n2", 1.0, 3.5).receive("a", "n1", "n2", 9.0)
    assert [one.received_ms for one in diagram(script.events).messages] == [3.5, 9.0]


def test_lost_request_and_lost_response_differ() -> None:
    """What failed for the caller was lost where the other's record has it no more."""
    script = Script().send("a", "n1", "n2", 1.0).fail("a", "n1", "n2", 100.0, "deadline")
    script.message("b", "n1", "n2", 2.0, 2.5).send("br", "n2", "n1", 3.0)
    script.fail("b", "n1", "n2", 102.0, "deadline")
    found = diagram(script.events)
    assert fates(found) == {"a": "lost", "b": "arrived", "br": "lost"}
    assert {one.why for one in found.messages if one.fate == "lost"} == {"deadline"}


def test_a_message_under_way_at_the_end_is_not_lost() -> None:
    """Nothing is claimed that the record does not show."""
    script = Script().message("a", "n1", "n2", 1.0, 2.0).send("b", "n1", "n2", 3.0)
    assert fates(diagram(script.events))["b"] == "open"
    assert fates(diagram(script.add("n2", 5000.0, "note").events))["b"] == "lost"


def test_a_record_with_gaps_proves_no_loss() -> None:
    """A receiver whose recorder dropped events may have received it; the picture says so."""
    script = Script().message("a", "n1", "n2", 1.0, 2.0).send("b", "n1", "n2", 3.0)
    script.seqs["n2"] += 7
    script.add("n2", 5000.0, "note").fail("b", "n1", "n2", 90.0, "deadline")
    found = diagram(script.events)
    assert fates(found)["b"] == "open"
    assert "n2 (7)" in found.remarks[0]


def test_clients_record_faults_and_no_messages() -> None:
    """A response to a client that does not record what it receives is not lost."""
    script = Script().fault(1.0, do="heal").receive("client-1", CLIENT, "n1", 2.0)
    script.send("client-1r", "n1", CLIENT, 3.0).fault(9000.0, do="heal")
    found = diagram(script.add("n1", 9000.0, "note").events)
    assert fates(found) == {"client-1": "arrived", "client-1r": "open"}
    assert found.messages[0].sent_ms is None


def test_the_simulator_names_messages_by_their_type() -> None:
    """Request and response of one RPC have one kind."""
    script = Script()
    for id, name in (("a", "RequestVoteRequest"), ("ar", "RequestVoteResponse")):
        script.add("n1", 1.0, "sent", message=id, to="n2", type=name)
    found = diagram(script.events, nodes=["n1", "n2"])
    assert [(one.kind, one.is_response) for one in found.messages] == [
        ("RequestVote", False),
        ("RequestVote", True),
    ]


# ---------------------------------------------------------------------------------------- faults


def test_faults_end_when_they_are_undone() -> None:
    """A killed node's fault lasts until it starts, others until the heal."""
    found = {fault.kind: fault for fault in diagram(election().events, lab=LAB).faults}
    assert (found["kill"].began_ms, found["kill"].ended_ms) == (300.0, 905.0)
    assert (found["pause"].began_ms, found["pause"].ended_ms) == (700.0, 900.0)
    assert "heal" not in found


def test_a_fault_that_nobody_undid_goes_on() -> None:
    """Its band is open."""
    script = Script().start("n1", "n2").fault(5.0, do="cut", a="n1", b="n2")
    [fault] = diagram(script.events).faults
    assert (fault.ended_ms, fault.nodes) == (None, ("n1", "n2"))


def test_those_a_partition_does_not_name_are_a_side() -> None:
    """`partition n1` parts n1 from the rest."""
    script = Script().start("n1", "n2", "n3").fault(5.0, do="partition", groups=[["n2"]])
    [fault] = diagram(script.events).faults
    assert fault.groups == (("n2",), ("n1", "n3"))
    assert fault.nodes == ("n1", "n2", "n3")


def test_resume_ends_a_pause() -> None:
    """Of each node that it names; the band lasts until the last one goes on."""
    script = Script().start("n1", "n2").fault(5.0, do="pause", nodes=["n1", "n2"])
    script.fault(8.0, do="resume", nodes=["n1"]).fault(9.0, do="resume", nodes=["n2"])
    [pause, *_] = diagram(script.events).faults
    assert pause.ended_ms == 9.0


@pytest.mark.parametrize("fault", ["", "{", "[]", '"kill"', '{"do": 5}', "[" * 100_000, 7, None])
def test_garbage_is_no_fault(fault: Any) -> None:
    """What cannot be read is passed over."""
    assert diagram(Script().add(CLIENT, 1.0, "fault", fault=fault).events).faults == []


# ----------------------------------------------------------------------------------------- roles


def test_roles_and_terms_follow_the_notes() -> None:
    """The bands of a lane touch each other, and the last one is open."""
    found = diagram(election().events, lab=LAB)
    assert roles(found, "n1") == [
        ("follower", None, 0, 150),
        ("candidate", 1, 150, 151.2),
        ("leader", 1, 151.2, 300.0),
        (DOWN, 1, 300.0, 905.0),
        ("follower", 1, 905.0, 906.5),
        ("follower", 2, 906.5, None),
    ]
    assert roles(found, "n3") == [
        ("follower", None, 0, 700.0),
        (PAUSED, None, 700.0, 900.0),
        ("follower", None, 900.0, None),
    ]


def test_a_node_found_dead_is_down() -> None:
    """The conductor tells of a node that ended by itself."""
    script = Script().start("n1").add(CLIENT, 40.0, "crashed", of="n1", text="n1 is down: signal 9")
    assert roles(diagram(script.events, lab=LAB), "n1")[-1][:3] == (DOWN, None, 40.0)


def test_without_a_lab_there_are_lanes_all_the_same() -> None:
    """Roles are the lab's; being down is everyone's."""
    found = diagram(Script().start("n10", "n2").crash("n2", 5.0).events)
    assert found.nodes == ("n2", "n10")
    assert [band[0] for band in roles(found, "n2")] == ["", DOWN]


def test_a_window_shows_what_touches_it() -> None:
    """Bands that began before go on in it; messages outside are left out."""
    found = diagram(election().events, lab=LAB, from_ms=290, to_ms=400)
    assert [band.role for band in found.bands if band.node == "n1"] == ["leader", DOWN]
    assert [fault.kind for fault in found.faults] == ["kill"]
    assert found.messages == []
    assert found.marks == []


def test_notes_become_marks_and_routine_does_not() -> None:
    """Quiet kinds of the lab are left out as well."""
    script = election().add("n2", 600.0, "commit", index=4).add("n2", 601.0, "timer", timer="x")
    found = diagram(script.add("n2", 602.0, "snapshot", index=4).events, lab=LAB)
    kinds = {mark.kind for mark in found.marks}
    assert "snapshot" in kinds
    assert not kinds & {"commit", "timer", "sent", "received", "fault"}


# ------------------------------------------------------------------------------------ operations


def test_operations_become_bars() -> None:
    """With what the client knew: an info lasts until the client gave up."""
    history = [
        Entry(0, "invoke", "write", 1, "x", 1_000_000),
        Entry(1, "invoke", "read", None, "x", 2_000_000),
        Entry(1, "ok", "read", 1, "x", 3_000_000),
        Entry(0, "info", "write", 1, "x", 9_000_000, "deadline"),
        Entry(2, "invoke", "cas", [1, 2], "x", 9_500_000),
    ]
    bars = diagram([], history).operations
    assert [(bar.label, bar.outcome, bar.began_ms, bar.ended_ms) for bar in bars] == [
        ("w x=1", "info", 1.0, 9.0),
        ("r x: 1", "ok", 2.0, 3.0),
        ("cas x 1>2", "info", 9.5, None),
    ]
    assert "may have happened, 8.0 ms: deadline" in bars[0].title


def test_long_and_hostile_values_are_cut_and_shown_as_escapes() -> None:
    """A label fits into a bar, and steers no terminal."""
    history = [Entry(0, "invoke", "write", "\x1b[2J" + "v" * 5000, "x", 0)]
    [bar] = diagram([], history).operations
    assert len(bar.label) < 60
    assert bar.label.isprintable()


def test_a_history_that_is_wrong_is_refused() -> None:
    """It is never drawn as if it were right."""
    with pytest.raises(HistoryMalformed):
        diagram([], [Entry(0, "ok", "read", 1)])


def test_nothing_recorded_is_an_empty_diagram() -> None:
    """No event and no operation is no error."""
    found = diagram([])
    assert found.nodes == ()
