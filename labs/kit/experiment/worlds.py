"""The same trial in every runtime: in virtual time, on processes, in containers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nodes.cluster.api import CLIENT, Cluster, ClusterSpec
from nodes.sim.cluster import Observer, SimCluster, SimOptions, simulate
from nodes.timeline import FAULT, TimelineEvent, merge

Program = Callable[[Cluster], Coroutine[Any, Any, None]]
Happening = tuple[float, dict[str, str]]  # when, and what the timeline says of a fault


def in_simulation(
    spec: ClusterSpec,
    program: Program,
    *,
    options: SimOptions,
    observers: Sequence[Observer] = (),
) -> list[TimelineEvent]:
    """Runs the program in virtual time and returns every event, also when it raises: then the
    error carries them as `events`."""
    clusters: list[SimCluster] = []

    async def recorded(cluster: SimCluster) -> None:
        clusters.append(cluster)
        await program(cluster)

    try:
        simulate(spec, recorded, options=replace(options, record=True), observers=observers)
    except Exception as error:
        raise TrialEnded(error, merge([clusters[0].timeline] if clusters else [])) from error
    return merge([clusters[0].timeline])


class TrialEnded(Exception):
    """A trial ended by an error; the events up to then, which say why."""

    def __init__(self, error: Exception, events: list[TimelineEvent]) -> None:
        super().__init__(str(error))
        self.error = error
        self.events = events


async def on_processes(
    runtime: str,
    spec: ClusterSpec,
    program: Program,
    *,
    folder: Path,
    logs: Path,
    happened: Callable[[], Iterable[Happening]],
) -> list[TimelineEvent]:
    """The same on real nodes. `folder` is theirs while they run, and is gone afterwards; what they
    wrote to stderr is kept in `logs`. `happened` tells the faults, which no node records."""
    cluster = _real_cluster(runtime, spec, folder)
    error: Exception | None = None
    try:
        async with cluster:
            try:
                await program(cluster)
            except Exception as caught:
                error = caught
        events = _events_of(cluster, happened())
        _keep_logs(cluster, logs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if error is not None:
        raise TrialEnded(error, events) from error
    return events


def _real_cluster(runtime: str, spec: ClusterSpec, folder: Path) -> Any:
    folder.mkdir(mode=0o700, parents=True)
    if runtime == "compose":
        from nodes.cluster.compose import ComposeCluster

        return ComposeCluster(spec, folder=folder)
    from nodes.cluster.local import LocalCluster

    return LocalCluster(spec, folder=folder)


def _events_of(cluster: Any, happened: Iterable[Happening]) -> list[TimelineEvent]:
    from nodes.host.recorder import older_file

    streams = [
        [
            event
            for path in (older_file(cluster.events_path(node)), cluster.events_path(node))
            for event in _read_events(path)
        ]
        for node in cluster.nodes
    ]
    return merge([*streams, _faults(streams, happened)])


def _read_events(path: Path) -> list[TimelineEvent]:
    """A line that a kill tore is skipped: its event was never told."""
    found: list[TimelineEvent] = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            found.append(TimelineEvent.from_json(line))
        except ValueError:
            continue
    return found


def _faults(
    streams: Sequence[Sequence[TimelineEvent]], happened: Iterable[Happening]
) -> list[TimelineEvent]:
    """Faults come behind all that had happened by then, in the order that Lamport times give."""
    moments = sorted((event.at_ms, event.lamport) for stream in streams for event in stream)
    made: list[TimelineEvent] = []
    place, lamport = 0, 0
    for at_ms, fields in happened:
        while place < len(moments) and moments[place][0] <= at_ms:
            lamport = max(lamport, moments[place][1])
            place += 1
        lamport += 1
        place_in_time = round(at_ms, 3)
        made.append(TimelineEvent(CLIENT, len(made) + 1, lamport, place_in_time, FAULT, fields))
    return made


def _keep_logs(cluster: Any, logs: Path) -> None:
    for node in cluster.nodes:
        path = cluster.log_path(node)
        if path.is_file():
            logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, logs / f"{node}.log")
