"""Every place of a run at which a crash can fall is visited, and what goes wrong there is found."""

from __future__ import annotations

import pytest

from labs.kit.crash_matrix import CrashRun, NoCrash, boundaries
from nodes.cluster.api import Indeterminate
from nodes.core import Caller, Core, CrashPoint, Respond, SaveAll, handles
from nodes.sim.cluster import SimCluster, SimOptions
from tests.support import ping_pb2 as pb
from tests.support.ping_core import Ping
from tests.support.sim_bench import ping_spec


class HalfSaved(Ping):
    """Saves the two accounts one after the other."""

    @handles(pb.TransferRequest)
    def transfer(self, request: pb.TransferRequest, caller: Caller) -> None:
        super().transfer(request, caller)
        effects = list(self._effects)
        self._effects.clear()
        for effect in effects:
            if isinstance(effect, SaveAll):
                self._effects.extend(effect.saves)
            else:
                self._effects.append(effect)


class ToldFirst(Ping):
    """Answers, and saves afterwards."""

    @handles(pb.TransferRequest)
    def transfer(self, request: pb.TransferRequest, caller: Caller) -> None:
        super().transfer(request, caller)
        self._effects.sort(key=lambda effect: not isinstance(effect, Respond))


async def transfers(cluster: SimCluster) -> tuple[int, int]:
    """Two transfers; returns how many the client was told of, and how many there are. Money must
    neither come nor go."""
    told = 0
    for _ in range(2):
        try:
            move = pb.TransferRequest(source="a", target="b", amount=30)
            await cluster.call("n1", move, timeout_ms=100)
            told += 1
        except Indeterminate:
            pass
        await cluster.sleep(100)
    slots = cluster.disk("n1").load(amnesia=False).slots
    balances = [one.balance for one in slots.values() if isinstance(one, pb.Account)]
    assert sum(balances) == 0, f"balances are {balances}"
    return told, max(balances, default=0) // 30


def matrix(
    core: type[Core] = Ping, options: SimOptions | None = None
) -> list[CrashRun[tuple[int, int]]]:
    spec = ping_spec(1)
    runs = boundaries(spec, transfers, restart_after_ms=20, cores={"n1": core}, options=options)
    return list(runs)


def outcomes(runs: list[CrashRun[tuple[int, int]]]) -> set[tuple[int, int]]:
    return {run.result for run in runs if run.result is not None}


@pytest.mark.parametrize("options", [SimOptions(), SimOptions(sync_ms=(5.0, 5.0))])
def test_every_place_is_visited(options: SimOptions) -> None:
    """Before each effect, before and after the sync that an answer waits for, in each step; and
    where something was not synced, once with it and once without."""
    runs = matrix(options=options)
    assert [run.failure for run in runs] == [None] * len(runs)
    seen = [(type(run.before), run.unsynced_kept) for run in runs]
    one_transfer = [
        (CrashPoint, False),  # decided
        (SaveAll, False),
        (CrashPoint, False),  # saved, not synced: lost
        (CrashPoint, True),
        (Respond, False),
        (Respond, True),
        (Respond, False),  # synced
        (CrashPoint, False),  # answered
    ]
    assert seen == one_transfer * 2
    assert [run.place for run in runs] == [0, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10, 11]
    assert all(run.crashed_ms < 300 for run in runs)
    assert runs[2].where == (
        "n1 at place 2, before the crash point transfer-saved; what was not synced is lost"
    )
    assert outcomes(runs) == {(1, 1), (1, 2), (2, 2)}


def test_what_is_half_saved_is_found() -> None:
    """Exactly where the first of two accounts was kept and the second was not ordered yet."""
    wrong = [run for run in matrix(HalfSaved) if run.failure is not None]
    assert [run.where for run in wrong] == [
        "n1 at place 2, before saving accounts/b; what was not synced is kept",
        "n1 at place 9, before saving accounts/b; what was not synced is kept",
    ]
    assert "balances are" in str(wrong[0].failure)


def test_what_was_told_and_not_saved_is_found() -> None:
    """Also where the write was the last effect of its step, and only its sync was still to come."""
    runs = matrix(ToldFirst)
    lost = [run for run in runs if run.result is not None and run.result[0] > run.result[1]]
    assert {run.before is None for run in lost} == {True, False}
    assert not any(run.unsynced_kept for run in lost if run.before is None)


def test_only_the_nodes_that_are_named_crash() -> None:
    """And a node that never steps has no place to crash at."""
    runs = boundaries(ping_spec(2), transfers, nodes=["n2"], restart_after_ms=20)
    assert list(runs) == []


def test_a_run_that_fails_by_itself_raises() -> None:
    """Without a crash there must be nothing to find."""

    async def fails(cluster: SimCluster) -> None:
        raise ValueError("on its own")

    with pytest.raises(ValueError, match="on its own"):
        list(boundaries(ping_spec(1), fails, restart_after_ms=20))


def test_a_run_that_does_not_repeat_is_told() -> None:
    """A program that does something else the second time proves nothing."""
    times = 0

    async def fickle(cluster: SimCluster) -> None:
        nonlocal times
        times += 1
        if times == 1:
            await transfers(cluster)

    with pytest.raises(NoCrash, match="n1 did not come to place 0"):
        list(boundaries(ping_spec(1), fickle, restart_after_ms=20))
