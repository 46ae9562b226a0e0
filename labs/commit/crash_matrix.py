"""One transaction, a crash somewhere, and what must have become of it: the rows of a crash matrix.

What must become of it is known beforehand, by the place of the crash: at a participant the moment
counts at which its yes has left; at the coordinator of two-phase commit the moment at which its
decision is on disk; in three-phase commit the moment at which the first participant has been told
that all voted yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from labs.commit.bank import Transaction, amounts, ask, at_rest, judge, resolve, transfer
from labs.commit.invariants import invariants
from labs.commit.lab import LAB
from labs.kit.crash_matrix import CrashRun, boundaries
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.core import Call, Effect, NodeId, Param, Respond
from nodes.cores.commit.ledger import ENDED, opening_amounts
from nodes.sim.cluster import SimCluster, SimOptions
from protos import commit_pb2 as pb

RESTART_MS = 2000  # longer than those that are left need to decide without a coordinator, in 3PC
REST_UNITS = 6
NAME = "t"


@dataclass(frozen=True, slots=True)
class Story:
    """A transaction, who coordinates it, and what becomes of it when nothing fails."""

    name: str
    coordinator: NodeId
    changes: Mapping[str, int]
    outcome: pb.Outcome


STORIES = (
    Story("commits", "n1", transfer("alice", "bob", 10) | {"stock/book": -1}, pb.COMMITTED),
    Story("aborts", "n1", transfer("alice", "bob", 101) | {"stock/book": -1}, pb.ABORTED),
    Story("commits at home", "n2", transfer("alice", "bob", 10), pb.COMMITTED),
    Story("aborts at home", "n2", transfer("alice", "bob", 101), pb.ABORTED),
)
PROTOCOLS: Mapping[str, Mapping[str, Param]] = {
    "2pc, presumed abort": {},
    "2pc, nothing presumed": {"presume": "nothing"},
    "3pc": {"protocol": "3pc"},
}


@dataclass(slots=True)
class Ending:
    """What became of it: by all amounts, and by what the client was told at first and in the
    end."""

    outcome: pb.Outcome
    told: pb.Outcome
    told_in_the_end: pb.Outcome
    at_crash: Mapping[str, Message] = field(default_factory=dict)  # the disk of who crashed
    rest_ms: int = 0  # from the crash until nothing was locked, in doubt or to be told


def commit_spec(
    params: Mapping[str, Param] | None = None, *, nodes: int = 4, seed: int = 7
) -> ClusterSpec:
    """A cluster of the lab with these settings."""
    ids = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, nodes + 1))
    return ClusterSpec(
        LAB.id, LAB.protos, ids, LAB.defaults(simulated=True) | dict(params or {}), seed
    )


async def play(cluster: SimCluster, story: Story, *, within_ms: int = 0) -> Ending:
    """Asks once, waits until the cluster is at rest, and then insists on an answer: the client may
    ask again, and all it asked for must have happened once. `within_ms` is for crashes besides
    that of the matrix. Raises HistoryWrong and TimeoutError.
    """
    opening = opening_amounts(cluster.params)
    unit_ms = LAB.wait_unit_ms(cluster.params)
    ending = Ending(pb.UNDECIDED, pb.UNDECIDED, pb.UNDECIDED)
    watching = [asyncio.create_task(_keep_disk(cluster, node, ending)) for node in cluster.nodes]
    try:
        one = Transaction(NAME, story.coordinator, story.changes)
        await ask(cluster, one, 2 * unit_ms)
        ending.told = one.outcome
        began_ms = cluster.now_ms()
        await cluster.until(
            "nothing is locked, in doubt or to be told",
            lambda: at_rest(cluster),
            within_ms=RESTART_MS + within_ms + REST_UNITS * unit_ms,
        )
        ending.rest_ms = cluster.now_ms() - began_ms
        ending.outcome = outcome_in(await amounts(cluster), opening, story)
        await asyncio.wait_for(resolve(cluster, [one]), REST_UNITS * unit_ms / 1000)
        ending.told_in_the_end = one.outcome
        await cluster.until("rest", lambda: at_rest(cluster), within_ms=REST_UNITS * unit_ms)
        judge(opening, [one], await amounts(cluster))
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    return ending


async def _keep_disk(cluster: SimCluster, node: NodeId, ending: Ending) -> None:
    await cluster.is_down(node)
    ending.at_crash = dict(cluster.disk(node).load(amnesia=False).slots)


def outcome_in(found: Mapping[str, int], opening: Mapping[str, int], story: Story) -> pb.Outcome:
    """Committed if all of it happened, aborted if nothing did, and undecided is a half of it."""
    if found == opening:
        return pb.ABORTED
    expected = {key: amount + story.changes.get(key, 0) for key, amount in opening.items()}
    return pb.COMMITTED if found == expected else pb.UNDECIDED


@dataclass(frozen=True, slots=True)
class Row:
    """One crash, what must have become of the transaction, and what is wrong, if anything."""

    run: CrashRun[Ending]
    must: pb.Outcome

    @property
    def problem(self) -> str | None:
        """For people."""
        run, name = self.run, pb.Outcome.Name
        if run.failure is not None or run.result is None:
            return f"{run.where}: {run.failure!r}"
        ending = run.result
        if ending.outcome != self.must:
            return f"{run.where}: is {name(ending.outcome)}, must be {name(self.must)}"
        if ending.told not in (ending.outcome, pb.UNDECIDED):
            told = name(ending.told)
            return f"{run.where}: is {name(ending.outcome)}, and its client was told {told}"
        return None


def rows(
    spec: ClusterSpec, story: Story, nodes: Sequence[NodeId], *, restart_ms: int = RESTART_MS
) -> Iterator[Row]:
    """A crash before any effect of any of these nodes, with what was not synced kept or lost."""
    carried_out: dict[NodeId, list[Effect | None]] = {}
    for run in boundaries(
        spec,
        lambda cluster: play(cluster, story),
        nodes=nodes,
        restart_after_ms=restart_ms,
        options=SimOptions(digest=False),
        observers=invariants,
    ):
        effects = carried_out.setdefault(run.node, [])
        passed = effects[: run.place]
        while passed and passed[-1] == run.before:
            passed.pop()  # It waited for the disk, and was come to twice.
        yield Row(run, expected(run, story, spec, passed))
        if len(effects) == run.place:
            effects.append(run.before)


def expected(
    run: CrashRun[Ending], story: Story, spec: ClusterSpec, passed: Sequence[Effect | None]
) -> pb.Outcome:
    """What must have become of it. `passed` is what the node had carried out."""
    if story.outcome == pb.ABORTED or not takes_part(spec, story, run.node):
        return story.outcome
    if run.node != story.coordinator:
        committed = any(map(is_yes, passed))
    elif spec.params.get("protocol") == "3pc":
        committed = any(map(is_precommit, passed))
    elif run.result is None:
        committed = False  # It failed, whatever it should have come to.
    else:
        record = run.result.at_crash.get(ENDED + NAME)
        committed = isinstance(record, pb.Ended) and record.outcome == pb.COMMITTED
    return pb.COMMITTED if committed else pb.ABORTED


def is_precommit(effect: Effect | None) -> bool:
    """Whether it tells a participant that all voted yes."""
    return isinstance(effect, Call) and isinstance(effect.request, pb.PreCommitRequest)


def is_yes(effect: Effect | None) -> bool:
    """Whether it is a vote, and a yes."""
    return (
        isinstance(effect, Respond)
        and isinstance(effect.response, pb.PrepareResponse)
        and effect.response.yes
    )


def takes_part(spec: ClusterSpec, story: Story, node: NodeId) -> bool:
    """Whether the node coordinates it, or holds something that it changes."""
    holders = spec.node_ids[1:]
    places = list(opening_amounts(spec.params))
    homes = {holders[places.index(resource) % len(holders)] for resource in story.changes}
    return node == story.coordinator or node in homes
