"""Clients: what they record is what happened to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import pytest
from google.protobuf.message import Message

from labs.kit.checkers.models import MODELS
from labs.kit.history import Recorder, operations
from labs.kit.workloads import (
    Appends,
    FinalReads,
    Operation,
    Registers,
    Workload,
    final_reads,
    now_ns,
)
from labs.kit.workloads.dialect import KEY_VALUE, Decode, KeyValueDialect, Told
from nodes.sim.cluster import SimCluster, simulate
from protos import kv_pb2 as kv
from tests.support.sim_bench import raft_spec

T = TypeVar("T")


def workload_on(cluster: SimCluster, **options: object) -> Workload:
    """Appends by default."""
    recorder = Recorder(lambda: now_ns(cluster))
    generator = options.pop("generator", None) or Appends(("a", "b"), Random(1))
    return Workload(cluster, recorder, generator, seed=1, timeout_ms=600, **options)  # type: ignore[arg-type]  # by name


def played(program: Callable[[SimCluster], Awaitable[T]], nodes: int = 3) -> T:
    """Runs it against three simulated servers."""

    async def main(cluster: SimCluster) -> T:
        return await program(cluster)

    return simulate(raft_spec(nodes, seed=1), main)


def test_closed_loop_records_every_operation() -> None:
    """History and samples agree, times are finer than milliseconds, and values are unique."""

    async def program(cluster: SimCluster) -> Workload:
        workload = workload_on(cluster)
        workload.closed_loop(3, pause_ms=5)
        await workload.progress(40, within_ms=20_000)
        await workload.stop()
        return workload

    workload = played(program)
    found = operations(workload.recorder.entries)
    assert len(found) == len(workload.samples) >= 40
    assert {one.outcome for one in found} == {"ok"}
    assert any(one.invoked_ns % 1_000_000 for one in found)
    written = [one.argument for one in found if one.f == "append"]
    assert len(set(written)) == len(written) > 0
    assert {one.process for one in found} == {0, 1, 2}


def test_open_loop_does_not_wait() -> None:
    """While nobody answers, it sends on: at its rate, and not as fast as answers come."""

    async def program(cluster: SimCluster) -> tuple[int, int]:
        workload = workload_on(cluster)
        workload.open_loop(100)
        await workload.progress(5, within_ms=20_000)
        await cluster.faults.kill(*cluster.nodes)
        before = len(workload.samples)
        await cluster.sleep(1000)
        during = len(workload.samples) - before
        await workload.cancel()
        return before, during

    _, during = played(program)
    assert 60 <= during <= 140


def test_unknown_outcomes_are_info_and_end_the_process() -> None:
    """A deadline is no failure: the operation may have happened, and the process is used no
    more."""

    async def program(cluster: SimCluster) -> Workload:
        workload = workload_on(cluster)
        workload.closed_loop(1, pause_ms=2)
        await workload.progress(5, within_ms=20_000)
        await cluster.faults.kill(*cluster.nodes)
        await cluster.sleep(500)
        await workload.cancel()
        return workload

    workload = played(program)
    found = operations(workload.recorder.entries)  # raises when a process goes on after an info
    assert any(one.outcome == "info" for one in found)
    assert not any(one.outcome == "fail" for one in found)
    assert len({one.process for one in found}) > 1


def test_certain_refusals_are_failures() -> None:
    """A follower declines: it did not happen, and the history says so."""

    async def program(cluster: SimCluster) -> str:
        first = workload_on(cluster)
        sample = await first.once(Operation("append", "a", 1))
        follower = next(node for node in cluster.nodes if node != sample.node)
        pinned = workload_on(cluster, at=follower, patience_ms=0)
        return (await pinned.once(Operation("append", "a", 2))).outcome

    assert played(program) == "fail"


def test_one_operation_after_the_others_have_stopped() -> None:
    """Whoever is asked first, a single operation finds the leader."""

    async def program(cluster: SimCluster) -> list[str]:
        workload = workload_on(cluster)
        workload.closed_loop(1)
        await workload.progress(3, within_ms=20_000)
        await workload.stop()
        return [(await workload.once(Operation("read", "a"))).outcome for _ in range(10)]

    assert played(program) == ["ok"] * 10


def test_compare_and_set() -> None:
    """One that expects the wrong value is a certain failure, the right one swaps."""

    async def program(cluster: SimCluster) -> Workload:
        workload = workload_on(cluster, generator=Registers(("x",), Random(1), cas=0.3))
        for f, value in (("write", 1), ("cas", [1, 2]), ("cas", [1, 3]), ("read", None)):
            await workload.once(Operation(f, "x", value))
        return workload

    workload = played(program)
    assert [one.outcome for one in workload.samples] == ["ok", "ok", "fail", "ok"]
    assert workload.samples[-1].result == 2
    entries = workload.recorder.entries
    failed = operations(entries)[2]
    # The checker takes it for an answer: another value than 1 was there.
    assert MODELS["cas-register"].action(failed, entries) == ("not", 1, None)


def test_final_reads_see_every_node_and_every_loss() -> None:
    """What was appended is there, on every node; what never was counts as lost."""

    async def program(cluster: SimCluster) -> tuple[list[str], int, int]:
        workload = workload_on(cluster)
        workload.closed_loop(2)
        await workload.progress(20, within_ms=20_000)
        await workload.stop()
        finals = await final_reads(cluster, workload, within_ms=20_000)
        none_lost = finals.lost_appends(workload.samples)
        finals.values = {key: [] for key in finals.values}
        missing = finals.missing(cluster.nodes, workload.generator.keys)
        return missing, none_lost, finals.lost_appends(workload.samples)

    missing, none_lost, all_lost = played(program)
    assert (missing, none_lost) == ([], 0)
    assert all_lost > 0


def test_clients_ask_only_the_nodes_that_they_know() -> None:
    """Where the others cannot be reached, a hint to one of them is not followed."""

    async def program(cluster: SimCluster) -> tuple[str, Workload, Workload]:
        everyone = workload_on(cluster)
        leader = (await everyone.once(Operation("append", "a", 1))).node
        followers = [node for node in cluster.nodes if node != leader]
        some = workload_on(cluster, among=followers, patience_ms=300)
        some.closed_loop(3, pause_ms=5)
        await cluster.sleep(1000)
        await some.stop()
        return leader, everyone, some

    leader, everyone, some = played(program)
    assert everyone.count() == 1
    assert some.samples
    assert leader not in {sample.node for sample in some.samples}
    assert some.count("fail") == len(some.samples), "followers can only point to the leader"


def test_unknown_function_is_an_error() -> None:
    """Nothing is sent for what nobody understands."""
    with pytest.raises(ValueError, match="no request"):
        KEY_VALUE.request(Operation("levitate", "x"), kv.DEFAULT, 1)


def test_a_dialect_decides_what_is_sent_and_what_it_means() -> None:
    """Clients send what their dialect writes, and record what it reads out of the response; it is
    told whose operation it is, and asks each node in its own way at the end."""

    class Counting(KeyValueDialect):
        """Reads how many were appended; keeps by client what it was told."""

        def __init__(self) -> None:
            self.told: dict[int, int] = {}

        def request(
            self, operation: Operation, consistency: kv.Consistency, client: int
        ) -> Message:
            renamed = Operation(operation.f, f"counted-{operation.key}", operation.value)
            return super().request(renamed, consistency, client)

        def outcome(
            self, operation: Operation, response: Message, decode: Decode, client: int
        ) -> Told:
            self.told[client] = self.told.get(client, 0) + 1
            told = super().outcome(operation, response, decode, client)
            return told if told.result is None else Told("ok", len(told.result))

        def held(self, key: str) -> Message:
            return super().held(f"counted-{key}")

        def holding(self, response: Message, decode: Decode) -> int:
            return len(super().holding(response, decode))

    dialect = Counting()

    async def program(cluster: SimCluster) -> tuple[Workload, FinalReads]:
        workload = workload_on(cluster, dialect=dialect)
        workload.closed_loop(2)
        await workload.progress(20, within_ms=20_000)
        await workload.stop()
        return workload, await final_reads(cluster, workload, within_ms=20_000)

    workload, finals = played(program)
    appended = workload.count(f="append")
    assert sum(finals.values.values()) == appended > 0
    assert finals.differing() == []
    assert dialect.told[1] + dialect.told[2] == len(workload.samples) - len(finals.values)
