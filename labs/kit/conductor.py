"""The process that owns a lab: starts its cluster, answers the other commands, ends everything.

Whatever ends the conductor ends the lab: Ctrl-C, a signal, `lab down`, a failed start. Should it be
killed without a word, its nodes and its proxy notice by themselves and end, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from labs.kit import last_run
from labs.kit.errors import LabError, nearest
from labs.kit.event_feed import EventFeed, FeedLine
from labs.kit.fault_desk import FaultDesk
from labs.kit.http_api import HttpApi
from labs.kit.key_view import load_key_view
from labs.kit.operations import Operation, Outcome, client_class
from labs.kit.processes import ProcessMark
from labs.kit.runtime import ClusterFactory, ManagedCluster, RuntimeChoice
from labs.kit.session import Session, SessionFolder
from labs.kit.session_record import SessionRecord
from labs.kit.settings import Plan
from labs.kit.status_board import StatusBoard
from labs.kit.stopping import Stopped, Stopping
from labs.kit.text import span, visible
from nodes.cluster.api import NodeState, RuntimeFailure
from nodes.cluster.fault_kinds import CrashAt

READY_POLL_S = 0.03
UPKEEP_S = 0.5
START_PATIENCE_S = 20.0
LAST_WAIT_UNITS = 20  # how many of the lab's own waits a cluster may take until it serves
CATCH_UP_WAIT_UNITS = 10  # and how many of them until all have caught up after a heal


class Front(Protocol):
    """Who is told how the lab is doing: a live view, plain lines, or the command that started a
    conductor in the background."""

    def progress(self, text: str) -> None:
        """A step of the start, or a warning."""

    def ready(self, status: Mapping[str, Any]) -> None:
        """The lab serves."""

    async def show(self, conductor: Conductor) -> None:
        """Runs while the lab does; cancelled when it ends."""

    def gone(self) -> bool:
        """Whether nobody is there any more for whom to start a lab."""


class Conductor:
    """One lab, from its start to its end: `await Conductor(...).run(...)`."""

    def __init__(
        self, plan: Plan, choice: RuntimeChoice, folder: SessionFolder, make: ClusterFactory
    ) -> None:
        self.plan = plan
        self.choice = choice
        self.phase = "starting"
        self.started_at = time.time()
        self._folder = folder
        self._stopping = Stopping()
        self._fault_lock = asyncio.Lock()
        lab = plan.lab
        self.cluster: ManagedCluster = make(plan.cluster_spec(), self.cluster_folder)
        self.board = StatusBoard(lab, self.cluster)
        paths = {node: self.cluster.events_path(node) for node in plan.node_ids}
        self.feed = EventFeed(lab, paths, self.cluster.now_ms)
        self._client = client_class(lab)(
            self.cluster, lab.wait_unit_ms(plan.settings), lambda: self.board.leader
        )
        self._record = SessionRecord(self.cluster_folder, self.cluster.now_ms)
        self._desk = FaultDesk(self.cluster, lab, plan.seed)
        self._token = secrets.token_hex(32)
        self._api = HttpApi(self, self._token)

    @property
    def cluster_folder(self) -> Path:
        """Where the nodes keep their files while the lab runs."""
        return self._folder.path / last_run.CLUSTER_NAME

    # ------------------------------------------------------------------------------ the whole life

    async def run(self, front: Front) -> str:
        """Starts the lab, serves until somebody asks for the end, and returns who did.

        Raises LabError when the lab could not be started; nothing is left behind then. Call it with
        the session folder locked.
        """
        logging.getLogger("aiohttp").addHandler(logging.NullHandler())
        logging.getLogger("aiohttp").propagate = False
        with self._stopping.by_signals():
            try:
                await self._api.start()
                self._write_session()
                await self._stopping.unless_asked(self._start(front), front.gone)
                return await self._serve(front)
            except Stopped as stopped:
                raise LabError(f"{stopped} before the lab was ready; everything ended") from None
            finally:
                await self._end(front)

    async def _start(self, front: Front) -> None:
        shutil.rmtree(self.cluster_folder, ignore_errors=True)
        self.cluster_folder.mkdir(mode=0o700)
        last_run.forget(self._folder.path)
        self._record.begin(self._facts())
        try:
            await self.cluster.start(front.progress)
        except RuntimeFailure as failure:
            raise LabError(str(failure)) from None
        self._write_session()
        front.progress("nodes are up; waiting until the lab can serve")
        await self._until_ready()
        self.phase = "ready"
        front.ready(await self.status())

    async def _until_ready(self) -> None:
        wait_s = self.plan.lab.wait_unit_ms(self.plan.settings) / 1000
        patience_s = START_PATIENCE_S + LAST_WAIT_UNITS * wait_s
        deadline = time.monotonic() + patience_s
        while True:
            await self.board.look(fresh_s=0)
            if self.board.ready():
                return
            dead = [node for node, state in self.board.states().items() if state == NodeState.DOWN]
            if dead:
                how = self.cluster.how_it_ended(dead[0]) or "nobody knows why"
                raise LabError(f"{dead[0]} ended during the start: {how}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"the nodes run, but the lab was not ready after {span(patience_s * 1000)}; "
                    "check its settings, or `lab doctor`"
                )
            await asyncio.sleep(READY_POLL_S)

    async def _serve(self, front: Front) -> str:
        upkeep = asyncio.create_task(self._upkeep())
        shown = asyncio.create_task(front.show(self))
        try:
            watched: set[asyncio.Future[Any]] = {self._stopping.asked, upkeep, shown}
            while not self._stopping.asked.done():
                done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    # A front that has nothing more to show ends; whatever failed ends the lab.
                    task.result()
            return self._stopping.asked.result()
        finally:
            for task in (upkeep, shown):
                task.cancel()
            await asyncio.gather(upkeep, shown, return_exceptions=True)

    async def _upkeep(self) -> None:
        """What goes on whether or not somebody watches. No node is asked anything here."""
        while True:
            await asyncio.sleep(UPKEEP_S)
            await self.tell_changes()
            if not self._folder.session_file.exists():
                self.request_stop(f"{self._folder.session_file} was removed")

    async def _end(self, front: Front) -> None:
        self.phase = "stopping"
        closing = asyncio.create_task(self.cluster.close())
        hurry = asyncio.create_task(self._stopping.in_a_hurry.wait())
        try:
            await asyncio.wait({closing, hurry}, return_when=asyncio.FIRST_COMPLETED)
            if not closing.done():
                self._kill_all()
            await closing
        except RuntimeFailure as failure:
            self._kill_all()
            front.progress(str(failure))
        finally:
            hurry.cancel()
            await self._api.close()
            self._leave_nothing()

    def _leave_nothing(self) -> None:
        # Should somebody have removed the whole folder, another lab may live there by now.
        owner = self._folder.read()
        if owner is None or owner.conductor.pid == os.getpid():
            nodes, cluster = self.plan.node_ids, self.cluster
            last_run.keep(
                self._folder.path,
                events=[cluster.events_path(node) for node in nodes],
                logs=[cluster.log_path(node) for node in nodes],
            )
            shutil.rmtree(self.cluster_folder, ignore_errors=True)
            self._folder.remove()

    def _kill_all(self) -> None:
        for pid in self.cluster.process_ids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _write_session(self) -> None:
        myself = ProcessMark.of(os.getpid())
        assert myself is not None, "this process lives"
        marks = map(ProcessMark.of, self.cluster.process_ids())
        session = Session(
            myself,
            self._api.port,
            str(self._folder.token_file.absolute()),
            self.plan.lab.id,
            self.choice.name,
            self.started_at,
            tuple(mark for mark in marks if mark is not None),
        )
        self._folder.write(session, self._token)

    def _facts(self) -> dict[str, Any]:
        return {
            "lab": self.plan.lab.id,
            "runtime": self.choice.name,
            "nodes": list(self.plan.node_ids),
            "seed": self.plan.seed,
            "started_at": round(self.started_at, 3),
            "settings": dict(self.plan.settings),
        }

    def request_stop(self, who: str) -> None:
        """Ends the lab soon; asked a second time, faster."""
        self._stopping.request(who)

    # ------------------------------------------------------------------------- asked through HTTP

    async def status(self, key: str | None = None) -> dict[str, Any]:
        """`lab status --json`, with what the nodes hold of a key if one is named."""
        looked_at = {} if key is None else {"key": await self._look_at_key(key)}
        await self.board.look()
        await self.tell_changes()
        return {
            "lab": self.plan.lab.id,
            "runtime": self.choice.name,
            "phase": self.phase,
            "pid": os.getpid(),
            "started_at": round(self.started_at, 3),
            **self.board.to_json(),
            "settings": dict(self.plan.settings),
            "client_verbs": list(self.plan.lab.client_verbs),
            "event_seq": self.feed.seq,
            **looked_at,
        }

    async def _look_at_key(self, key: str) -> dict[str, Any]:
        view = load_key_view(self.plan.lab)
        Operation("get", key).check()
        return await view.look(self.cluster, key)

    async def tell_changes(self) -> None:
        """Reads the nodes' events, and turns state changes that were noticed into lines."""
        await self.feed.refresh()
        for node, before, after in self.board.take_changes():
            if after is NodeState.DOWN and before is NodeState.UP and self.phase == "ready":
                how = visible(self.cluster.how_it_ended(node) or "nobody knows why")
                await self.feed.tell("down", f"{node} is down: {how}", node)
                self._record.died(node, f"{node} is down: {how}")

    async def events_after(self, seq: int, wait_s: float) -> list[FeedLine]:
        """Lines of the feed behind `seq`."""
        await self.tell_changes()
        lines = self.feed.after(seq)
        return lines if lines or wait_s <= 0 else await self.feed.wait_after(seq, wait_s)

    def last_event_seq(self) -> int:
        """The newest line's number."""
        return self.feed.seq

    def known_node(self, node: str) -> str:
        """The name itself. Raises LabError when no node is called so."""
        if node not in self.plan.node_ids:
            raise LabError(f"no node is called {node!r}; {nearest(node, self.plan.node_ids)}")
        return node

    def log_path(self, node: str) -> Path:
        """Where the node's log is."""
        return self.cluster.log_path(node)

    async def inject(self, fault: Mapping[str, Any]) -> dict[str, Any]:
        """Resolves names and injects; one fault at a time. Raises LabError, with nothing changed,
        when it cannot be."""
        self._must_be_ready()
        async with self._fault_lock:
            await self.board.look(fresh_s=0.05)
            await self.tell_changes()
            began_ms = self._record.now_ms()
            result = await self._desk.inject(fault, self.board.role_claims())
            self._record.fault(result, began_ms)
            # What the fault did to the nodes is said by its own line; but the death at a crash
            # point, however soon, is the node's own.
            if result["fault"]["do"] != CrashAt.kind:
                self.board.take_changes()
            self.board.forget()
        kind = "heal" if result["fault"]["do"] == "heal" else "fault"
        await self.feed.tell(kind, visible(str(result["sentence"])))
        if kind == "heal":
            result["lagging"] = list(await self._until_caught_up())
        return result

    async def _until_caught_up(self) -> tuple[str, ...]:
        """Nodes are up before they have heard what they missed: gives them time for it, and names
        those that it did not suffice for."""
        wait_s = CATCH_UP_WAIT_UNITS * self.plan.lab.wait_unit_ms(self.plan.settings) / 1000
        deadline = time.monotonic() + wait_s
        await self.board.look(fresh_s=0)
        then = self.board.views()
        while (lagging := self.board.lagging(then)) and time.monotonic() < deadline:
            await asyncio.sleep(READY_POLL_S)
            await self.board.look(fresh_s=0)
        return lagging

    async def operate(self, **fields: Any) -> dict[str, Any]:
        """Carries out a client operation that the lab offers."""
        self._must_be_ready()
        operation = Operation(**fields)
        verbs = self.plan.lab.client_verbs
        if operation.verb not in verbs:
            offered = f"it offers {', '.join(verbs)}" if verbs else "it offers none"
            raise LabError(f"the {self.plan.lab.id} lab has no `{operation.verb}`; {offered}")
        options = self.plan.lab.client_options
        for name in operation.options():
            if name not in options:
                has = ", ".join(f"--{one}" for one in options)
                offered = f"it has {has}" if has else "it has no options of its own"
                raise LabError(f"the {self.plan.lab.id} lab knows no --{name}; {offered}")
        operation.check()
        ended = self._record.invoked(operation)
        try:
            outcome = await self._client.run(operation)
        except LabError as refused:
            ended(Outcome(False, None, operation.node, 0, refused.message))
            raise
        ended(outcome)
        return outcome.to_json()

    def _must_be_ready(self) -> None:
        if self.phase != "ready":
            raise LabError(f"the lab is {self.phase}; try again when `lab status` says ready")


async def conduct(
    plan: Plan,
    choice: RuntimeChoice,
    folder: SessionFolder,
    make: Callable[[], ClusterFactory],
    front: Front,
) -> str:
    """Runs a lab with the session folder locked; returns who ended it. Raises LabError when it
    could not start, or when another one runs."""
    async with _locked(folder, front):
        for warning in plan.warnings:
            front.progress(f"warning: {warning}")
        front.progress(choice.sentence())
        return await Conductor(plan, choice, folder, make()).run(front)


@contextlib.asynccontextmanager
async def _locked(folder: SessionFolder, front: Front) -> AsyncIterator[None]:
    with folder.lock() as leftover:
        if leftover is not None:
            front.progress(leftover.sentence())
        yield
