"""The Raft lab: five servers that agree on a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.kit.host_settings import HOST_SETTINGS
from labs.kit.lab import (
    Column,
    Lab,
    RoleChange,
    Sentence,
    Setting,
    SettingsVerdict,
    Value,
    View,
    Views,
    shown,
)

SETTINGS = (
    Setting(
        "election_timeout_ms_min",
        300,
        "a follower that hears no leader for a random time from here on campaigns",
        minimum=10,
        maximum=600_000,
    ),
    Setting(
        "election_timeout_ms_max",
        600,
        "the upper end of that random time",
        minimum=10,
        maximum=600_000,
    ),
    Setting(
        "heartbeat_ms", 100, "how often a leader says that it is there", minimum=1, maximum=600_000
    ),
    Setting(
        "max_entries_per_append", 256, "entries in one AppendEntries", minimum=1, maximum=100_000
    ),
    Setting(
        "max_append_bytes",
        262_144,
        "bytes of entries in one AppendEntries",
        minimum=1,
        maximum=2_097_152,
    ),
    Setting(
        "max_inflight",
        4,
        "AppendEntries under way to one follower at a time",
        minimum=1,
        maximum=1000,
    ),
    Setting(
        "snapshot_threshold",
        1000,
        "applied entries between two snapshots; 0: never",
        maximum=1_000_000_000,
    ),
    Setting(
        "snapshot_trailing_entries",
        100,
        "entries kept behind a snapshot, for followers that are only a little late",
        maximum=1_000_000_000,
    ),
    Setting(
        "snapshot_chunk_bytes",
        65_536,
        "bytes of a snapshot in one InstallSnapshot",
        minimum=1,
        maximum=2_097_152,
    ),
    Setting(
        "session_limit",
        1000,
        "client sessions that are remembered; the least recently used is forgotten",
        minimum=1,
        maximum=1_000_000,
    ),
    Setting(
        "reads",
        "readindex",
        "how a read is made linearizable, or not",
        choices=("readindex", "lease", "stale"),
    ),
    Setting(
        "lease_clock",
        "monotonic",
        "the clock that a leader's lease trusts",
        choices=("monotonic", "wall"),
    ),
    Setting(
        "pre_vote", "on", "ask whether one could win before raising the term", choices=("on", "off")
    ),
    Setting(
        "check_quorum",
        "on",
        "a leader that hears no majority steps down",
        choices=("on", "off"),
    ),
    Setting("members", 0, "voters at the start, from n1 on; 0: all nodes", maximum=1000),
    *HOST_SETTINGS,
)


def validate(settings: Mapping[str, Value], node_count: int) -> SettingsVerdict:
    """Settings that only make sense together."""
    shortest, longest = (int(settings[f"election_timeout_ms_{end}"]) for end in ("min", "max"))
    heartbeat_ms, members = int(settings["heartbeat_ms"]), int(settings["members"])
    errors, warnings = [], []
    if shortest > longest:
        errors.append(
            f"election_timeout_ms_min={shortest} is more than election_timeout_ms_max={longest}; "
            "make the first the smaller one"
        )
    elif shortest == longest:
        warnings.append(
            f"election timeouts are all {shortest} ms: without randomness elections may split "
            "their votes again and again"
        )
    if heartbeat_ms >= shortest:
        errors.append(
            f"heartbeat_ms={heartbeat_ms} must be less than election_timeout_ms_min={shortest}, "
            "or followers campaign against a healthy leader"
        )
    elif heartbeat_ms * 2 > shortest:
        warnings.append(
            f"heartbeat_ms={heartbeat_ms} is more than half of election_timeout_ms_min={shortest}:"
            " one late heartbeat starts an election"
        )
    if members > node_count:
        errors.append(f"members={members} is more than the {node_count} nodes that there are")
    voters = members or node_count
    if voters % 2 == 0:
        warnings.append(
            f"{voters} voters survive no more failures than {voters - 1} would: "
            f"a majority of {voters} is {voters // 2 + 1}"
        )
    return SettingsVerdict(tuple(errors), tuple(warnings))


def leader(views: Views) -> str | None:
    """The node that leads; of two that think so, the one with the higher term is right."""
    leaders = [node for node, view in views.items() if view.get("role") == "leader"]
    return max(leaders, key=lambda node: int(views[node].get("term", 0)), default=None)


def ready(views: Views, node_ids: Sequence[str]) -> bool:
    """A leader has committed an entry of its own term: from here on it serves reads and writes."""
    node = leader(views)
    return node is not None and bool(views[node].get("ready"))


def lagging(then: Views, now: Views, node_ids: Sequence[str]) -> tuple[str, ...]:
    """Voters that do not follow the leader, or have not applied what anyone knew committed `then`;
    all nodes when nobody can serve."""
    first = leader(now)
    if first is None or not ready(now, node_ids):
        return tuple(node_ids)
    committed = max((int(view.get("commit_index", 0)) for view in then.values()), default=0)

    def lags(node: str) -> bool:
        view = now.get(node, {})
        follows = node == first or view.get("leader_id") == first
        return not follows or int(view.get("last_applied", 0)) < committed

    voters = now[first].get("voters") or ()
    return tuple(node for node in node_ids if node in voters and lags(node))


def log_length(view: View) -> str:
    """Entries behind the snapshot, and the snapshot's index if there is one."""
    last, first = int(view.get("last_log_index", 0)), int(view.get("first_log_index", 1))
    snapshot = int(view.get("snapshot_index", 0))
    length = max(0, last - first + 1)
    return f"{length} (+{snapshot})" if snapshot else str(length)


def _campaign(note: Mapping[str, Any]) -> str:
    if note.get("pre_vote"):
        return "{node} heard no leader and asks whether it could win term {term}"
    return "{node} campaigns for term {term}"


def _follower(note: Mapping[str, Any]) -> str:
    # To learn of a term is no news by itself: what came of it follows in a moment.
    return "{node} follows {leader} in term {term}" if note.get("leader") else ""


def _truncate(note: Mapping[str, Any]) -> str:
    entries = "1 entry" if note.get("count") == 1 else "{count} entries"
    return "{node} dropped " + entries + " from index {from_index} on: its leader has others"


_ROLE_AFTER = {"started": "follower", "follower": "follower", "stepped_down": "follower"}


def role_in_note(note: Mapping[str, Any]) -> RoleChange | None:
    """Role and term of the node after this event, as far as it tells."""
    kind, term = str(note.get("kind")), note.get("term")
    entered = term if isinstance(term, int) else None
    if kind == "campaign":
        # Who only asks has not entered the term yet.
        asks = bool(note.get("pre_vote"))
        return RoleChange("pre_candidate") if asks else RoleChange("candidate", entered)
    if kind == "leader":
        return RoleChange("leader", entered)
    if kind == "vote":
        return RoleChange(None, entered)
    return RoleChange(_ROLE_AFTER[kind], entered) if kind in _ROLE_AFTER else None


SENTENCES: dict[str, Sentence] = {
    "campaign": _campaign,
    "vote": "{node} voted for {candidate} in term {term}",
    "leader": "{node} became leader of term {term} with votes from {votes}",
    "follower": _follower,
    "stepped_down": "{node} stepped down in term {term}: {reason}",
    "commit": "{node} has committed up to index {index}",
    "truncate": _truncate,
    "snapshot": "{node} took a snapshot up to index {index}",
    "installed_snapshot": "{node} installed {leader}'s snapshot up to index {index}",
    "configuration": "{node} now counts {voters} as voters (entry {index})",
    "transfer": "{node} hands leadership to {target}",
    "refused_vote": "{node} refused {candidate} its vote in term {term}: {reason}",
}

LAB = Lab(
    id="raft",
    title="Raft: a log that survives its leader",
    summary="elections, replication, snapshots, sessions: a key-value store that five servers "
    "agree on",
    order=50,
    protos=("protos.raft_pb2", "protos.kv_pb2"),
    core="nodes.cores.raft:Raft",
    nodes_default=5,
    nodes_min=1,
    nodes_max=7,
    settings=SETTINGS,
    validate=validate,
    roles=("follower", "pre_candidate", "candidate", "leader"),
    leader=leader,
    ready=ready,
    lagging=lagging,
    wait_unit_ms=lambda settings: int(settings["election_timeout_ms_max"]),
    view_columns=(
        Column("term", shown("term")),
        Column("commit", shown("commit_index")),
        Column("applied", shown("last_applied")),
        Column("log", log_length),
    ),
    sentences=SENTENCES,
    quiet_kinds=frozenset({"commit"}),
    role_in_note=role_in_note,
    client_verbs=("put", "get", "cas", "append", "delete"),
    client_options=("consistency",),
    readme="labs/raft/README.md",
)
