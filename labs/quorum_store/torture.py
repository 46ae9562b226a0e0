"""Clients that do not trust the store, and what their histories must look like.

Every write is of a value that no other has. Where siblings are kept, each client knows the dots of
what it wrote, and which dots its writes overwrote, so that for every acknowledged value that is
missing somebody must be found who replaced it knowingly. Under ABD the history is to be
linearizable. Where the last writer wins, a value that is read was written, and no more is promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from labs.kit.appends import History, HistoryWrong, Operation
from labs.kit.checkers.judging import judge
from labs.kit.history import Pending, Recorder
from nodes.cluster.api import Indeterminate, Refused
from nodes.core import NodeId
from nodes.cores.quorum_store.wire import unpack_context
from nodes.parts.dotted_versions import Context, Dot, covers
from nodes.sim.cluster import SimCluster
from protos import quorum_store_pb2 as pb

PATIENCE_MS = 2500  # of a client; the store gives up before


@dataclass(slots=True)
class Written:
    """A write: what it replaced, and by which dots it is known if it was acknowledged."""

    key: str
    value: bytes
    context: Context
    operation: Operation
    dots: tuple[Dot, ...] = ()


@dataclass(slots=True)
class Seen:
    """A read that was answered."""

    key: str
    values: tuple[bytes, ...]
    operation: Operation


@dataclass
class Ledger:
    """Everything that the clients of one run did and saw."""

    cluster: SimCluster
    history: History = field(default_factory=History)
    writes: list[Written] = field(default_factory=list)
    reads: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.cluster.now_ns)
        params = self.cluster.spec.params
        self.versions = params["versions"]
        n, r, w = (params[name] for name in ("replication", "read_quorum", "write_quorum"))
        assert isinstance(n, int)
        assert isinstance(r, int)
        assert isinstance(w, int)
        # A stand-in's copy is seen by nobody who asks the owners only.
        self.fresh = r + w > n and params["quorum"] == "strict"

    # ------------------------------------------------------------------------------------- judging

    def replaced(self, write: Written, before_ms: int | None = None) -> bool:
        """Somebody who knew of the write wrote over it, and may have done so by then."""
        return any(
            other.key == write.key
            and other.operation.outcome != "fail"
            and (before_ms is None or other.operation.invoked_ms <= before_ms)
            and any(covers(other.context, dot) for dot in write.dots)
            for other in self.writes
        )

    def judge(self, final: dict[str, tuple[bytes, ...]]) -> None:
        """Holds what clients saw against each other, and against what is there in the end. Raises
        HistoryWrong."""
        self.check_invented(final)
        if self.versions == "siblings":
            self.check_lost(final)
            if self.fresh:
                self.check_fresh()
        elif self.versions == "abd":
            self.check_linearizable()

    def check_invented(self, final: dict[str, tuple[bytes, ...]]) -> None:
        """What is read was written, and not by a write that was refused."""
        possible = {(one.key, one.value) for one in self.writes if one.operation.outcome != "fail"}
        for read in self.reads:
            for value in read.values:
                if (read.key, value) not in possible:
                    raise HistoryWrong(
                        "what is read was written", f"{read.key} had {value!r}", read.operation
                    )
        for key, values in final.items():
            for value in values:
                if (key, value) not in possible:
                    raise HistoryWrong("what is read was written", f"{key} has {value!r}")

    def check_lost(self, final: dict[str, tuple[bytes, ...]]) -> None:
        """An acknowledged write is there in the end, or was replaced by one who knew of it."""
        for write in self.writes:
            if write.operation.outcome != "ok" or not write.dots:
                continue
            if write.value not in final[write.key] and not self.replaced(write):
                raise HistoryWrong(
                    "acknowledged writes are kept",
                    f"{write.value!r} for {write.key} was acknowledged, nobody replaced it, and it "
                    f"is not among {final[write.key]}",
                    write.operation,
                )

    def check_fresh(self) -> None:
        """A read sees every write that was acknowledged before it began (R + W > N)."""
        for read in self.reads:
            began, ended = read.operation.invoked_ms, read.operation.completed_ms
            for write in self.writes:
                done = write.operation.completed_ms
                if (
                    write.key == read.key
                    and write.operation.outcome == "ok"
                    and write.dots
                    and done is not None
                    and done < began
                    and write.value not in read.values
                    and not self.replaced(write, ended)
                ):
                    raise HistoryWrong(
                        "reads see acknowledged writes",
                        f"{write.value!r} for {write.key} was acknowledged at {done} ms; a read "
                        f"from {began} to {ended} ms found {read.values}",
                        read.operation,
                    )

    def check_linearizable(self) -> None:
        """Attiya, Bar-Noy and Dolev's register is atomic."""
        verdict = judge(self.recorder.entries, "register", time_limit_s=20)
        if verdict.valid is False:
            explanation = verdict.counterexample and verdict.counterexample.explanation
            raise HistoryWrong("the register is linearizable", str(explanation))


class Client:
    """One operation at a time, at any node; remembers what it has seen of each key."""

    def __init__(self, ledger: Ledger, number: int, keys: Sequence[str], seed: int) -> None:
        self.ledger, self.cluster, self.number, self.keys = ledger, ledger.cluster, number, keys
        self.rng = Random(f"{seed}:client{number}")
        self.contexts: dict[str, pb.VersionVector] = {}
        self.count = 0
        self.process = ledger.recorder.process()

    async def run(self, stop: asyncio.Event, pause_ms: int) -> None:
        """Operations until told to stop."""
        while not stop.is_set():
            key = self.rng.choice(self.keys)
            if self.rng.random() < 0.4:
                await self.read(key)
            else:
                await self.write(key)
            await self.cluster.sleep(self.rng.randint(0, pause_ms))

    async def write(self, key: str) -> Operation:
        """A new value, in place of what this client has seen, or of nothing."""
        self.count += 1
        value = b"%d.%d" % (self.number, self.count)
        siblings = self.ledger.versions == "siblings"
        # ABD's register has no tombstones here: a deletion would be one more value to it.
        deleted = siblings and self.rng.random() < 0.1
        request = pb.PutRequest(key=key, value=b"" if deleted else value, deleted=deleted)
        if siblings and self.rng.random() < 0.8 and key in self.contexts:
            request.context.CopyFrom(self.contexts[key])
        operation, pending = self.begin("append", key, value)
        write = Written(key, value, unpack_context(request.context), operation)
        self.ledger.writes.append(write)
        response = await self.attempt(operation, pending, request)
        if isinstance(response, pb.PutResponse):
            pending.ok()
            write.dots = tuple(
                (one.dot.actor, one.dot.counter) for one in response.siblings if one.value == value
            )
            if siblings:
                self.contexts[key] = response.context
        return operation

    async def read(self, key: str) -> Operation:
        """What there is of a key, from any node."""
        operation, pending = self.begin("read", key, b"")
        response = await self.attempt(operation, pending, pb.GetRequest(key=key))
        if isinstance(response, pb.GetResponse):
            values = tuple(one.value for one in response.siblings)
            pending.ok(values[0].decode() if values else None)
            operation.value = b",".join(values)
            self.contexts[key] = response.context
            self.ledger.reads.append(Seen(key, values, operation))
        return operation

    def begin(self, kind: str, key: str, token: bytes) -> tuple[Operation, Pending]:
        """Into both histories."""
        now_ms = self.cluster.now_ms()
        operation = Operation(
            self.number, "read" if kind == "read" else "append", key, token, now_ms
        )
        self.ledger.history.operations.append(operation)
        value = None if kind == "read" else token.decode()
        f = "read" if kind == "read" else "write"
        return operation, self.ledger.recorder.invoke(self.process, f, value, key)

    async def attempt(
        self, operation: Operation, pending: Pending, request: pb.PutRequest | pb.GetRequest
    ) -> pb.PutResponse | pb.GetResponse | None:
        """One try, at a node drawn at random."""
        node = self.rng.choice(self.cluster.nodes)
        response = None
        try:
            found = await self.cluster.call(node, request, timeout_ms=PATIENCE_MS)
            assert isinstance(found, pb.PutResponse | pb.GetResponse)
            response, operation.outcome = found, "ok"
        except Refused as refused:
            operation.outcome = "fail"
            pending.fail(str(refused))
        except Indeterminate as unknown:
            operation.outcome = "info"
            pending.info(str(unknown))
            self.process = self.ledger.recorder.process()
        operation.completed_ms = self.cluster.now_ms()
        return response


async def views(cluster: SimCluster) -> dict[NodeId, pb.QuorumStoreView]:
    """Of all nodes that are up."""
    found = {node: await cluster.view(node) for node in cluster.nodes}
    return {node: view for node, view in found.items() if isinstance(view, pb.QuorumStoreView)}


async def at_rest(cluster: SimCluster, *, within_ms: int) -> dict[NodeId, pb.QuorumStoreView]:
    """Waits until all have caught up: one ring, no hints, nothing in the wrong place, and equal
    records wherever they are shared. Raises TimeoutError."""

    async def calm() -> dict[NodeId, pb.QuorumStoreView] | None:
        found = await views(cluster)
        return found if len(found) == len(cluster.nodes) and not unrest(found) else None

    try:
        return await cluster.until("everything at rest", calm, within_ms=within_ms)
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {unrest(await views(cluster))}") from None


def unrest(found: dict[NodeId, pb.QuorumStoreView]) -> str:
    """What is not at rest yet; empty when everything is."""
    rings = {view.ring.SerializeToString(deterministic=True) for view in found.values()}
    if len(rings) > 1:
        return "they know different rings"
    for node, view in found.items():
        place = {entry.node: entry.membership for entry in view.ring.entries}
        if view.recovering:
            return f"{node} is recovering"
        if any(one not in (pb.MEMBER, pb.OUTSIDE) for one in place.values()):
            return "the ring changes"
        if view.hints:
            return f"{node} keeps {view.hints} hints"
        if place.get(node, pb.OUTSIDE) == pb.OUTSIDE and view.keys:
            return f"{node} is outside and holds {view.keys} records"
        for peer, root in view.shared.items():
            if found[peer].shared[node] != root:
                return f"{node} and {peer} hold different records"
    return ""


async def final_values(cluster: SimCluster, keys: Sequence[str]) -> dict[str, tuple[bytes, ...]]:
    """What the owners of each key hold. Raises HistoryWrong when two of them hold something else.

    Each is asked for its own copy: a read might go to stand-ins for a while yet.
    """
    final: dict[str, tuple[bytes, ...]] = {}
    for key in keys:
        for node in cluster.nodes:
            response = await cluster.call(node, pb.InspectRequest(key=key), timeout_ms=PATIENCE_MS)
            assert isinstance(response, pb.InspectResponse)
            if node not in response.preference_list:
                continue
            held = response.record.siblings
            values = tuple(sorted(one.value for one in held if not one.deleted))
            if final.setdefault(key, values) != values:
                raise HistoryWrong(
                    "replicas come to agree", f"{key} is {final[key]}, and {values} at {node}"
                )
    return final
