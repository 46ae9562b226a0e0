"""Runs our cluster under a load and profiles it: the timelines of its nodes, their processors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from labs.kit.bench.contender import Contender, ContenderFailed, Load, PutFailed, Work, closed_loop
from labs.kit.bench.processes import cpu_s
from labs.kit.bench.profile import (
    NodeEvents,
    Stage,
    Write,
    busy_stages,
    read_events,
    serial_stages,
)
from labs.kit.bench.ratios import percentile, short
from labs.kit.bench.report import machine
from labs.kit.bench.rounds import MANY_CLIENTS, VALUE_BYTES, started
from nodes.cluster.local import LocalCluster
from nodes.core import NodeId

if TYPE_CHECKING:
    from rich.table import Table

PUT_MS_MAX: Final = 10_000
CLOCK_LOOKS: Final = 20


class Profiled(Contender, Protocol):
    """A contender whose inside can be looked at."""

    @property
    def cluster(self) -> LocalCluster: ...
    @property
    def calls(self) -> int:
        """Of the cluster's client so far; the next has this number plus one."""

    async def leader(self) -> NodeId: ...
    async def put(self, node: NodeId, key: str, value: bytes, timeout_ms: int) -> None:
        """Raises PutFailed."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One load, with what it took from the processors: seconds by process."""

    writes: Sequence[Write]
    load: Load
    cpu_s: dict[str, float]


async def profile(
    contender: Profiled, *, replicate: str, seconds: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """`replicate` is the call by which the lab's leader hands entries on."""
    async with started(contender):
        cluster, leader = contender.cluster, await contender.leader()
        observed = {}
        for clients in (1, MANY_CLIENTS):
            await contender.load(Work(clients, VALUE_BYTES, seconds / 4))
            tell(f"{contender.name}: {clients} client{'s' * (clients > 1)}, {seconds:g} s")
            observed[clients] = await _observe(contender, leader, clients, seconds)
        if await contender.leader() != leader:
            raise ContenderFailed("the leader changed during the profile; run it again")
        nodes = cluster.nodes
        paths = {node: cluster.events_path(node) for node in nodes}
        await cluster.close()  # the nodes write what their recorders hold
        events = {node: NodeEvents.of(read_events(paths[node]), replicate) for node in nodes}
    followers = {node: found for node, found in events.items() if node != leader}
    try:
        return _document(contender, events[leader], followers, observed[1], observed[MANY_CLIENTS])
    except ValueError as error:
        raise ContenderFailed(str(error)) from error


async def _observe(contender: Profiled, leader: NodeId, clients: int, seconds: float) -> Observed:
    cluster, value, writes = contender.cluster, b"x" * VALUE_BYTES, list[Write]()
    began_ms = clock_of(cluster)
    work = Work(clients, VALUE_BYTES, seconds)

    async def put(number: int) -> None:
        message = f"client-{contender.calls + 1}"
        sent_ms = time.monotonic() * 1000 - began_ms
        await contender.put(leader, work.key(number), value, PUT_MS_MAX)
        writes.append(Write(message, sent_ms, time.monotonic() * 1000 - began_ms))

    before = _cpu(cluster, leader)
    try:
        load = await closed_loop(put, work)
    except PutFailed as error:
        raise ContenderFailed(str(error)) from error
    after = _cpu(cluster, leader)
    return Observed(writes, load, {name: after[name] - before[name] for name in before})


def clock_of(cluster: LocalCluster) -> float:
    """When the cluster's clock began, in monotonic milliseconds.

    The cluster tells whole milliseconds only; at the moment when one begins it is known to
    microseconds, and the earliest of some such moments is the truest.
    """
    found = []
    for _ in range(CLOCK_LOOKS):
        now_ms = cluster.now_ms()
        while cluster.now_ms() == now_ms:
            pass
        found.append(time.monotonic() * 1000 - cluster.now_ms())
    return min(found)


def _cpu(cluster: LocalCluster, leader: NodeId) -> dict[str, float]:
    """Processor time so far, by what a process is."""
    pids = {
        cluster.pid(node): "leader" if node == leader else "followers" for node in cluster.nodes
    }
    used = {"client": 0.0, "proxy": 0.0, "leader": 0.0, "followers": 0.0}
    for pid in (*cluster.process_ids(), os.getpid()):
        name = "client" if pid == os.getpid() else pids.get(pid, "proxy")
        used[name] += cpu_s(pid) or 0.0
    return used


def _document(
    contender: Profiled,
    leader: NodeEvents,
    followers: dict[NodeId, NodeEvents],
    serial: Observed,
    busy: Observed,
) -> dict[str, Any]:
    write_stages, call_stages = busy_stages(busy.writes, leader, followers)
    begin = min(write.sent_ms for write in busy.writes)
    end = max(write.done_ms for write in busy.writes)
    commits = sum(begin <= at_ms <= end for at_ms in leader.saved)
    return {
        "contender": {"name": contender.name, "note": contender.note},
        "machine": machine(),
        "serial": {
            **_figures(serial),
            "stages": _stages(serial_stages(serial.writes, leader, followers)),
        },
        "busy": {
            "clients": MANY_CLIENTS,
            **_figures(busy),
            "writes_a_commit": len(busy.writes) / commits if commits else None,
            "write_stages": _stages(write_stages),
            "call_stages": _stages(call_stages),
        },
    }


def _stages(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    whole_ms = sum(sum(stage.times_ms) / len(stage.times_ms) for stage in stages)
    return [stage.to_json(whole_ms) for stage in stages]


def _figures(observed: Observed) -> dict[str, Any]:
    count = len(observed.writes)
    return {
        "writes": count,
        "rate_per_s": observed.load.rate_per_s,
        "p50_ms": percentile(observed.load.times_ms, 0.5),
        "p99_ms": percentile(observed.load.times_ms, 0.99),
        "cpu_us_a_write": {name: used / count * 1e6 for name, used in observed.cpu_s.items()},
        "cpu_share_of_a_core": {
            name: used / observed.load.elapsed_s for name, used in observed.cpu_s.items()
        },
    }


# ------------------------------------------------------------------------------------- tables


def tables(found: dict[str, Any]) -> list[Table]:
    """One for each kind of stage, and one for the processors."""
    name, serial, busy = found["contender"]["name"], found["serial"], found["busy"]
    clients = f"{busy['clients']} clients"
    return [
        _stage_table(
            f"{name}: one write at a time, p50 {short(serial['p50_ms'])} ms", serial["stages"]
        ),
        _stage_table(
            f"{name}: {clients}, {short(busy['rate_per_s'])}/s, p50 {short(busy['p50_ms'])} ms",
            busy["write_stages"],
        ),
        _stage_table(
            f"{name}: {clients}, the leader's calls meanwhile, "
            f"{busy['writes_a_commit']:.1f} writes in a commit of the leader",
            busy["call_stages"],
        ),
        _cpu_table(name, serial, busy, clients),
    ]


def _stage_table(title: str, stages: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("part of the way")
    for column in ("mean ms", "share", "p50", "p90"):
        table.add_column(column, justify="right")
    for stage in stages:
        figures = [short(stage[name]) for name in ("mean_ms", "p50_ms", "p90_ms")]
        table.add_row(stage["stage"], figures[0], f"{stage['share']:.0%}", *figures[1:])
    whole = sum(stage["mean_ms"] for stage in stages)
    table.add_row("together", short(whole), "100%", "", "")
    return table


def _cpu_table(name: str, serial: dict[str, Any], busy: dict[str, Any], clients: str) -> Table:
    from rich.table import Table

    table = Table(title=f"{name}: processor time", title_justify="left")
    table.add_column("process")
    for column in ("serial: us a write", "of a core", f"{clients}: us a write", "of a core"):
        table.add_column(column, justify="right")
    for process in serial["cpu_us_a_write"]:
        cells = []
        for load in (serial, busy):
            cells.append(short(load["cpu_us_a_write"][process]))
            cells.append(f"{load['cpu_share_of_a_core'][process]:.0%}")
        table.add_row(process, *cells)
    return table
