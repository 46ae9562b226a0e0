"""One trial: a cluster of its own, clients, faults, measurements, and the proof that it counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from labs.kit.check import Vacuous
from labs.kit.experiment.evidence import Evidence, Phase
from labs.kit.history import Recorder
from labs.kit.lab import Value
from labs.kit.registry import wait_unit_ms
from labs.kit.verdict import Verdict
from labs.kit.workloads import (
    Dialect,
    FinalReads,
    Generator,
    Sample,
    Workload,
    final_reads,
    now_ns,
)
from labs.kit.workloads.dialect import KEY_VALUE
from nodes.cluster.api import Cluster, NodeState
from nodes.cluster.fault_kinds import Fault, Heal
from nodes.core import NodeId
from nodes.timeline import TimelineEvent
from protos import kv_pb2 as kv


@dataclass(slots=True)
class Injection:
    """A fault that was injected; times on the cluster's clock. It was over at `until_ms`, or with
    the trial."""

    fault: Fault
    at_ms: float
    in_force_ms: float  # when it had been brought about
    until_ms: float | None = None
    acted: bool | None = None  # known at once for nodes, from the events for links and calls
    sentence: str = ""

    def to_event(self) -> dict[str, str]:
        """The fields of its event, as the simulator writes them."""
        return {
            "fault": json.dumps(self.fault.to_dict()),
            "nodes": json.dumps(self.fault.named()),
            "sentence": self.sentence,
            "at_ms": json.dumps(int(self.at_ms)),
        }


@dataclass(slots=True)
class Trial:
    """What an experiment gets. `settings` are its own; `params` of the cluster are the lab's.

    `slowness` is how much slower this machine is than one on which the bounds were set, 1 in
    simulation; `events` are there for `analyse` only, in order of time. `timeout_ms` is the longest
    that the protocol waits before it acts, stretched on a slow machine: the unit of all patience.
    """

    cluster: Cluster
    settings: Mapping[str, Value]
    variant: str
    number: int
    seed: int
    slowness: float = 1.0
    faults_disabled: bool = False
    evidence: Evidence = field(default_factory=Evidence)
    samples: dict[str, list[float]] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    workloads: list[Workload] = field(default_factory=list)
    scripted: list[Sample] = field(default_factory=list)  # what the experiment asked by itself
    events: Sequence[TimelineEvent] = ()
    finals: FinalReads | None = None
    verdict: Verdict | None = None
    model: str = ""  # what the history is judged by, if it is
    must_be_valid: bool = True
    notes: dict[str, Any] = field(default_factory=dict)  # from `trial` to `analyse`
    ending: dict[str, Any] | None = None  # what nodes said when it was over, for pictures of it
    rng: Random = field(init=False)
    recorder: Recorder = field(init=False)
    timeout_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.rng = Random(f"{self.seed}:trial")
        self.recorder = Recorder(lambda: now_ns(self.cluster))
        self.timeout_ms = int(wait_unit_ms(self.cluster.spec) * self.slowness)

    # ------------------------------------------------------------------------------- settings

    def number_of(self, name: str) -> int:
        """A setting of the experiment or of the lab that is a number."""
        value = self.settings[name] if name in self.settings else self.cluster.params[name]
        assert isinstance(value, int), f"{name} is no number"
        return value

    # ---------------------------------------------------------------------------------- time

    def now_ms(self) -> float:
        """As fine as the cluster's clock is."""
        return now_ns(self.cluster) / 1e6

    async def sleep(self, ms: float) -> None:
        """Lets the cluster's time pass."""
        await self.cluster.sleep(max(0, round(ms)))

    def phase(self, name: str) -> None:
        """From now on it is this phase; evidence and measurements are taken by phase."""
        self.end_phase()
        self.phases.append(Phase(name, self.now_ms()))

    def end_phase(self) -> None:
        """The phase is over, and none begins."""
        if self.phases and self.phases[-1].until_ms is None:
            self.phases[-1].until_ms = self.now_ms()

    def in_phase(self, name: str) -> Phase:
        """The phase of that name. Raises Vacuous when the trial never came to it."""
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise Vacuous(f"the trial never came to the phase {name} the fault")

    # --------------------------------------------------------------------------------- faults

    async def inject(self, *faults: Fault) -> None:
        """Injects faults, and looks at once whether nodes that should be down or paused are."""
        if self.faults_disabled:
            return
        for fault in faults:
            at_ms = self.now_ms()
            if isinstance(fault, Heal):
                self._all_over(at_ms)
            done = await self.cluster.faults.inject(fault)
            acted = self._acted(fault)
            now_ms = self.now_ms()
            self.injections.append(Injection(fault, at_ms, now_ms, None, acted, done.sentence))

    async def heal(self) -> None:
        """Undoes every fault."""
        await self.inject(Heal())

    def _all_over(self, at_ms: float) -> None:
        for injection in self.injections:
            if injection.until_ms is None:
                injection.until_ms = at_ms

    def _acted(self, fault: Fault) -> bool | None:
        wanted = {"kill": NodeState.DOWN, "power-cut": NodeState.DOWN, "pause": NodeState.PAUSED}
        if fault.kind in wanted:
            states = (self.cluster.node_state(node) for node in fault.named())
            return all(state is wanted[fault.kind] for state in states)
        if fault.kind == "skew":  # injected means read back from the node's own clock
            return any(one["kind"] == "skew" for one in self.cluster.faults.active())
        return None

    # --------------------------------------------------------------------------------- clients

    def workload(
        self,
        generator: Generator,
        *,
        timeout_ms: int | None = None,
        patience_ms: int | None = None,
        consistency: kv.Consistency = kv.DEFAULT,
        at: NodeId | None = None,
        among: Sequence[NodeId] = (),
        dialect: Dialect = KEY_VALUE,
    ) -> Workload:
        """Clients whose operations go into the trial's history. An attempt waits
        `Trial.timeout_ms` by default."""
        made = Workload(
            self.cluster,
            self.recorder,
            generator,
            seed=self.seed * 100 + len(self.workloads),
            timeout_ms=self.timeout_ms if timeout_ms is None else timeout_ms,
            patience_ms=patience_ms,
            consistency=consistency,
            at=at,
            among=among,
            dialect=dialect,
        )
        self.workloads.append(made)
        return made

    def judged_by(self, model: str, *, must_be_valid: bool = True) -> None:
        """The history will be judged; `must_be_valid` False where the variant lacks the promise,
        and the verdict is a finding."""
        self.model, self.must_be_valid = model, must_be_valid

    def operations(self) -> list[Sample]:
        """Everything that all clients did."""
        of_workloads = [sample for workload in self.workloads for sample in workload.samples]
        return of_workloads + self.scripted

    def completed(self, phase: str, f: str | None = None) -> list[Sample]:
        """What succeeded within a phase, of one kind or of all."""
        within = self.in_phase(phase)
        return [
            sample
            for sample in self.operations()
            if sample.ok
            and f in (None, sample.f)
            and sample.ended_ns is not None
            and within.holds(sample.ended_ns / 1e6)
        ]

    async def read_everywhere(self, workload: Workload, *, agree: bool = True) -> FinalReads:
        """The final reads, of every key and on every node; the run counts only with them. `agree`
        False where nodes may differ for ever, which is a finding then."""
        within_ms = (30 if agree else 8) * self.timeout_ms
        self.finals = await final_reads(self.cluster, workload, within_ms=within_ms)
        missing = self.finals.missing(self.cluster.nodes, workload.generator.keys)
        if agree:
            missing += [f"{node} holds something else" for node in self.finals.differing()]
        for one in missing:
            self.evidence.require(False, one)
        return self.finals

    # ------------------------------------------------------------------------------ measuring

    def measure(self, name: str, *values: float) -> None:
        """Samples of a measurement."""
        self.samples.setdefault(name, []).extend(values)

    def measure_variant(self, name: str, *values: float) -> None:
        """Samples of the measurement of this variant: its name ends in the variant's."""
        self.measure(f"{name}_{self.variant}", *values)
