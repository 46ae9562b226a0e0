"""What the experiments of the quorum store have in common: clients that are told whom to ask, keys
that lie where they should, and the account of what became of every write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from labs.kit.experiment import Experiment, Trial
from labs.kit.experiment.acting import carried
from labs.kit.experiment.evidence import Phase
from labs.kit.lab import Value
from labs.kit.violation import InvariantViolated
from labs.kit.workloads import Sample, now_ns
from labs.quorum_store.dialect import by_stamp
from labs.quorum_store.invariants import invariants
from nodes.cluster.api import Indeterminate, Refused
from nodes.core import NodeId
from nodes.parts.hash_ring import HashRing
from protos import quorum_store_pb2 as pb

# Nothing spreads by itself: what a node holds is what it was sent for a write.
NO_REPAIR: dict[str, Value] = {"read_repair": "off", "anti_entropy_ms": 0, "handoff_ms": 0}
# A real process that has to wait for a core must not look like one that is down.
PATIENT: dict[str, Value] = {"replica_timeout_ms": 1000, "request_timeout_ms": 4000}

LAB_ID = "quorum-store"
Values: TypeAlias = tuple[int, ...]
TrialProgram: TypeAlias = Callable[[Trial], Coroutine[Any, Any, None]]
VALUE_DIGITS = 12
Response = TypeVar("Response", bound=Message)


def store_experiment(*, trial: TrialProgram, **fields: Any) -> Experiment:
    """An experiment of this lab: it begins when every node has heard from every other. In
    simulation the invariants watch every step; on real processes there is time for a slow one."""
    fields = {"params_real": PATIENT} | fields

    async def begun(made: Trial) -> None:
        if made.cluster.spec.lab == LAB_ID:
            await everyone_reached(made)
        await trial(made)

    return Experiment(trial=begun, observers=invariants, violations=(InvariantViolated,), **fields)


async def everyone_reached(trial: Trial) -> None:
    """Waits until each node has read by all the others: on real processes the first connections
    take their time, and a call that fails for that says nothing."""
    ring, replication = ring_of(trial), trial.number_of("replication")
    probes: dict[str, tuple[NodeId, ...]] = {}
    while len({node for replicas in probes.values() for node in replicas}) < len(ring.members):
        key = f"probe-{len(probes)}"
        probes[key] = ring.preference_list(key, replication)
    # Where the quorums are fixed, everyone is asked anyway.
    r = 0 if trial.cluster.params["versions"] == "abd" else replication

    async def reached(node: NodeId, key: str) -> bool:
        request = pb.GetRequest(key=key, r=r)
        try:
            await trial.cluster.call(node, request, timeout_ms=2 * trial.timeout_ms)
        except (Refused, Indeterminate):
            return False
        return True

    await asyncio.gather(
        *(
            trial.cluster.until(
                f"{node} reads {key}", partial(reached, node, key), within_ms=20 * trial.timeout_ms
            )
            for node in trial.cluster.nodes
            for key in probes
        )
    )


def values_of(siblings: Iterable[pb.Sibling]) -> Values:
    """The values that are there, the one with the greatest stamp last."""
    return tuple(int(one.value[:VALUE_DIGITS]) for one in by_stamp(siblings))


def written(value: int, bytes_count: int = VALUE_DIGITS) -> bytes:
    """A value on the wire: its number, and as much behind it as makes it so large."""
    return b"%0*d" % (VALUE_DIGITS, value) + b"." * (bytes_count - VALUE_DIGITS)


class StoreClient:
    """One client that asks the node it is told to. What it does goes into the trial's history; an
    answer is None when there was none, or a refusal."""

    def __init__(self, trial: Trial, *, value_bytes: int = VALUE_DIGITS) -> None:
        self.trial = trial
        self._value_bytes = value_bytes
        self._process = trial.recorder.process()
        self._last: Sample | None = None

    @property
    def last(self) -> Sample:
        """The operation that it carried out last."""
        assert self._last is not None, "it has done nothing yet"
        return self._last

    async def put(
        self,
        key: str,
        value: int,
        *,
        at: NodeId,
        w: int = 0,
        context: pb.VersionVector | None = None,
    ) -> pb.PutResponse | None:
        """Writes a value."""
        data = written(value, self._value_bytes)
        request = pb.PutRequest(key=key, value=data, context=context, w=w)
        return await self._carry_out("write", key, value, at, request, pb.PutResponse)

    async def delete(
        self, key: str, *, at: NodeId, w: int = 0, context: pb.VersionVector | None = None
    ) -> pb.PutResponse | None:
        """Writes a tombstone."""
        request = pb.PutRequest(key=key, deleted=True, context=context, w=w)
        return await self._carry_out("delete", key, None, at, request, pb.PutResponse)

    async def get(self, key: str, *, at: NodeId, r: int = 0) -> pb.GetResponse | None:
        """Reads a key."""
        request = pb.GetRequest(key=key, r=r)
        return await self._carry_out("read", key, None, at, request, pb.GetResponse)

    async def _carry_out(
        self,
        f: str,
        key: str,
        argument: int | None,
        at: NodeId,
        request: Message,
        response_type: type[Response],
    ) -> Response | None:
        trial = self.trial
        self._last = sample = Sample(f, key, argument, now_ns(trial.cluster), node=at)
        trial.scripted.append(sample)
        pending = trial.recorder.invoke(self._process, f, argument, key)
        try:
            response = await trial.cluster.call(at, request, timeout_ms=2 * trial.timeout_ms)
        except Refused as refused:
            sample.ended_ns, sample.outcome = now_ns(trial.cluster), "fail"
            pending.fail(refused.reason)
            return None
        except Indeterminate as unknown:
            sample.ended_ns = now_ns(trial.cluster)
            pending.info(unknown.reason)
            self._process = trial.recorder.process()
            return None
        assert isinstance(response, response_type)
        sample.ended_ns, sample.outcome = now_ns(trial.cluster), "ok"
        if isinstance(response, pb.GetResponse):
            sample.result = next(reversed(values_of(response.siblings)), None)
        pending.ok(sample.result)
        return response


Job: TypeAlias = Callable[[StoreClient], Awaitable[None]]


async def carry_out(
    trial: Trial, jobs: Iterable[Job], *, clients: int = 8, value_bytes: int = VALUE_DIGITS
) -> None:
    """So many clients share the jobs, each taking the next when it has done its last."""
    left = iter(jobs)

    async def work(client: StoreClient) -> None:
        for job in left:
            await job(client)

    made = [StoreClient(trial, value_bytes=value_bytes) for _ in range(clients)]
    await asyncio.gather(*map(work, made))


def put_jobs(
    keys: Iterable[str], value: int, at: Callable[[str], NodeId], *, w: int = 0
) -> list[Job]:
    """Writes the value under each key, by the node that `at` says."""

    async def put(client: StoreClient, key: str) -> None:
        await client.put(key, value, at=at(key), w=w)

    return [partial(put, key=key) for key in keys]


# ------------------------------------------------------------------------------- where keys lie


def ring_of(trial: Trial) -> HashRing:
    """The ring as every node of this cluster drew it at the start."""
    members = trial.number_of("members") or len(trial.cluster.nodes)
    return HashRing(trial.cluster.nodes[:members], trial.number_of("tokens"))


def replicas_of(trial: Trial, key: str) -> tuple[NodeId, ...]:
    """The preference list of a key."""
    return ring_of(trial).preference_list(key, trial.number_of("replication"))


def keys_where(
    trial: Trial, count: int, fits: Callable[[tuple[NodeId, ...]], bool], name: str = "key"
) -> tuple[str, ...]:
    """The first keys of this name whose preference list is as wanted."""
    ring, replication = ring_of(trial), trial.number_of("replication")
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        assert number < 10_000 + 100 * count, "no preference list is like that"
        key = f"{name}-{number}"
        if fits(ring.preference_list(key, replication)):
            found.append(key)
    return tuple(found)


# -------------------------------------------------------------------------------- what is held


async def view_of(trial: Trial, node: NodeId) -> pb.QuorumStoreView | None:
    """What the node shows."""
    view = await trial.cluster.view(node)
    return view if isinstance(view, pb.QuorumStoreView) else None


async def views(trial: Trial) -> dict[NodeId, pb.QuorumStoreView]:
    """Of all nodes that answer."""
    shown = {node: await view_of(trial, node) for node in trial.cluster.nodes}
    return {node: view for node, view in shown.items() if view is not None}


async def held_at(trial: Trial, node: NodeId, key: str) -> pb.InspectResponse | None:
    """What the node itself holds of a key; None when it does not answer."""
    request = pb.InspectRequest(key=key)
    try:
        response = await trial.cluster.call(node, request, timeout_ms=trial.timeout_ms)
    except (Refused, Indeterminate):
        return None
    assert isinstance(response, pb.InspectResponse)
    return response


async def values_at(trial: Trial, node: NodeId, key: str) -> Values | None:
    """The values that the node itself holds of a key."""
    response = await held_at(trial, node, key)
    return None if response is None else values_of(response.record.siblings)


async def lacking(trial: Trial, node: NodeId, keys: Iterable[str], value: int) -> list[str]:
    """The keys of which a node does not hold this value itself; all when it does not answer."""
    missing = []
    for key in keys:
        values = await values_at(trial, node, key)
        if values is None or value not in values:
            missing.append(key)
    return missing


async def final_values(trial: Trial, key: str) -> Values:
    """What a read of all replicas finds in the end; without it a run counts for nothing."""
    client = StoreClient(trial)
    at = trial.cluster.nodes[0]
    response = await client.get(key, at=at, r=trial.number_of("replication"))
    trial.evidence.require(response is not None, f"no final read of {key}")
    return values_of(response.siblings) if response is not None else ()


def require_all_answered(trial: Trial, what: str, samples: Iterable[Sample]) -> None:
    """Where nothing is in anyone's way, every operation must have been carried out."""
    taken = list(samples)
    failed = sum(not sample.ok for sample in taken)
    trial.evidence.require(bool(taken), f"no {what} was sent")
    trial.evidence.require(not failed, f"{failed} of {len(taken)} {what}s were not answered")


def requests_in(trial: Trial, phase: Phase, *rpcs: str) -> int:
    """How many of these requests nodes sent to each other within the phase."""
    nodes = set(trial.cluster.nodes)
    until_ms = float("inf") if phase.until_ms is None else phase.until_ms
    return sum(
        one.request and one.rpc in rpcs and one.source in nodes and one.target in nodes
        for one in carried(trial.events, phase.from_ms, until_ms)
    )


# ---------------------------------------------------------------------------- what became of it


@dataclass(slots=True)
class Account:
    """Of every acknowledged write of one key: what its writer had seen when it wrote.

    A write that is neither there in the end nor was ever seen by someone who then wrote in its
    place is lost: its client was told that it had happened, and nobody decided against it.
    """

    seen: dict[int, Values] = field(default_factory=dict)

    def acknowledged(self, value: int, seen: Values) -> None:
        """The write was acknowledged; these are the values that its writer had read before."""
        self.seen[value] = seen

    def lost(self, final: Iterable[int]) -> list[int]:
        """The values that nobody replaced knowingly and that are not there."""
        replaced = {value for values in self.seen.values() for value in values}
        return sorted(set(self.seen) - replaced - set(final))


def percent(part: int, whole: int) -> float:
    """Of the whole, in percent; 0 of nothing."""
    return 100 * part / whole if whole else 0.0
