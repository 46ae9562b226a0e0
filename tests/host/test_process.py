"""A host steps one event at a time and keeps the order of effects: durable first, then outward."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from nodes.core import (
    Append,
    Call,
    Caller,
    Core,
    DurableEffect,
    Env,
    Event,
    NodeId,
    Responded,
    Save,
    SaveAll,
    Started,
    handles,
    on_response,
    on_timer,
)
from nodes.host import process
from nodes.host.causality import Causality
from nodes.host.clock import SkewedClock
from nodes.host.crash_points import CrashPoints
from nodes.host.peers import Deliver
from nodes.host.process import CoreFailed, Host, Stopped
from nodes.host.recorder import Recorder
from nodes.host.rpc import methods_of
from nodes.host.storage import StorageFailed
from protos import node_pb2
from tests.support import ping_pb2 as pb

METHODS = methods_of((pb,))
Script = Callable[["Scripted", pb.EchoRequest, Caller], None]


class Scripted(Core):
    """Does what the text of an echo request says, by a table."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        super().__init__(Env("n1", ("n2",), Random(0), {}))
        self.scripts = scripts
        self.seen: list[str] = []

    @handles(pb.EchoRequest)
    def echo(self, request: pb.EchoRequest, caller: Caller) -> None:
        self.seen.append(request.text)
        script = self.scripts.get(request.text)
        if script is not None:
            script(self, request, caller)

    @on_timer("a")
    def timer_a(self) -> None:
        self.seen.append("timer a")

    @on_timer("batch")
    def timer_batch(self) -> None:
        self.seen.append("timer batch")
        self.save("batch", pb.Counter(total=1))

    @on_timer("again")
    def timer_again(self) -> None:
        self.seen.append("again")
        self.set_timer("again", 0)

    @on_response(pb.EchoRequest, pb.EchoResponse)
    def responded(self, peer: NodeId, _: pb.EchoRequest, response: pb.EchoResponse) -> None:
        self.seen.append(f"{peer}: {response.text}")

    def on_call_failed(self, call: Call, reason: str) -> None:
        self.seen.append(f"{call.peer} failed: {reason}")

    def view(self) -> pb.PingView:
        return pb.PingView()


class Disk:
    """A disk whose commits wait until the test lets them go on."""

    unsynced_bytes = 0

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.gate = threading.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.failure: Exception | None = None
        self.on_commit: Callable[[], None] = lambda: None

    def commit(self, effects: Sequence[DurableEffect]) -> None:
        self.loop.call_soon_threadsafe(self.entered.set)
        self.on_commit()
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        self.journal.append("commit " + "+".join(map(_name, effects)))

    def sync(self) -> None:
        self.journal.append("sync")
        self.unsynced_bytes = 0

    def size_bytes(self) -> int:
        return 0


def _name(effect: DurableEffect) -> str:
    if isinstance(effect, SaveAll):
        return "&".join(save.slot for save in effect.saves)
    return effect.slot if isinstance(effect, Save) else effect.log


class Wire:
    """A network that writes down what is sent."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.sent: list[tuple[Call, Deliver]] = []

    def send(self, call: Call, deliver: Deliver) -> None:
        if call.peer != "n2":
            raise LookupError(f"{call.peer!r} is no peer of this node")
        assert isinstance(call.request, pb.EchoRequest)
        self.journal.append(f"send {call.request.text}")
        self.sent.append((call, deliver))


class Bench:
    """A host with a scripted core, disk and wire; `journal` has what left it, in order."""

    def __init__(self, scripts: dict[str, Script], inline_commit_ms_max: float = 0) -> None:
        self.journal: list[str] = []
        self.core = Scripted(scripts)
        self.disk = Disk(self.journal)
        self.wire = Wire(self.journal)
        recorder = Recorder("n1", None, began_ms=0)
        self.host = Host(
            self.core,
            storage=self.disk,
            transport=self.wire,
            clock=SkewedClock(),
            causality=Causality("n1", recorder, boot=0),
            inline_commit_ms_max=inline_commit_ms_max,
            die=self.die,
        )
        self.running: asyncio.Task[None] | None = None

    async def die(self, point: str) -> None:
        """Instead of the process."""
        self.journal.append(f"dies at {point}")

    def ask(self, text: str) -> asyncio.Future[Any]:
        request = pb.EchoRequest(text=text)
        _, answered = self.host.submit("client", METHODS[pb.EchoRequest], request, text)
        answered.add_done_callback(self._note_answer(text))
        return answered

    def _note_answer(self, text: str) -> Callable[[asyncio.Future[Any]], None]:
        def note(answered: asyncio.Future[Any]) -> None:
            if answered.exception() is None:
                self.journal.append(f"answer {text}")

        return note

    async def quiet(self) -> None:
        """Everything that waits has been stepped and carried out."""
        async with asyncio.timeout(10):
            while True:
                steps = self.host.steps
                for _ in range(10):
                    await asyncio.sleep(0)
                if self.host.steps == steps and not self.host.inbox_length:
                    return


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  # real timers run, and nobody signals their end
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def bench(
    scripts: dict[str, Script], inline_commit_ms_max: float = 0
) -> AsyncIterator[Bench]:
    made = Bench(scripts, inline_commit_ms_max)
    made.running = asyncio.create_task(made.host.run(Started()))
    await made.host.recovered.wait()
    try:
        yield made
    finally:
        made.disk.gate.set()
        made.host.stop()
        await asyncio.gather(made.running, return_exceptions=True)


def save_between_sends(core: Scripted, _: pb.EchoRequest, caller: Caller) -> None:
    core.call("n2", pb.EchoRequest(text="before"), timeout_ms=100)
    core.save("slot", pb.Counter(total=1))
    core.call("n2", pb.EchoRequest(text="after"), timeout_ms=100)
    core.respond(caller, pb.EchoResponse(text="done"))


def send_only(core: Scripted, request: pb.EchoRequest, caller: Caller) -> None:
    core.call("n2", pb.EchoRequest(text=f"from {request.text}"), timeout_ms=100)
    core.respond(caller, pb.EchoResponse())


async def test_nothing_behind_a_durable_effect_leaves_before_the_commit() -> None:
    """What comes before the first durable effect travels while the disk works; the rest waits."""
    async with bench({"order": save_between_sends}) as made:
        made.disk.gate.clear()
        answered = made.ask("order")
        await made.disk.entered.wait()
        await asyncio.sleep(0.02)
        assert made.journal == ["send before"]
        made.disk.gate.set()
        await answered
        assert made.journal == ["send before", "commit slot", "send after", "answer order"]


async def test_a_quick_commit_runs_on_the_loop_and_a_slow_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the disk is quick no thread is asked; after slow commits, or for a large slot, one
    is, until the disk is quick again. What was sent before the commit leaves before it begins."""

    def save(core: Scripted, request: pb.EchoRequest, caller: Caller) -> None:
        core.call("n2", pb.EchoRequest(text="before"), timeout_ms=100)
        core.save("slot", pb.EchoRequest(text=request.text))
        core.respond(caller, pb.EchoResponse())

    now_s, took_s = 0.0, 0.001
    inline = list[bool]()
    loop_thread = threading.get_ident()

    def on_commit() -> None:
        nonlocal now_s
        now_s += took_s
        inline.append(threading.get_ident() == loop_thread)

    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: now_s))
    large = "x" * (process.INLINE_SLOT_BYTES_MAX + 1)
    async with bench({"small": save, large: save}, inline_commit_ms_max=3) as made:
        made.disk.on_commit = on_commit
        for text in ("small", large, "small"):
            await made.ask(text)
        took_s = 0.050
        await made.ask("small")  # nobody could know
        took_s = 0.001
        await made.ask("small")
        assert inline == [True, False, True, True, False]
        for _ in range(20):
            await made.ask("small")
        assert inline[-1:] == [True]
        await asyncio.gather(made.ask("small"), made.ask("small"))
        assert inline[-1:] == [False], "a busy node lets the next batch gather meanwhile"
        assert made.journal[:2] == ["send before", "commit slot"]


async def test_one_commit_serves_all_that_waited() -> None:
    """Events that wait together share one transaction, and what they send keeps its order."""
    async with bench({"order": save_between_sends, "send": send_only}) as made:
        answers = [made.ask("send"), made.ask("order"), made.ask("send"), made.ask("order")]
        await asyncio.gather(*answers)
        assert made.host.commits == 1
        assert [entry for entry in made.journal if not entry.startswith("answer")] == [
            "send from send",
            "send before",
            "commit slot+slot",
            # Behind the first durable effect of the batch nothing overtakes the commit.
            "send after",
            "send from send",
            "send before",
            "send after",
        ]


async def test_what_comes_in_during_a_commit_waits_for_its_end() -> None:
    """The next batch begins only after the commit, and is one batch again."""
    async with bench({"order": save_between_sends}) as made:
        made.disk.gate.clear()
        first = made.ask("order")
        await made.disk.entered.wait()
        rest = [made.ask("order") for _ in range(5)]
        await asyncio.sleep(0.02)
        assert made.core.seen == ["order"]
        made.disk.gate.set()
        await asyncio.gather(first, *rest)
        assert made.host.commits == 2


async def test_a_timer_of_zero_fires_behind_what_waits_and_in_the_same_batch() -> None:
    """So a core can gather what waits into one append, at the cost of no extra commit."""

    def gather(core: Scripted, _: pb.EchoRequest, caller: Caller) -> None:
        core.save("each", pb.Counter())
        core.set_timer("batch", 0)
        core.respond(caller, pb.EchoResponse())

    async with bench({"gather": gather}) as made:
        await asyncio.gather(*[made.ask("gather") for _ in range(3)])
        assert made.core.seen == ["gather"] * 3 + ["timer batch"]
        assert made.journal[0] == "commit each+each+each+batch"


async def test_a_timer_replaced_or_cancelled_while_it_waits_does_not_fire() -> None:
    """A TimerFired in the inbox counts no more once its timer was set again or cancelled."""
    scripts: dict[str, Script] = {
        "set": lambda core, *_: core.set_timer("a", 0),
        "cancel": lambda core, *_: core.cancel_timer("a"),
        "replace": lambda core, *_: core.set_timer("a", 60_000),
    }
    async with bench(scripts) as made:
        for order in ("cancel", "replace"):
            made.core.seen.clear()
            made.ask("set")
            made.ask(order)
            await made.quiet()
            assert made.core.seen == ["set", order]


async def test_a_timer_that_runs_out_during_a_commit_can_still_be_cancelled() -> None:
    """The delay ends while the disk works; an event that came earlier cancels it all the same."""

    def save(core: Scripted, *_: object) -> None:
        core.save("slot", pb.Counter())

    scripts: dict[str, Script] = {
        "set": lambda core, *_: core.set_timer("a", 50),
        "save": save,
        "cancel": lambda core, *_: core.cancel_timer("a"),
    }
    async with bench(scripts) as made:
        made.disk.gate.clear()
        made.ask("set")
        made.ask("save")
        await made.disk.entered.wait()
        made.ask("cancel")
        await until(lambda: made.host.inbox_length == 2)  # the request, behind it the timer
        made.disk.gate.set()
        await made.quiet()
        assert made.core.seen == ["set", "save", "cancel"]


async def test_a_timer_fires_once_after_its_delay() -> None:
    """Set with a delay, it fires once."""
    async with bench({"set": lambda core, *_: core.set_timer("a", 20)}) as made:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        made.ask("set")
        await until(lambda: "timer a" in made.core.seen)
        assert loop.time() - began_s >= 0.019
        await asyncio.sleep(0.05)
        assert made.core.seen == ["set", "timer a"]


async def test_a_core_that_is_never_idle_starves_nobody() -> None:
    """Zero timers without end leave room for requests and for the rest of the loop."""

    def busy(core: Scripted, *_: object) -> None:
        core.set_timer("again", 0)

    async with bench({"busy": busy, "send": send_only}) as made:
        made.ask("busy")
        async with asyncio.timeout(10):
            await made.ask("send")
        made.host.stop()


async def test_a_core_that_raises_ends_the_host_with_nothing_sent() -> None:
    """The step at hand is not half done: what it had ordered stays in, and callers are told."""

    def half(core: Scripted, *_: object) -> None:
        core.save("slot", pb.Counter())
        core.call("n2", pb.EchoRequest(text="half"), timeout_ms=100)
        raise KeyError("oops\x1b[2J")

    async with bench({"half": half}) as made:
        answered = made.ask("half")
        assert made.running is not None
        with pytest.raises(CoreFailed) as failure:
            await made.running
        with pytest.raises(Stopped):
            await answered
        assert made.journal == []
        line = str(failure.value)
        assert line.startswith("n1: Scripted raised KeyError(")
        assert "test_process.py:" in line
        assert "EchoRequest from client" in line
        assert line.isprintable()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (lambda core, *_: core.call("n9", pb.EchoRequest(), timeout_ms=1), "'n9' is no peer"),
        (lambda core, _, caller: core.respond(caller, pb.Counter()), "Echo with faultlab.ping.C"),
        (lambda core, *_: core._effects.append("nonsense"), "ordered 'nonsense': no effect"),
    ],
)
async def test_orders_that_make_no_sense_end_the_host(script: Script, message: str) -> None:
    """A bug of the core is named, never skipped."""
    async with bench({"bad": script}) as made:
        made.ask("bad").add_done_callback(lambda answered: answered.exception())
        assert made.running is not None
        with pytest.raises(CoreFailed, match=message):
            await made.running


async def test_a_hole_in_a_log_is_the_cores_bug() -> None:
    """A ValueError of the disk is blamed on the core."""

    def hole(core: Scripted, *_: object) -> None:
        core.append("log", 7, [pb.Added()])

    async with bench({"hole": hole}) as made:
        made.disk.failure = ValueError("append at 7 to log 'log', whose end is 1")
        made.ask("hole").add_done_callback(lambda answered: answered.exception())
        assert made.running is not None
        with pytest.raises(CoreFailed, match="Scripted ordered an append at 7"):
            await made.running


async def test_a_failing_disk_ends_the_host_before_anything_is_said() -> None:
    """No response goes out for what is not durable, and the commit is not tried again."""
    async with bench({"order": save_between_sends}) as made:
        made.disk.failure = StorageFailed("n1: disk full")
        answered = made.ask("order")
        assert made.running is not None
        with pytest.raises(StorageFailed):
            await made.running
        with pytest.raises(Stopped):
            await answered
        assert made.journal == ["send before"]


async def test_a_caller_that_left_is_no_trouble() -> None:
    """A response to a caller that gave up is dropped."""
    async with bench({"send": send_only}) as made:
        caller, answered = made.host.submit(
            "client", METHODS[pb.EchoRequest], pb.EchoRequest(text="send"), "m"
        )
        made.host.abandon(caller)
        answered.cancel()
        await made.quiet()
        assert made.journal == ["send from send"]


async def test_outcomes_of_calls_come_back_as_events() -> None:
    """A response and a failure reach the core with the call they belong to."""
    async with bench({"send": send_only}) as made:
        await made.ask("send")
        call, deliver = made.wire.sent[0]
        event: Event = Responded(call, pb.EchoResponse(text="yes"))
        assert isinstance(event, Responded)
        deliver(event)
        await made.quiet()
        assert made.core.seen[-1] == "n2: yes"


async def test_stopping_tells_those_who_wait() -> None:
    """A request without a response ends in Stopped, and a later one at once."""
    async with bench({}) as made:
        waiting = made.ask("silence")
        await made.quiet()
        made.host.stop()
        with pytest.raises(Stopped):
            await waiting
        with pytest.raises(Stopped):
            await made.ask("late")


async def test_what_is_unsynced_is_synced_at_the_stop() -> None:
    """With fsync off, a stop in good order leaves nothing that a power cut could take."""
    async with bench({"order": save_between_sends}) as made:
        made.disk.unsynced_bytes = 1
        await made.ask("order")
        made.host.stop()
        assert made.running is not None
        await made.running
        assert made.journal[-1] == "sync"


def test_append_is_named_in_the_journal() -> None:
    """The double above tells logs from slots."""
    assert _name(Append("log", 1, ())) == "log"


# ------------------------------------------------------------------------------------ crash points


def crash_between(core: Scripted, _: pb.EchoRequest, caller: Caller) -> None:
    core.call("n2", pb.EchoRequest(text="before"), timeout_ms=100)
    core.save_all({"a": pb.Counter(total=1), "b": pb.Counter(total=2)})
    core.call("n2", pb.EchoRequest(text="between"), timeout_ms=100)
    core.crash_point("decided")
    core.save("after", pb.Counter(total=3))
    core.respond(caller, pb.EchoResponse(text="late"))


ALL_OF_IT = ["send before", "commit a&b+after", "send between", "answer x"]


@pytest.mark.parametrize("inline_commit_ms_max", [0.0, 1e9])
async def test_a_node_dies_exactly_at_its_crash_point(inline_commit_ms_max: float) -> None:
    """What came before it is durable and has left, nothing behind it is done, and no event that
    waits is stepped any more."""
    async with bench({"x": crash_between}, inline_commit_ms_max) as made:
        made.host.crash_points.replace([node_pb2.CrashPoint(name="decided")])
        answers = [made.ask("x"), made.ask("x")]
        assert made.running is not None
        await made.running
        assert made.journal == ["send before", "commit a&b", "send between", "dies at decided"]
        for answer in answers:
            with pytest.raises(Stopped):
                await answer


async def test_a_point_that_is_not_armed_is_passed() -> None:
    """Nothing happens there; nor at one of another name."""
    async with bench({"x": crash_between}) as made:
        made.host.crash_points.replace([node_pb2.CrashPoint(name="other")])
        await made.ask("x")
        await made.quiet()
        assert made.journal == ALL_OF_IT
        assert made.host.crash_points.armed == (node_pb2.CrashPoint(name="other"),)


async def test_passes_are_let_go_first() -> None:
    """As many as were asked for; what is left of them can be seen."""
    async with bench({"x": crash_between}) as made:
        made.host.crash_points.replace([node_pb2.CrashPoint(name="decided", after=2)])
        for left in (1, 0):
            await made.ask("x")
            seen = node_pb2.CrashPoint(name="decided", after=left, passed=2 - left)
            assert made.host.crash_points.armed == (seen,)
        made.ask("x")
        assert made.running is not None
        await made.running
        assert made.journal[-1] == "dies at decided"
        assert made.journal.count("answer x") == 2


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([node_pb2.CrashPoint()], "no usable name"),
        ([node_pb2.CrashPoint(name="x" * 65)], "no usable name"),
        ([node_pb2.CrashPoint(name="x"), node_pb2.CrashPoint(name="x")], "x is named twice"),
        ([node_pb2.CrashPoint(name="x", after=2_000_000)], "more than 1,000,000 passes"),
        ([node_pb2.CrashPoint(name=f"x{n}") for n in range(101)], "101 crash points"),
    ],
)
def test_crash_points_that_make_no_sense(points: list[node_pb2.CrashPoint], said: str) -> None:
    """Are refused, and those that were armed stay."""
    armed = CrashPoints({"kept": 1})
    with pytest.raises(ValueError, match=said):
        armed.replace(points)
    assert [point.name for point in armed.armed] == ["kept"]
