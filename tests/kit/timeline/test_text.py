"""The diagram for a terminal: a transcript that a person can review, bounded and plain."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.kit.history import Entry
from labs.kit.text import visible
from labs.kit.timeline import Violation, text_diagram
from labs.raft.lab import LAB
from nodes.cluster.api import CLIENT
from tests.kit.timeline.script import Script, election

ELECTION = """\
| follower   ! pre candidate, candidate   # leader   : paused   blank: down
o--> message   o--x lost   o--? arrival not recorded   * what a node says
        ms    n1    n2    n3
       0.0     *     |     |   n1 started
       0.0     |     *     |   n2 started
       0.0     |     |     *   n3 started
     150.0     *     |     |   n1 campaigns for term 1
     150.0     o-------x   |   RequestVote lost: deadline
     150.6     o----->     |   RequestVote after 0.6 ms
     150.6     !     *     |   n2 voted for n1 in term 1
     151.2     <-----o     |   RequestVote response after 0.5 ms
     151.2     *     |     |   n1 became leader of term 1 with votes from n1, n2
     151.9     o----->     |   AppendEntries after 0.6 ms
     151.9     #     *     |   n2 follows n1 in term 1
     300.0  ---------|-----|-- fault: killed n1 without warning
     500.0           *     |   n2 campaigns for term 2
     500.8           o----->   RequestVote after 0.8 ms
     501.5           <-----o   RequestVote response after 0.6 ms
     501.5           *     |   n2 became leader of term 2 with votes from n2, n3
     700.0  ---------#-----:-- fault: paused n3
     900.0  ---------#-----|-- over: paused n3
     905.0  ---|-----#-----|-- over: killed n1 without warning
     905.0     *     #     |   n1 started
     906.5     <-----o     |   AppendEntries after 0.5 ms
     906.5     *     #     |   n1 follows n2 in term 2
"""


def test_an_election() -> None:
    """Lanes show roles; what arrives comes before what it causes."""
    assert text_diagram(election().events, lab=LAB) == ELECTION


def test_only_the_last_lines() -> None:
    """What is left out is counted, and the heading stays."""
    shown = text_diagram(election().events, lab=LAB, lines_max=3).splitlines()
    whole = ELECTION.splitlines()
    assert shown[:3] == whole[:3]
    assert shown[3] == "       ...  19 lines before these are left out"
    assert shown[4:] == whole[-3:]


def test_routine_is_folded_and_its_losses_are_counted() -> None:
    """Heartbeats between two events of interest are one line."""
    script = Script().start("n1", "n2")
    for number in range(40):
        script.message(f"h{number}", "n1", "n2", 10.0 + number, 10.5 + number, "Heartbeat")
    script.send("lost", "n1", "n2", 55.0, "Heartbeat").fail("lost", "n1", "n2", 90.0, "deadline")
    shown = text_diagram(script.events).splitlines()
    assert shown[-1] == "      55.0     |     |   since 10.5: 1 lost of 41 Heartbeat"


def test_clients_have_a_lane_and_what_went_wrong_has_a_line() -> None:
    """Operations that ended well are not told one by one."""
    script = Script().start("n1", "n2").receive("client-1", CLIENT, "n2", 4.0, "Put")
    history = [
        Entry(0, "invoke", "write", 1, "x", 1_000_000),
        Entry(0, "info", "write", 1, "x", 9_000_000, "deadline"),
        Entry(1, "invoke", "read", None, "x", 9_500_000),
        Entry(1, "ok", "read", 1, "x", 9_900_000),
    ]
    wrong = Violation("read 1 was never written", node="n2")
    shown = text_diagram(script.events, history, violation=wrong).splitlines()
    assert shown[2] == "        ms   cli    n1    n2"
    assert shown[-3] == "       4.0     o----------->   Put"
    assert "client process 0: w x=1; may have happened, 8.0 ms: deadline" in shown[-2]
    assert shown[-1] == "       9.9  ---|-----|-----*-- VIOLATION: read 1 was never written"


def test_many_nodes_and_no_node() -> None:
    """Lanes that do not fit are named as such; nothing recorded is said."""
    names = [f"n{number}" for number in range(1, 41)]
    shown = text_diagram(Script().start(*names).events)
    assert "more nodes have no lane here" in shown
    assert "nothing was recorded" in text_diagram([])


words = st.text(st.characters(), max_size=200)


@settings(max_examples=60, deadline=None)
@given(words, words, st.integers(60, 160), st.integers(1, 20))
def test_lines_fit_and_steer_no_terminal(name: str, text: str, width: int, lines: int) -> None:
    """Whatever nodes call themselves and say."""
    script = Script().start("n1", name).add("n1", 1.0, text or "x", text=text)
    script.fault(2.0, text, do="kill", nodes=[name]).message("m", name, "n1", 3.0, 4.0, text)
    shown = text_diagram(
        script.events, violation=Violation(text), lines_max=lines, width=width
    ).split("\n")
    assert len(shown) <= lines + 7
    for line in shown:
        assert len(line) <= width or line.startswith("note: ")
        assert visible(line) == line
