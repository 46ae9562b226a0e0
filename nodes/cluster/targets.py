"""Which nodes a user means: ids, lists, roles, `random`, `all`, `majority`, `minority`.

The caller says who claims which role at this moment; nothing here asks a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from nodes.cluster.api import CLIENT
from nodes.cluster.fault_kinds import FaultRefused, Nodes, listed, nearest
from nodes.core import NodeId

# Roles that one node at a time should have; when two claim one, the highest term is right.
EXCLUSIVE_ROLES: Final = ("leader", "coordinator", "primary")
WORDS: Final = ("random", "all", "majority", "minority")


@dataclass(frozen=True, slots=True)
class RoleClaim:
    """What a node believes it is; `term` orders claims where the protocol has terms."""

    role: str
    term: int = 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """The nodes that were meant, and how they were found (`leader is n3`; empty for plain ids)."""

    nodes: Nodes
    phrase: str = ""


def resolve(
    text: str,
    nodes: Nodes,
    roles: Mapping[NodeId, RoleClaim],
    rng: Random,
    *,
    role_names: tuple[str, ...] = (),
    client_allowed: bool = False,
) -> Resolved:
    """The nodes that `text` names, as in `n1`, `n1,n2`, `leader`, `followers`, `random`.

    `role_names` are the roles that the lab has, so that one that nobody has now is told from a
    misspelt one. A role's plural is everyone who has it; its singular, where several have it, is
    one of them, drawn from `rng`. Each node comes once. Raises FaultRefused for a name that means
    nobody.
    """
    chosen: dict[NodeId, None] = {}
    phrases = []
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part:
            raise FaultRefused(f"{text!r} names an empty node; write n1 or n1,n2")
        found = _resolve_one(part, nodes, roles, rng, role_names, client_allowed)
        chosen.update(dict.fromkeys(found.nodes))
        if found.phrase:
            phrases.append(found.phrase)
    return Resolved(tuple(chosen), "; ".join(phrases))


def resolve_one(
    text: str,
    nodes: Nodes,
    roles: Mapping[NodeId, RoleClaim],
    rng: Random,
    *,
    role_names: tuple[str, ...] = (),
    client_allowed: bool = False,
) -> Resolved:
    """Like `resolve`, where exactly one node is needed. Raises FaultRefused for several."""
    found = resolve(text, nodes, roles, rng, role_names=role_names, client_allowed=client_allowed)
    if len(found.nodes) != 1:
        raise FaultRefused(f"{text!r} means {listed(found.nodes)}, but one node is needed here")
    return found


def _resolve_one(
    name: str,
    nodes: Nodes,
    roles: Mapping[NodeId, RoleClaim],
    rng: Random,
    role_names: tuple[str, ...],
    client_allowed: bool,
) -> Resolved:
    if name in nodes:
        return Resolved((name,))
    if name == CLIENT:
        if client_allowed:
            return Resolved((CLIENT,))
        raise FaultRefused("client is no node; it may be an end of cut, sever, delay and the like")
    if name in WORDS:
        return _resolve_word(name, nodes, rng)
    known_roles = dict.fromkeys((*role_names, *(claim.role for claim in roles.values())))
    for role in known_roles:
        if name in (role, f"{role}s"):
            return _resolve_role(name, role, nodes, roles, rng)
    known = (*nodes, *known_roles, *WORDS, *((CLIENT,) if client_allowed else ()))
    raise FaultRefused(f"there is no node or role {name!r}{nearest(name, known)}")


def _resolve_word(word: str, nodes: Nodes, rng: Random) -> Resolved:
    if word == "all":
        return Resolved(nodes, f"all is {listed(nodes)}")
    majority = len(nodes) // 2 + 1
    count = {"random": 1, "majority": majority, "minority": len(nodes) - majority}[word]
    if count == 0:
        raise FaultRefused(f"a cluster of {len(nodes)} has no minority: it needs at least 3 nodes")
    drawn = set(rng.sample(nodes, count))
    chosen = tuple(node for node in nodes if node in drawn)
    return Resolved(chosen, f"{word} is {listed(chosen)}")


def _resolve_role(
    name: str, role: str, nodes: Nodes, roles: Mapping[NodeId, RoleClaim], rng: Random
) -> Resolved:
    holders = tuple(node for node in nodes if node in roles and roles[node].role == role)
    if not holders:
        raise FaultRefused(f"no {role} right now; `lab status` shows who is there")
    if name != role:  # the plural
        return Resolved(holders, f"{name} are {listed(holders)}")
    if len(holders) == 1:
        return Resolved(holders, f"{role} is {holders[0]}")
    if role in EXCLUSIVE_ROLES:
        newest = max(roles[node].term for node in holders)
        holders = tuple(node for node in holders if roles[node].term == newest)
        if len(holders) == 1:
            others = "others still believe they are, of older terms"
            return Resolved(holders, f"{role} is {holders[0]} (term {newest}; {others})")
    chosen = rng.choice(holders)
    return Resolved((chosen,), f"{role} is {chosen}, drawn from {listed(holders)}")
