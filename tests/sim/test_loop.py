"""Virtual time."""

from __future__ import annotations

import asyncio
import time

import pytest

from nodes.sim.loop import Deadlock, run_virtual


def test_time_jumps() -> None:
    """A day of sleeping costs no time; the clock shows the day."""

    async def main() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began_s = time.monotonic()
    assert run_virtual(main) == pytest.approx(86_400)
    assert time.monotonic() - began_s < 60


def test_time_stands_still_while_work_is_ready() -> None:
    """Only when everything that is ready has run does the clock move."""

    async def main() -> set[float]:
        loop, seen = asyncio.get_running_loop(), set()
        asleep = asyncio.create_task(asyncio.sleep(1))
        for _ in range(100):
            await asyncio.sleep(0)
            seen.add(loop.time())
        await asleep
        return seen

    assert run_virtual(main) == {0.0}


def test_timers_fire_in_order_of_time() -> None:
    """However they were set."""

    async def main() -> list[int]:
        loop, fired = asyncio.get_running_loop(), list[int]()
        for delay in (30, 10, 20, 0, 40):
            loop.call_later(delay / 1000, fired.append, delay)
        await asyncio.sleep(1)
        return fired

    assert run_virtual(main) == [0, 10, 20, 30, 40]


def test_what_is_ready_runs_in_the_order_in_which_it_became_so() -> None:
    """First come, first served."""

    async def main() -> list[int]:
        loop, ran = asyncio.get_running_loop(), list[int]()
        for number in range(5):
            loop.call_soon(ran.append, number)
        await asyncio.sleep(0)
        return ran

    assert run_virtual(main) == [0, 1, 2, 3, 4]


def test_a_timeout_is_virtual_too() -> None:
    """asyncio's own timeouts work in virtual time."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(10)
        return asyncio.get_running_loop().time()

    assert run_virtual(main) == pytest.approx(5)


def test_a_deadlock_is_an_error() -> None:
    """A program that waits for what can never happen is told so, instead of hanging."""

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match="nothing is scheduled"):
        run_virtual(main)


def test_a_cancelled_timer_does_not_move_the_clock_for_good() -> None:
    """A deadline that was cancelled leaves later times as they are."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(3600, print).cancel()
        await asyncio.sleep(1)
        return loop.time()

    assert run_virtual(main) == pytest.approx(1)
