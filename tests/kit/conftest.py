"""A conductor over a cluster in memory, started and ended by the test that asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labs.kit.cli import run
from labs.kit.conductor import Conductor, conduct
from labs.kit.registry import load_lab
from labs.kit.runtime import RuntimeChoice
from labs.kit.session import HOME_VARIABLE, SessionFolder
from labs.kit.settings import make_plan
from labs.kit.status_board import FRESH_S
from nodes.cluster.api import ClusterSpec
from tests.kit.fake_cluster import FakeCluster


@dataclass
class QuietFront:
    """A front that only remembers."""

    lines: list[str] = field(default_factory=list)
    is_starting: asyncio.Event = field(default_factory=asyncio.Event)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    nobody_there: bool = False

    def progress(self, text: str) -> None:
        self.lines.append(text)
        if text == "starting nodes":
            self.is_starting.set()

    def ready(self, status: Mapping[str, Any]) -> None:
        self.lines.append(f"ready {status['leader']}")
        self.is_ready.set()

    async def show(self, conductor: Conductor) -> None:
        del conductor

    def gone(self) -> bool:
        return self.nobody_there


@dataclass
class Desk:
    """A lab that runs in memory: its cluster, its folder, and how to run commands against it."""

    folder: SessionFolder
    front: QuietFront = field(default_factory=QuietFront)
    clusters: list[FakeCluster] = field(default_factory=list)
    prepare: Mapping[str, Any] = field(default_factory=dict)
    task: asyncio.Task[str] | None = None

    @property
    def cluster(self) -> FakeCluster:
        return self.clusters[-1]

    def _make(self, spec: ClusterSpec, folder: Path) -> FakeCluster:
        cluster = FakeCluster(spec, folder)
        for name, value in self.prepare.items():
            setattr(cluster, name, value)
        self.clusters.append(cluster)
        return cluster

    def start(self, *assignments: str) -> asyncio.Task[str]:
        """Starts a conductor as a task of the test's loop."""
        quick = ("election_timeout_ms_min=20", "election_timeout_ms_max=30", "heartbeat_ms=5")
        plan = make_plan(load_lab("raft"), nodes=None, assignments=assignments or quick, seed=0)
        choice = RuntimeChoice("local", "as the test asked")
        coroutine = conduct(plan, choice, self.folder, lambda: self._make, self.front)
        self.task = asyncio.create_task(coroutine)
        return self.task

    async def started(self) -> None:
        """Starts, and waits until the lab is ready."""
        task, ready = self.start(), asyncio.create_task(self.front.is_ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if task.done():
            await task

    async def silence(self, *nodes: str) -> None:
        """Lets nodes keep silent from now on, and waits until no earlier look counts as fresh."""
        self.cluster.silent.update(nodes)
        await asyncio.sleep(FRESH_S)

    async def lab(self, *arguments: str) -> int:
        """Runs a command as a second terminal would; returns its exit status."""
        return await asyncio.to_thread(run, arguments)


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Not started yet."""
    folder = SessionFolder(tmp_path / "home")
    monkeypatch.setenv(HOME_VARIABLE, str(folder.path))
    monkeypatch.setenv("COLUMNS", "120")
    desk = Desk(folder)
    yield desk
    if desk.task is not None and not desk.task.done():
        desk.task.cancel()
        await asyncio.gather(desk.task, return_exceptions=True)


@pytest.fixture
async def running(desk: Desk) -> Desk:
    """Ready."""
    await desk.started()
    return desk
