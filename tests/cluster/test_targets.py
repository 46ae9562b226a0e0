"""What users may write for nodes, and what it means."""

from __future__ import annotations

from random import Random

import pytest

from nodes.cluster.fault_kinds import FaultRefused
from nodes.cluster.targets import Resolved, RoleClaim, resolve, resolve_one

NODES = ("n1", "n2", "n3", "n4", "n5")
ROLES = {
    "n1": RoleClaim("leader", 4),
    "n2": RoleClaim("leader", 3),
    "n3": RoleClaim("follower", 4),
    "n4": RoleClaim("follower", 4),
}
ROLE_NAMES = ("leader", "follower", "candidate")


def _resolve(text: str, seed: int = 0) -> Resolved:
    return resolve(text, NODES, ROLES, Random(seed), role_names=ROLE_NAMES)


def test_ids_and_lists_mean_themselves() -> None:
    """In the order written, each once, with nothing to explain."""
    assert _resolve("n2") == Resolved(("n2",))
    assert _resolve(" n3, n1,n3") == Resolved(("n3", "n1"))


def test_the_leader_of_the_highest_term_is_meant() -> None:
    """Of two that claim it, the older one is wrong; that is said."""
    found = _resolve("leader")
    assert found.nodes == ("n1",)
    assert "term 4" in found.phrase


def test_a_role_that_several_have() -> None:
    """The plural is all of them, the singular one that the seed draws."""
    assert _resolve("followers").nodes == ("n3", "n4")
    assert {_resolve("follower", seed).nodes for seed in range(20)} == {("n3",), ("n4",)}
    assert _resolve("follower", 7) == _resolve("follower", 7)


def test_words_for_sets() -> None:
    """Majority and minority add up to all, and are drawn by the seed."""
    assert _resolve("all").nodes == NODES
    assert len(_resolve("random").nodes) == 1
    assert len(_resolve("majority").nodes) == 3
    assert len(_resolve("minority").nodes) == 2
    assert len({_resolve("minority", seed).nodes for seed in range(30)}) > 3
    assert _resolve("leader,n5").nodes == ("n1", "n5")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("n9", "no node or role 'n9'; known: n1, n2, n3, n4, n5, leader"),
        ("leeder", "did you mean leader"),
        ("candidate", "no candidate right now; `lab status`"),
        ("n1,,n2", "empty node"),
        ("", "empty node"),
        ("client", "client is no node"),
    ],
)
def test_names_that_mean_nobody(text: str, reason: str) -> None:
    """One line: who may be meant, or where to look."""
    with pytest.raises(FaultRefused, match=reason):
        _resolve(text)


def test_two_nodes_have_no_minority() -> None:
    """There is nothing to draw."""
    with pytest.raises(FaultRefused, match="no minority"):
        resolve("minority", ("n1", "n2"), {}, Random(0))


def test_where_one_node_is_needed() -> None:
    """A list is refused; the client counts where it may be an end."""
    with pytest.raises(FaultRefused, match="one node is needed"):
        resolve_one("n1,n2", NODES, ROLES, Random(0))
    assert resolve_one("client", NODES, ROLES, Random(0), client_allowed=True).nodes == ("client",)
