"""The quorum lab: a key-value store without a leader, in which the client's quorums decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labs.kit.host_settings import HOST_SETTINGS
from labs.kit.lab import (
    Column,
    Lab,
    Sentence,
    Setting,
    SettingsVerdict,
    Value,
    View,
    Views,
    shown,
)
from labs.quorum_store.outcome_text import outcome_text
from labs.quorum_store.ring_status import ring_status

HOUR_MS = 3_600_000

SETTINGS = (
    Setting("replication", 3, "N: nodes that keep each key", minimum=1, maximum=9),
    Setting("read_quorum", 2, "R: replicas that must answer a read", minimum=1, maximum=9),
    Setting("write_quorum", 2, "W: replicas that must have a write", minimum=1, maximum=9),
    Setting("tokens", 64, "virtual nodes of a node on the ring", minimum=1, maximum=1024),
    Setting("members", 0, "nodes in the ring at the start, from n1 on; 0: all", maximum=1000),
    Setting(
        "versions",
        "siblings",
        "what becomes of two writes at once: both are kept, the last one wins, or they are ordered",
        choices=("siblings", "lww", "abd"),
    ),
    Setting(
        "clock",
        "hybrid",
        "what says which write was the last, where the last one wins",
        choices=("hybrid", "wall"),
    ),
    Setting(
        "quorum",
        "strict",
        "sloppy: other nodes stand in for replicas that are down, and keep hints for them",
        choices=("strict", "sloppy"),
    ),
    Setting(
        "fan_out",
        "all",
        "ask all replicas and take the first R or W answers, or ask only as many as are needed",
        choices=("all", "quorum"),
    ),
    Setting(
        "hedge_ms",
        0,
        "with fan_out=quorum: how long until one more replica is asked; 0: never",
        maximum=HOUR_MS,
    ),
    Setting(
        "read_repair",
        "background",
        "bring replicas that answered a read with less up to date: never, after it, or before",
        choices=("off", "background", "blocking"),
    ),
    Setting(
        "anti_entropy_ms",
        1000,
        "between two comparisons with a peer, by hash trees; 0: never",
        maximum=HOUR_MS,
    ),
    Setting("handoff_ms", 500, "between two tries to deliver hints; 0: never", maximum=HOUR_MS),
    Setting(
        "hint_window_ms",
        600_000,
        "how long hints are kept for a node that stays away, and how long new ones are taken",
        minimum=1,
    ),
    Setting(
        "tombstone_grace_ms",
        60_000,
        "how long it is remembered that a key was deleted; 0: for ever",
    ),
    Setting(
        "replica_timeout_ms",
        300,
        "how long a coordinator waits for one replica",
        minimum=1,
        maximum=600_000,
    ),
    Setting(
        "request_timeout_ms",
        1000,
        "how long a coordinator tries to get its quorum together",
        minimum=1,
        maximum=600_000,
    ),
    Setting("gossip_ms", 500, "between two exchanges of the ring", minimum=1, maximum=HOUR_MS),
    Setting(
        "suspect_ms",
        1000,
        "how long a node is taken to be down after a call to it failed",
        minimum=1,
        maximum=HOUR_MS,
    ),
    *HOST_SETTINGS,
)


def validate(settings: Mapping[str, Value], node_count: int) -> SettingsVerdict:
    """Settings that only make sense together."""
    return SettingsVerdict(
        tuple(_errors(settings, node_count)),
        (*_quorum_warnings(settings), *_version_warnings(settings), *_repair_warnings(settings)),
    )


def _numbers(settings: Mapping[str, Value]) -> tuple[int, int, int]:
    """N, R and W."""
    n, r, w = (int(settings[name]) for name in ("replication", "read_quorum", "write_quorum"))
    return n, r, w


def _errors(settings: Mapping[str, Value], node_count: int) -> Iterator[str]:
    n, r, w = _numbers(settings)
    members = int(settings["members"])
    if members > node_count:
        yield f"members={members} is more than the {node_count} nodes that there are"
    in_ring = min(members, node_count) or node_count
    if n > in_ring:
        yield f"replication={n} is more than the number of nodes in the ring, which is {in_ring}"
    for name, quorum in (("read_quorum", r), ("write_quorum", w)):
        if quorum > n:
            yield f"{name}={quorum} is more than replication={n}: nobody could answer so many times"
    if settings["versions"] == "abd":
        if 2 * r <= n or 2 * w <= n:
            yield (
                f"versions=abd needs majorities: of {n} replicas, read_quorum and write_quorum "
                f"of {n // 2 + 1} at least"
            )
        if settings["quorum"] == "sloppy":
            yield "versions=abd needs quorum=strict: stand-ins would break the overlap of quorums"


def _quorum_warnings(settings: Mapping[str, Value]) -> Iterator[str]:
    n, r, w = _numbers(settings)
    if r + w <= n:
        yield (
            f"read_quorum={r} and write_quorum={w} need not overlap in {n} replicas: reads may "
            "miss acknowledged writes"
        )
    elif settings["quorum"] == "sloppy":
        yield "quorum=sloppy: reads may miss acknowledged writes that only stand-ins have"
    if 2 * w <= n:
        yield (
            f"write_quorum={w} is no majority of {n} replicas: both sides of a partition may "
            "acknowledge writes of the same key"
        )
    replica_ms, request_ms = (
        int(settings[f"{what}_timeout_ms"]) for what in ("replica", "request")
    )
    if replica_ms >= request_ms:
        yield (
            f"replica_timeout_ms={replica_ms} is no less than request_timeout_ms={request_ms}: "
            "when a replica keeps silent, no time is left to ask another"
        )
    if int(settings["hedge_ms"]) and settings["fan_out"] == "all":
        yield "hedge_ms has no effect with fan_out=all: everyone is asked at once"
    if int(settings["tokens"]) < 8:
        yield f"tokens={settings['tokens']}: with so few, some nodes own much more than others"


def _version_warnings(settings: Mapping[str, Value]) -> Iterator[str]:
    versions, grace_ms = settings["versions"], int(settings["tombstone_grace_ms"])
    if settings["clock"] == "wall":
        yield (
            "clock=wall: a write by a node whose clock is behind is lost without a word"
            if versions == "lww"
            else f"clock=wall has no effect with versions={versions}"
        )
    if versions == "abd" and grace_ms:
        yield (
            f"versions=abd with tombstone_grace_ms={grace_ms}: a key that is forgotten loses its "
            "order, and a replica that was away may bring an old value back; 0 keeps it"
        )


def _repair_warnings(settings: Mapping[str, Value]) -> Iterator[str]:
    grace_ms, window_ms = (int(settings[f"{one}_ms"]) for one in ("tombstone_grace", "hint_window"))
    if not int(settings["anti_entropy_ms"]):
        yield (
            "anti_entropy_ms=0: a node that lost its disk answers at once, as if nothing had ever "
            "been written"
        )
        if settings["read_repair"] == "off":
            yield "with read_repair=off, too, a replica that missed a write never learns of it"
    if settings["quorum"] == "sloppy":
        if not int(settings["handoff_ms"]):
            yield "handoff_ms=0: what stand-ins keep is never delivered"
        if 0 < grace_ms < window_ms:
            yield (
                f"hint_window_ms={window_ms} is more than tombstone_grace_ms={grace_ms}: a hint "
                "may bring back what was deleted"
            )


# ------------------------------------------------------------------------------------------- views


def ready(views: Views, node_ids: Sequence[str]) -> bool:
    """Everyone answers, and nobody has yet to be told what it held."""
    return all(node in views and not views[node].get("recovering") for node in node_ids)


def lagging(then: Views, now: Views, node_ids: Sequence[str]) -> tuple[str, ...]:
    """Those that are silent, have not caught up after the loss of their disk, or hold something
    else than a peer of what both shall hold."""
    apart: set[str] = set()
    for node in now:
        for peer, root in now[node].get("shared", {}).items():
            if peer in now and now[peer].get("shared", {}).get(node, root) != root:
                apart |= {node, peer}
    return tuple(
        node for node in node_ids if node not in now or node in apart or now[node].get("recovering")
    )


def standing(view: View) -> str:
    """What the node itself takes its place in the ring to be."""
    if view.get("recovering"):
        return "recovering"
    node = str(view.get("actor", "")).partition("#")[0]
    entries = (view.get("ring") or {}).get("entries", ())
    found = next((entry for entry in entries if entry["node"] == node), None)
    return str(found["membership"]) if found else "outside"


def suspected(view: View) -> str:
    """The peers that the node takes to be down."""
    return ", ".join(view.get("suspected", ()))


# --------------------------------------------------------------------------------------- sentences


def _suspected(note: Mapping[str, Any]) -> str:
    return "{node} takes {peer} to be down" + (": {reason}" if note.get("reason") else "")


def _recovering(note: Mapping[str, Any]) -> str:
    return "{node} lost its disk: it takes writes, and answers no read until it has caught up"


SENTENCES: dict[str, Sentence] = {
    "suspected": _suspected,
    "trusted": "{node} hears from {peer} again",
    "handed_off": "{node} handed {peer} what it had kept for it of {key}",
    "hint_dropped": "{node} dropped what it had kept for {peer} of {key}: it was away longer than "
    "the hint window",
    "repaired": "{node} brought {peer} up to date on {key}",
    "joining": "{node} is joining the ring: it is written to, and not yet read from",
    "settling": "{node} has what it owns: it is read from, those before it are still written to",
    "member": "{node} is a member of the ring",
    "leaving": "{node} is leaving the ring: those after it are written to as well",
    "draining": "{node} has handed on what it owned: it is no longer read from",
    "outside": "{node} is outside the ring",
    "recovering": _recovering,
    "recovered": "{node} has caught up with everyone, and answers reads again",
    "dropped_tombstone": "{node} forgot that {key} was deleted",
}

LAB = Lab(
    id="quorum-store",
    title="Quorums: a store without a leader",
    summary="a ring of replicas, versions and siblings, quorums, repair, hints: a key-value store "
    "that any node serves",
    order=60,
    protos=("protos.quorum_store_pb2",),
    core="nodes.cores.quorum_store:QuorumStore",
    nodes_default=5,
    nodes_min=1,
    nodes_max=9,
    settings=SETTINGS,
    validate=validate,
    ready=ready,
    lagging=lagging,
    wait_unit_ms=lambda settings: int(settings["request_timeout_ms"]),
    view_columns=(
        Column("keys", shown("keys")),
        Column("hints", shown("hints")),
        Column("siblings", shown("siblings_max")),
        Column("suspects", suspected),
        Column("ring", standing),
    ),
    sentences=SENTENCES,
    picture=ring_status,
    key_view="labs.quorum_store.key_view:RecordView",
    report_pictures="labs.quorum_store.ring_report:ring_pictures",
    client="labs.quorum_store.client:QuorumStoreClient",
    client_verbs=("put", "get", "delete", "join", "leave"),
    client_options=("r", "w", "context"),
    outcome_text=outcome_text,
    readme="labs/quorum_store/README.md",
)
