"""A simulated node: order of effects, crashes between any two of them, timers, pauses, clocks."""

from __future__ import annotations

from typing import TypeVar

import pytest
from google.protobuf.message import Message

from nodes.cluster.api import Indeterminate, NodeState
from nodes.core import Caller, Core, Env, NodeId, Started, handles, on_timer
from nodes.sim.cluster import SimCluster, SimOptions, simulate
from tests.support import ping_pb2 as pb
from tests.support.ping_core import Ping
from tests.support.sim_bench import ping_spec

T = TypeVar("T")
SYNC = SimOptions(latency_ms=(1.0, 1.0), sync_ms=(5.0, 5.0))


class Hasty(Ping):
    """The bug that every protocol lab is about: it tells first and saves afterwards."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)

    @handles(pb.AddRequest)
    def add(self, request: pb.AddRequest, caller: Caller) -> pb.AddResponse | None:  # type: ignore[override]  # the bug returns no response
        self.total += request.amount
        self.respond(caller, pb.AddResponse(total=self.total))
        self.save("counter", pb.Counter(total=self.total))
        return None


async def ping_view(cluster: SimCluster, node: NodeId = "n1") -> pb.PingView:
    view = await cluster.view(node)
    assert isinstance(view, pb.PingView)
    return view


def add_and_crash(effects: int, seed: int, core: type[Core]) -> tuple[int, int, int]:
    """Adds 1, with a crash before the effect of this number; then restarts. Returns what the client
    was told, what was saved, and what was logged."""

    async def program(cluster: SimCluster) -> tuple[int, int, int]:
        cluster.crash_after("n1", effects)
        told = 0
        try:
            response = await cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=100)
            assert isinstance(response, pb.AddResponse)
            told = response.total
        except Indeterminate:
            pass
        if cluster.node_state("n1") == NodeState.UP:
            cluster.crash_now("n1")
        await cluster.start("n1")
        view = await ping_view(cluster)
        return told, view.total, view.logged_total

    return simulate(ping_spec(seed=seed), program, cores={"n1": core})


@pytest.mark.parametrize("effects", range(7))
def test_a_crash_between_any_two_effects_keeps_the_promise(effects: int) -> None:
    """A core that saves before it tells keeps its word wherever the crash falls, and its disk holds
    a prefix of what it ordered: the slot first, then the log."""
    for seed in range(20):
        told, saved, logged = add_and_crash(effects, seed, Ping)
        assert saved >= told
        assert (saved, logged) in {(0, 0), (1, 0), (1, 1)}


def test_every_crash_point_of_a_step_is_reached() -> None:
    """Over the crash points of one step all outcomes occur: nothing kept, half of it, all of it but
    nobody told, and all."""
    outcomes = {add_and_crash(effects, seed, Ping) for effects in range(7) for seed in range(20)}
    assert outcomes == {(0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)}


def test_told_but_not_saved_is_found() -> None:
    """A core that tells first loses what it told at one of the crash points."""
    outcomes = {add_and_crash(effects, seed, Hasty) for effects in range(4) for seed in range(20)}
    assert any(told > saved for told, saved, _ in outcomes)


def test_a_sync_delays_what_depends_on_it() -> None:
    """The response waits for the disk; so does the next event."""

    async def program(cluster: SimCluster) -> int:
        await cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=100)
        return cluster.now_ms()

    assert simulate(ping_spec(), program, options=SYNC) == 7


def test_a_crash_while_the_disk_is_busy() -> None:
    """What was not synced by then may be lost, and is never told."""

    async def program(cluster: SimCluster) -> int:
        call = cluster.loop.create_task(cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=100))
        await cluster.sleep(3)
        cluster.crash_now("n1")
        with pytest.raises(Indeterminate):
            await call
        await cluster.start("n1")
        return (await ping_view(cluster)).total

    totals = {simulate(ping_spec(seed=seed), program, options=SYNC) for seed in range(20)}
    assert totals == {0, 1}


# ------------------------------------------------------------------------------------------ timers


class Timers(Ping):
    """Adds slowly, and notes what happens in which order."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.order: list[str] = []

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        self.set_timer("late", 4)

    @handles(pb.AddRequest)
    def add(self, request: pb.AddRequest, _: Caller) -> pb.AddResponse:
        self.order.append(f"add {request.amount}")
        self.save("counter", pb.Counter(total=request.amount))
        self.respond(Caller("client", 0), pb.AddResponse())  # Waits for the disk, 5 ms.
        match request.amount:
            case 1:
                self.set_timer("flush", 0)
            case 2:
                self.cancel_timer("late")
            case 3:
                self.set_timer("late", 20)
        return pb.AddResponse()

    @on_timer("flush")
    def flush(self) -> None:
        self.order.append("flush")

    @on_timer("late")
    def late(self) -> None:
        self.order.append(f"late at {self.now.mono_ms}")


def order_of(amounts: tuple[int, ...]) -> list[str]:
    """What happens when these are added at once."""

    async def program(cluster: SimCluster) -> list[str]:
        for amount in amounts:
            cluster.network.call("client", "n1", pb.AddRequest(amount=amount), 100, ignore)
        await cluster.sleep(100)
        core = cluster._nodes["n1"].core
        assert isinstance(core, Timers)
        return core.order

    return simulate(ping_spec(1), program, options=SYNC, cores={"n1": Timers})


def ignore(response: Message | None, reason: str) -> None:
    """A caller that does not care."""


def test_a_timer_of_0_ms_fires_after_what_waits() -> None:
    """Events that wait already come first: that is what makes batching work."""
    order = order_of((1, 5, 6))
    assert order.index("flush") > order.index("add 6")


def test_a_timer_that_waits_can_still_be_cancelled() -> None:
    """It ran out while the node was busy; the step that was under way cancels it."""
    assert order_of((2,)) == ["add 2"]


def test_a_timer_that_waits_can_still_be_set_anew() -> None:
    """Then it fires at its new time, once."""
    assert order_of((3,)) == ["add 3", "late at 26"]


def test_a_timer_does_not_survive_a_crash() -> None:
    """Timers are volatile."""

    async def program(cluster: SimCluster) -> int:
        cluster.network.call("client", "n1", pb.WaitRequest(delay_ms=20), 1000, ignore)
        await cluster.sleep(10)
        cluster.crash_now("n1")
        await cluster.start("n1")
        steps = cluster.steps
        await cluster.sleep(100)
        return cluster.steps - steps

    assert simulate(ping_spec(), program) == 0


# ------------------------------------------------------------------------- crash, pause, clocks


def test_a_response_to_an_earlier_life_is_not_delivered() -> None:
    """A restarted node knows nothing of the calls it made before."""

    async def program(cluster: SimCluster) -> int:
        relay = pb.RelayRequest(peer="n2", text="x")
        cluster.network.call("client", "n1", relay, 1000, ignore)
        await cluster.sleep(2)  # n1 has called n2.
        cluster.crash_now("n1")
        await cluster.start("n1")
        steps = cluster._nodes["n1"].steps
        await cluster.sleep(100)
        return cluster._nodes["n1"].steps - steps

    assert simulate(ping_spec(), program, options=SYNC) == 0


def test_a_paused_node_does_nothing_and_forgets_nothing() -> None:
    """Requests wait in the kernel; on resume the node goes on as if nothing had happened."""

    async def program(cluster: SimCluster) -> tuple[bool, int, int]:
        await cluster.pause("n1")
        call = cluster.loop.create_task(
            cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=1000)
        )
        await cluster.sleep(500)
        silent = not call.done() and await cluster.view("n1") is None
        await cluster.resume("n1")
        await call
        return silent, cluster.now_ms(), (await ping_view(cluster)).total

    assert simulate(ping_spec(), program, options=SYNC) == (True, 506, 1)


def test_a_pause_may_fall_into_a_write() -> None:
    """The step goes on after the pause where it was."""

    async def program(cluster: SimCluster) -> tuple[bool, int]:
        call = cluster.loop.create_task(
            cluster.call("n1", pb.AddRequest(amount=1), timeout_ms=1000)
        )
        await cluster.sleep(3)  # The disk is busy until 6 ms.
        await cluster.pause("n1")
        await cluster.sleep(100)
        was_done = call.done()
        await cluster.resume("n1")
        await call
        return was_done, cluster.now_ms()

    assert simulate(ping_spec(), program, options=SYNC) == (False, 104)


def test_timers_of_a_paused_node_fire_when_it_resumes() -> None:
    """Late, and not in bulk before."""

    async def program(cluster: SimCluster) -> int:
        call = cluster.loop.create_task(
            cluster.call("n1", pb.WaitRequest(delay_ms=20), timeout_ms=1000)
        )
        await cluster.sleep(10)
        await cluster.pause("n1")
        await cluster.sleep(190)
        await cluster.resume("n1")
        await call
        return cluster.now_ms()

    assert simulate(ping_spec(), program, options=SYNC) == 201


def test_a_killed_paused_node_is_dead() -> None:
    """SIGKILL does not wait for SIGCONT."""

    async def program(cluster: SimCluster) -> int:
        await cluster.pause("n1")
        cluster.network.call("client", "n1", pb.AddRequest(amount=1), 1000, ignore)
        await cluster.sleep(10)
        await cluster.kill("n1")
        await cluster.start("n1")
        await cluster.sleep(10)
        return (await ping_view(cluster)).total

    assert simulate(ping_spec(), program) == 0


async def _wall_ms(cluster: SimCluster) -> int:
    await cluster.call("n1", pb.EchoRequest(), timeout_ms=100)
    return (await ping_view(cluster)).wall_ms


def test_a_skewed_clock_is_off_by_its_offset() -> None:
    """Only the wall clock of that node; the monotonic one goes on as before."""

    async def program(cluster: SimCluster) -> tuple[int, int]:
        before_ms, began_ms = await _wall_ms(cluster), cluster.now_ms()
        await cluster.set_clock("n1", offset_ms=-3_600_000, rate=1.0)
        after_ms = await _wall_ms(cluster)
        return after_ms - before_ms, cluster.now_ms() - began_ms

    changed_ms, passed_ms = simulate(ping_spec(), program)
    assert changed_ms + 3_600_000 == pytest.approx(passed_ms, abs=2)


def test_a_drifting_clock_drifts() -> None:
    """At twice the rate, ten seconds become twenty."""

    async def program(cluster: SimCluster) -> int:
        before_ms = await _wall_ms(cluster)
        await cluster.set_clock("n1", offset_ms=0, rate=2.0)
        await cluster.sleep(10_000)
        return await _wall_ms(cluster) - before_ms

    assert simulate(ping_spec(), program) == pytest.approx(20_000, abs=10)


# ---------------------------------------------------------------------------------------- amnesia


class Remembers(Ping):
    """Saves that it was told of amnesia."""

    def on_start(self, started: Started) -> None:
        super().on_start(started)
        self.amnesia = started.amnesia
        self.save("counter", pb.Counter(total=1))


def test_a_wiped_node_hears_of_it_until_something_is_durable() -> None:
    """A crash in its very first step must not make it forget that it forgot."""

    async def program(cluster: SimCluster) -> list[bool]:
        heard = []
        node = cluster._nodes["n1"]

        def amnesia() -> bool:
            assert isinstance(node.core, Remembers)
            return node.core.amnesia

        cluster.crash_now("n1")
        await cluster.wipe("n1")
        cluster.crash_after("n1", 0)
        await cluster.start("n1")
        assert cluster.node_state("n1") == NodeState.DOWN
        for _ in range(2):
            await cluster.start("n1")
            heard.append(amnesia())
            cluster.crash_now("n1")
        return heard

    assert simulate(ping_spec(), program, cores={"n1": Remembers}) == [True, False]


def test_a_new_process_has_a_true_clock_and_true_calls() -> None:
    """A node that was down when its clock and calls were healed is not hurt when it comes back."""

    async def program(cluster: SimCluster) -> None:
        await cluster.faults.skew("n1", offset_ms=-3_600_000)
        await cluster.faults.lose(100, "n1")
        await cluster.faults.kill("n1")
        await cluster.faults.heal()
        assert cluster._nodes["n1"].clock == (0, 0.0, 1.0)
        assert not cluster.network.rpc_faults.get("n1")

    simulate(ping_spec(), program)
