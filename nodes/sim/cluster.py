"""SimCluster: a whole cluster as one deterministic program.

One seed gives one course of events, whatever PYTHONHASHSEED is; `digest` proves it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message

from nodes.cluster.api import (
    CLIENT,
    ClusterSpec,
    Indeterminate,
    Link,
    LinkState,
    NodeState,
    RpcFault,
    definite,
)
from nodes.cluster.faults import Faults
from nodes.core import (
    Call,
    Caller,
    Core,
    Effect,
    Env,
    Event,
    NodeId,
    NoteValue,
    Param,
    Requested,
    TimerFired,
)
from nodes.loading import load_core
from nodes.sim.disk import SimDisk
from nodes.sim.loop import VirtualLoop, run_virtual
from nodes.sim.network import Complete, SimNetwork
from nodes.sim.node import SimNode, describe
from nodes.sim.purity import step_twice
from nodes.timeline import (
    CRASHED,
    FAILED,
    FAULT,
    POINT,
    RECEIVED,
    SENT,
    STARTED,
    TIMER,
    TimelineEvent,
)

T = TypeVar("T")
POLL_MS = 5  # virtual; `until` looks this often

SUPPORTED = frozenset(
    {"partition", "isolate", "cut", "sever", "delay", "skew", "heal"}
    | {"kill", "pause", "resume", "restart", "wipe", "power-cut", "crash-at"}
    | {"lose", "duplicate", "reorder"}
)


@dataclass(frozen=True, slots=True)
class SimOptions:
    """How the virtual world behaves. Ranges are drawn from uniformly, in milliseconds."""

    latency_ms: tuple[float, float] = (0.2, 1.0)  # one way
    sync_ms: tuple[float, float] = (0.0, 0.0)
    purity: bool = False  # step everything twice and compare
    record: bool = False  # keep the timeline
    digest: bool = True  # sum up every event, which takes a tenth of the time


class Observer(Protocol):
    """Sees every step after its effects were carried out; raises to stop the run."""

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None: ...


class SimCluster:
    """Implements Cluster and World (nodes.cluster.api) in virtual time.

    `cores` overrides the class that runs at a node; by default it is what the spec names.
    """

    runtime = "sim"
    supports = SUPPORTED

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        options: SimOptions | None = None,
        cores: Mapping[NodeId, type[Core]] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.spec = spec
        self.options = options or SimOptions()
        self.observers = observers
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "a simulation runs in virtual time, by `simulate`"
        self.loop = loop
        self.timeline: list[TimelineEvent] = []
        self.steps = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._rng = Random(f"{spec.seed}:world")
        self._cores = {node.id: load_core(node.core) for node in spec.nodes} | dict(cores or {})
        self._lamport = dict.fromkeys((*spec.node_ids, CLIENT), 0)
        self._sent_lamport: dict[str, int] = {}
        self._sequence = dict.fromkeys(self._lamport, 0)
        self._main = asyncio.current_task()
        self.failure: BaseException | None = None
        self.network = SimNetwork(
            self.loop, Random(f"{spec.seed}:network"), self.options.latency_ms, self._deliver
        )
        lies = spec.params.get("fsync", "on") == "off"
        self._nodes = {
            id: SimNode(self, id, SimDisk(Random(f"{spec.seed}:{id}:disk"), lies=lies))
            for id in spec.node_ids
        }
        self.faults = Faults(self, on_event=self._fault_event, seed=spec.seed)

    async def __aenter__(self) -> SimCluster:
        for node in self._nodes:
            await self.start(node)
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self._nodes.values():
            if node.state != NodeState.DOWN:
                node.crash(power_cut=False)

    # ------------------------------------------------------------------------------------- Cluster

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """Ids in order."""
        return self.spec.node_ids

    @property
    def params(self) -> Mapping[str, Param]:
        """The lab's settings."""
        return self.spec.params

    @property
    def digest(self) -> str:
        """Of every event and effect so far: equal for equal seeds."""
        return self._digest.hexdigest()

    def now_ms(self) -> int:
        """Virtual time since the beginning."""
        return int(self.loop.time() * 1000 + 1e-6)

    def now_ns(self) -> int:
        """The same, finer: much of what happens here takes less than a millisecond."""
        return round(self.loop.time() * 1e9)

    async def sleep(self, ms: float) -> None:
        """Lets virtual time pass."""
        await asyncio.sleep(ms / 1000)

    async def until(
        self, what: str, holds: Callable[[], Awaitable[T | None]], *, within_ms: int
    ) -> T:
        """See Cluster.until."""
        began_ms = self.now_ms()
        while True:
            result = await holds()
            if result is not None and result is not False:
                return result
            if self.now_ms() - began_ms >= within_ms:
                raise TimeoutError(f"{what}: not within {within_ms} ms")
            await self.sleep(POLL_MS)

    async def call(self, node: NodeId, request: Message, *, timeout_ms: int) -> Message:
        """See Cluster.call."""
        ended: asyncio.Future[tuple[Message | None, str]] = self.loop.create_future()

        def complete(response: Message | None, reason: str) -> None:
            if not ended.done():
                ended.set_result((response, reason))

        message = self._call(CLIENT, node, request, timeout_ms, complete)
        self._record_send(CLIENT, node, message, request)
        response, reason = await ended
        if response is None:
            raise Indeterminate(reason)
        return definite(response)

    async def view(self, node: NodeId) -> Message | None:
        """See Cluster.view."""
        return self.view_now(node)

    def view_now(self, node: NodeId) -> Message | None:
        """The same without waiting: for invariants, between two steps. Made once a step, so it must
        not be changed."""
        simulated = self._nodes[node]
        core = simulated.core
        if core is None or simulated.state is not NodeState.UP:
            return None
        if simulated.viewed_at != simulated.steps:
            simulated.viewed_at, simulated.viewed = simulated.steps, core.view()
        return simulated.viewed

    # --------------------------------------------------------------------------------------- World

    def node_state(self, node: NodeId) -> NodeState:
        """Up, down or paused."""
        return self._nodes[node].state

    def between_steps(self, node: NodeId) -> bool:
        """It is up, and all effects of its latest step were carried out: for invariants."""
        return self._nodes[node].between_steps

    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """See World.set_links."""
        self.network.set_links(wanted)

    async def set_rpc_faults(self, node: NodeId, faults: tuple[RpcFault, ...], seed: int) -> None:
        """See World.set_rpc_faults; the seed is that of the simulation."""
        del seed
        self.network.rpc_faults[node] = faults

    async def set_clock(self, node: NodeId, *, offset_ms: int, rate: float) -> None:
        """See World.set_clock."""
        self._nodes[node].clock = (offset_ms, self.now_ms(), rate)

    async def set_crash_points(self, node: NodeId, points: Mapping[str, int]) -> None:
        """See World.set_crash_points."""
        self._nodes[node].crash_points = dict(points)

    def crashed_at(self, node: NodeId) -> str | None:
        """See World.crashed_at."""
        return self._nodes[node].crashed_at

    def crash_points_passed(self, node: NodeId) -> Mapping[str, int]:
        """How often the node's core came by each of its points, armed or not."""
        return self._nodes[node].passed

    def disk(self, node: NodeId) -> SimDisk:
        """The node's, to look at."""
        return self._nodes[node].disk

    def boundaries(self, node: NodeId) -> int:
        """At how many places the node could have crashed so far; `crash_after` counts them."""
        return self._nodes[node].boundaries

    def crashed_before(self, node: NodeId) -> Effect | None:
        """The effect that `crash_after` kept a node from; None: the sync at a step's end."""
        return self._nodes[node].crashed_before

    async def is_down(self, node: NodeId) -> None:
        """Returns once it is."""
        await self._nodes[node].ended.wait()

    async def kill(self, node: NodeId) -> None:
        """See World.kill."""
        self.crash_now(node)

    async def power_cut(self, node: NodeId) -> None:
        """See World.power_cut."""
        self.crash_now(node, power_cut=True)

    async def start(self, node: NodeId) -> None:
        """See World.start."""
        simulated = self._nodes[node]
        # A new process begins with a true clock and true calls, here as anywhere.
        simulated.clock = (0, 0.0, 1.0)
        self.network.rpc_faults.pop(node, None)
        self._record(node, STARTED, {})
        rng = Random(f"{self.spec.seed}:{node}:{simulated.incarnation}")
        env = Env(node, self.spec.peers_of(node), rng, self.spec.params)
        simulated.start(lambda: self._cores[node](env))

    async def wipe(self, node: NodeId) -> None:
        """See World.wipe."""
        self._nodes[node].disk.wipe()
        self._nodes[node].amnesia = True

    async def pause(self, node: NodeId) -> None:
        """See World.pause."""
        self._nodes[node].pause()

    async def resume(self, node: NodeId) -> None:
        """See World.resume."""
        self._nodes[node].resume()

    def crash_now(self, node: NodeId, *, power_cut: bool = False, point: str | None = None) -> None:
        """Kills a node on the spot; `point` is the crash point that it has come to."""
        self._nodes[node].crash(power_cut=power_cut)
        self.network.node_died(node)
        at: dict[str, NoteValue] = {} if point is None else {POINT: point}
        self._record(node, CRASHED, {"power_cut": power_cut, **at})

    def crash_after(self, node: NodeId, effects: int) -> None:
        """Kills a node when it has come by so many places more at which it could crash: before
        each effect, and before the sync at the end of a step."""
        self._nodes[node].effects_until_crash = effects

    # ------------------------------------------------------------------------------ used by SimNode

    def step(self, node: SimNode, core: Core, event: Event) -> list[Effect]:
        """Steps a core; whatever it raises ends the run."""
        self.steps += 1
        node.steps += 1
        try:
            if self.options.purity:
                effects = step_twice(core, event, node.now())
            else:
                effects = core.step(event, node.now())
        except Exception as error:
            error.add_note(f"{node.node_id} at {self.now_ms()} ms, seed {self.spec.seed}")
            self.fail(error)
            return []
        if self.options.record and isinstance(event, TimerFired):
            self._record(node.node_id, TIMER, {"timer": event.name})
        if self.options.digest:
            kind, message = describe(event)
            line = f"{self.loop.time():.6f}|{node.node_id}|{kind}|{len(effects)}"
            self._digest.update(line.encode())
            if message is not None:
                self._digest.update(message.SerializeToString(deterministic=True))
        return effects

    def stepped(self, node: SimNode, event: Event, effects: Sequence[Effect]) -> None:
        """All effects of a step were carried out."""
        for observer in self.observers:
            try:
                observer(self, node.node_id, event, effects)
            except Exception as error:
                error.add_note(f"{node.node_id} at {self.now_ms()} ms, seed {self.spec.seed}")
                self.fail(error)

    def sync_ms(self) -> float:
        """How long the disk takes this time."""
        return self._rng.uniform(*self.options.sync_ms)

    def call_peer(self, node: NodeId, call: Call, complete: Complete) -> None:
        """Sends a call of a core."""
        message = self._call(node, call.peer, call.request, call.timeout_ms, complete)
        self._record_send(node, call.peer, message, call.request)

    def respond(self, node: NodeId, caller: Caller, response: Message) -> None:
        """Sends a response of a core."""
        self._record_send(node, caller.node, f"{caller.node}-{caller.call_id}r", response)
        self.network.respond(caller, response)

    def noted(self, node: NodeId, kind: str, fields: Mapping[str, NoteValue]) -> None:
        """A core's own remark."""
        self._record(node, kind, fields)

    def fail(self, error: BaseException) -> None:
        """Ends the run: `simulate` raises the first failure."""
        if self.failure is None:
            self.failure = error
            if self._main is not None:
                self._main.cancel()

    def callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What is raised in a timer, such as a disk's refusal, ends the run, too."""
        error = context.get("exception")
        if "handle" in context and isinstance(error, Exception):
            self.fail(error)
        else:
            loop.default_exception_handler(context)

    # ------------------------------------------------------------------------------------- plumbing

    def _deliver(self, target: NodeId, caller: Caller, request: Message, message: str) -> bool:
        node = self._nodes[target]
        if node.state == NodeState.DOWN:
            return False
        self._record_receipt(target, caller.node, message, request)
        node.take(Requested(caller, request))
        return True

    def _call(
        self, source: NodeId, target: NodeId, request: Message, timeout_ms: int, complete: Complete
    ) -> str:
        """As SimNetwork.call, and the timeline hears how it ended."""

        def ended(response: Message | None, reason: str) -> None:
            if response is None:
                self._record(source, FAILED, {"message": message, "to": target, "reason": reason})
            else:
                self._record_receipt(source, target, f"{message}r", response)
            complete(response, reason)

        message = self.network.call(source, target, request, timeout_ms, ended)
        return message

    def _record_receipt(self, node: NodeId, peer: NodeId, message: str, content: Message) -> None:
        if self.options.record:
            self._lamport[node] = max(self._lamport[node], self._sent_lamport.get(message, 0))
            fields = {"message": message, "from": peer, "type": content.DESCRIPTOR.name}
            self._record(node, RECEIVED, fields)

    def _record_send(self, node: NodeId, peer: NodeId, message: str, content: Message) -> None:
        if self.options.record:
            fields = {"message": message, "to": peer, "type": content.DESCRIPTOR.name}
            self._record(node, SENT, fields)
            self._sent_lamport[message] = self._lamport[node]

    def _record(self, node: NodeId, kind: str, fields: Mapping[str, NoteValue]) -> None:
        if not self.options.record:
            return
        self._lamport[node] += 1
        self._sequence[node] += 1
        at_ms = round(self.loop.time() * 1000, 3)
        seq, lamport = self._sequence[node], self._lamport[node]
        self.timeline.append(TimelineEvent(node, seq, lamport, at_ms, kind, dict(fields)))

    def _fault_event(self, kind: str, fields: Mapping[str, Any]) -> None:
        del kind  # the fault itself says that it is a heal
        plain = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
        self._record(CLIENT, FAULT, plain)


def simulate(
    spec: ClusterSpec,
    program: Callable[[SimCluster], Coroutine[Any, Any, T]],
    *,
    options: SimOptions | None = None,
    cores: Mapping[NodeId, type[Core]] | None = None,
    observers: Sequence[Observer] = (),
) -> T:
    """Runs `program` against a fresh simulated cluster, in virtual time.

    Raises whatever the program, a core or an observer raised first.
    """

    async def main() -> T:
        cluster = SimCluster(spec, options=options, cores=cores, observers=observers)
        cluster.loop.set_exception_handler(cluster.callback_failed)
        try:
            async with cluster:
                result = await program(cluster)
        except BaseException:
            if cluster.failure is not None:
                raise cluster.failure from None
            raise
        if cluster.failure is not None:  # It came too late to interrupt the program.
            raise cluster.failure
        return result

    return run_virtual(main)
