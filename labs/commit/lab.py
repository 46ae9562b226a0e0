"""The commit lab: a bank and a shop whose transactions change several nodes, or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labs.commit.outcome_text import outcome_text
from labs.commit.status_text import commit_status
from labs.kit.host_settings import HOST_SETTINGS
from labs.kit.lab import (
    Column,
    Lab,
    RoleChange,
    Sentence,
    Setting,
    SettingsVerdict,
    SpanChange,
    Value,
    View,
    Views,
    shown,
)

SETTINGS = (
    Setting(
        "protocol",
        "2pc",
        "two phases, or three so that nobody waits for a coordinator that crashed",
        choices=("2pc", "3pc"),
    ),
    Setting(
        "presume",
        "abort",
        "what no record of a transaction means; nothing: begin and abort are recorded as well",
        choices=("abort", "nothing"),
    ),
    Setting(
        "termination",
        "cooperative",
        "whom a participant in doubt asks: the other participants too, or its coordinator only",
        choices=("cooperative", "coordinator"),
    ),
    Setting(
        "deadlocks",
        "wait-die",
        "what becomes of those that wait for each other's locks",
        choices=("wait-die", "timeout", "none"),
    ),
    Setting(
        "vote_timeout_ms",
        800,
        "how long a coordinator waits for a vote",
        minimum=1,
        maximum=600_000,
    ),
    Setting(
        "lock_timeout_ms",
        400,
        "with deadlocks=timeout: how long a transaction waits for a lock",
        minimum=1,
        maximum=600_000,
    ),
    Setting(
        "doubt_timeout_ms",
        500,
        "how long a participant that voted yes waits for the outcome before it asks",
        minimum=1,
        maximum=600_000,
    ),
    Setting(
        "retry_ms",
        300,
        "between two tries to tell an outcome that nobody has acknowledged",
        minimum=1,
        maximum=600_000,
    ),
    Setting("accounts", 8, "accounts of customers: account/1 and on", minimum=1, maximum=10_000),
    Setting(
        "opening_amount",
        100,
        "what is in each account, in stock, and of shipping slots, when the bank opens",
        minimum=1,
        maximum=1_000_000_000,
    ),
    *HOST_SETTINGS,
)


def validate(settings: Mapping[str, Value], node_count: int) -> SettingsVerdict:
    """Settings that only make sense together."""
    return SettingsVerdict(tuple(_errors(settings)), tuple(_warnings(settings, node_count)))


def _errors(settings: Mapping[str, Value]) -> Iterator[str]:
    vote_ms, lock_ms = (int(settings[f"{what}_timeout_ms"]) for what in ("vote", "lock"))
    if settings["deadlocks"] == "timeout" and vote_ms <= lock_ms:
        yield (
            f"vote_timeout_ms={vote_ms} must be more than lock_timeout_ms={lock_ms}, or nobody "
            "who waits for a lock has the time to get it"
        )


def _warnings(settings: Mapping[str, Value], node_count: int) -> Iterator[str]:
    if settings["deadlocks"] == "none":
        yield (
            "deadlocks=none: transactions that wait for each other stand still until their "
            "coordinators miss the votes"
        )
    if settings["protocol"] == "3pc":
        yield (
            "protocol=3pc takes silence for a crash: in a partition, or when a node is paused, "
            "some may commit what others abort"
        )
        if settings["presume"] == "abort":
            yield "presume=abort has no effect with protocol=3pc: every transaction is recorded"
        if settings["termination"] == "coordinator":
            yield "termination=coordinator has no effect with protocol=3pc, which has its own"
    if node_count == 2:
        yield "2 nodes: one participant only, so that no transaction needs a commit protocol"


# ------------------------------------------------------------------------------------------- views


def role_of(view: View) -> str:
    """Who holds nothing only coordinates."""
    if view.get("lost_disk"):
        return "lost_disk"
    return "participant" if view.get("amounts") else "coordinator"


def ready(views: Views, node_ids: Sequence[str]) -> bool:
    """Everyone answers: a transaction needs all of its participants."""
    return all(node in views for node in node_ids)


def unresolved(view: View) -> set[str]:
    """Transactions whose outcome the node does not know, or has yet to tell others."""
    entries = (*view.get("in_doubt", ()), *view.get("coordinated", ()))
    return {str(entry["transaction"]) for entry in entries}


def lagging(then: Views, now: Views, node_ids: Sequence[str]) -> tuple[str, ...]:
    """Those that are silent, or still have something unresolved that somebody had `then`."""
    old = {one for view in then.values() for one in unresolved(view)}
    return tuple(node for node in node_ids if node not in now or unresolved(now[node]) & old)


def doubts(view: View) -> str:
    """How many transactions it is in doubt of, and for how long the oldest."""
    entries = view.get("in_doubt", ())
    if not entries:
        return ""
    oldest_ms = max(int(entry.get("since_ms", 0)) for entry in entries)
    return f"{len(entries)}, {oldest_ms / 1000:.1f} s"


def locked(view: View) -> str:
    """How many locks are held, and how many transactions wait for one."""
    locks = view.get("locks", ())
    waiting = {one for lock in locks for one in lock.get("waiting", ())}
    return f"{len(locks)}, {len(waiting)} wait" if waiting else str(len(locks) or "")


# --------------------------------------------------------------------------------------- sentences


_FORCED = {
    "begin": "forces to disk that {transaction} begins",
    "vote": "forces its yes on {transaction} to disk, and is in doubt until it hears the outcome",
    "precommit": "forces to disk that all voted yes on {transaction}",
    "decision": "forces the decision on {transaction} to disk",
    "outcome": "forces the outcome of {transaction} to disk, with what it changes",
}


def _forced(note: Mapping[str, Any]) -> str:
    return "{node} " + _FORCED.get(str(note.get("what")), "forces {what} of {transaction} to disk")


def _voted(note: Mapping[str, Any]) -> str:
    # A yes is a forced write, which says so itself.
    return "" if note.get("yes") else "{node} votes no on {transaction}"


def _outcome(before: str, after: str = "") -> Sentence:
    """A sentence about an outcome."""

    def sentence(note: Mapping[str, Any]) -> str:
        verb = "commits" if note.get("committed") else "aborts"
        return "{node} " + before + verb + " {transaction}" + after

    return sentence


SENTENCES: dict[str, Sentence] = {
    "began": "{node} asks {participants} to prepare {transaction}",
    "waits": "{node} lets {transaction} wait for a lock",
    "died": "{node} lets {transaction} die: an older transaction holds a lock that it needs",
    "voted": _voted,
    "forced": _forced,
    "precommitting": "{node} tells everyone that all voted yes on {transaction}",
    "precommitted": "{node} knows that all voted yes on {transaction}",
    "decided": _outcome("decides, and "),
    "resumed": _outcome("is back: its disk says that it ", ", and all shall hear it"),
    "concluded": _outcome(""),
    "in_doubt": "{node} is in doubt of {transaction}, and asks {coordinator}",
    "terminated": _outcome("", " without its coordinator"),
    "ended": "{node} forgets {transaction}: nobody has to hear of it any more",
    "lost_disk": "{node} lost its disk and with it its promises: it takes part in nothing any more",
}


def role_in_note(note: Mapping[str, Any]) -> RoleChange | None:
    """A node has one role for good: the first one holds nothing."""
    if note.get("kind") == "lost_disk":
        return RoleChange("lost_disk")
    if note.get("kind") != "started":
        return None
    return RoleChange("coordinator" if note.get("node") == "n1" else "participant")


def spans_in_note(note: Mapping[str, Any]) -> Sequence[SpanChange]:
    """A coordinator's phases, and what a participant waits for or holds locks for."""
    kind, node = str(note.get("kind")), str(note.get("node"))
    transaction = str(note.get("transaction"))
    phases, share = f"{node} coordinates {transaction}", f"{node} shares {transaction}"
    commits = bool(note.get("committed"))
    match kind:
        case "began":
            return (SpanChange(phases, f"{transaction}: asks for votes"),)
        case "precommitting":
            return (SpanChange(phases, f"{transaction}: tells that all voted yes"),)
        case "decided" | "resumed":
            label = f"{transaction}: tells to {'commit' if commits else 'abort'}"
            return (SpanChange(phases, label, "work" if commits else "undo"),)
        case "ended":
            return (SpanChange(phases),)
        case "waits":
            return (SpanChange(share, f"{transaction}: waits for locks", "undo"),)
        case "voted" if note.get("yes"):
            return (SpanChange(share, f"{transaction}: in doubt, locked", "hold", durable=True),)
        case "precommitted":
            label = f"{transaction}: all voted yes, locked"
            return (SpanChange(share, label, "hold", durable=True),)
        case "voted" | "died" | "concluded":
            return (SpanChange(share),)
    return ()


CRASH_POINTS = {
    "before-begin-logged": "the coordinator has not recorded that a transaction begins",
    "begin-logged": "it has, and has asked nobody yet",
    "prepare-sent": "it has asked one participant (more) to prepare",
    "before-vote-logged": "a participant can do its share, and has not promised it",
    "vote-logged": "its yes is durable, and not said",
    "vote-sent": "it has said yes, or no",
    "before-precommit-logged": "3PC: all voted yes, and this node's disk does not know",
    "precommit-logged": "3PC: this node's disk knows that all voted yes, and nobody was told so",
    "precommit-sent": "3PC: one participant (more) was told that all voted yes",
    "before-decision-logged": "the coordinator has made up its mind, and not decided",
    "decision-logged": "the decision is durable: the commit point; nobody has been told",
    "outcome-sent": "one participant (more) has been told the outcome",
    "before-outcome-logged": "a participant knows the outcome, and has not carried it out",
    "outcome-logged": "it has carried it out, and not acknowledged it",
    "before-end-logged": "everyone has acknowledged, and the coordinator remembers all of it",
    "end-logged": "the coordinator has forgotten it",
}

LAB = Lab(
    id="commit",
    title="Atomic commit: all or none",
    summary="two-phase and three-phase commit, locks, doubt and blocking: money that moves between "
    "nodes",
    order=80,
    protos=("protos.commit_pb2",),
    core="nodes.cores.commit:AtomicCommit",
    nodes_default=4,
    nodes_min=2,
    nodes_max=9,
    settings=SETTINGS,
    validate=validate,
    roles=("participant", "lost_disk", "coordinator"),
    role_of=role_of,
    ready=ready,
    lagging=lagging,
    wait_unit_ms=lambda settings: max(
        int(settings[name])
        for name in ("vote_timeout_ms", "lock_timeout_ms", "doubt_timeout_ms", "retry_ms")
    ),
    view_columns=(
        Column("commit", shown("committed")),
        Column("abort", shown("aborted")),
        Column("in doubt", doubts),
        Column("locks", locked),
        Column("forced", shown("forced_writes")),
        Column("sent", shown("messages")),
    ),
    sentences=SENTENCES,
    quiet_kinds=frozenset({"precommitted", "concluded", "ended"}),
    role_in_note=role_in_note,
    spans_in_note=spans_in_note,
    crash_points=CRASH_POINTS,
    client="labs.commit.client:CommitClient",
    client_verbs=("transfer", "balance", "order-place", "order-status"),
    outcome_text=outcome_text,
    picture=commit_status,
    readme="labs/commit/README.md",
)
