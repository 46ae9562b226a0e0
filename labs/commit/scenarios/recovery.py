"""Crashes of the coordinator, what it presumes, and when it may forget (Mohan and others, 1986)."""

from __future__ import annotations

from labs.commit.scenarios.desk import Desk
from labs.kit.check import expect, require
from nodes.cluster.api import Cluster
from nodes.core import NodeId
from protos import commit_pb2 as pb


async def decided_with_one_uninformed(desk: Desk) -> NodeId:
    """Leaves a transaction that is committed, and one participant in doubt that the coordinator
    cannot tell; returns who that is."""
    *_, last = desk.participants
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    asked = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(last)
    # Its vote is under way; nothing reaches it from now on.
    await desk.cluster.faults.cut(desk.coordinator, last, one_way=True)
    one = await asked
    desk.expect_outcome(one, pb.COMMITTED, "everyone voted yes")
    await desk.cluster.sleep(desk.setting("retry_ms") // 6)  # What was told by now is lost.
    require(await desk.in_doubt(last), f"{last} heard of it all the same")
    return last


async def what_was_decided_is_told_after_a_crash(cluster: Cluster) -> None:
    """A coordinator that crashes after it decided to commit tells those that have not heard, when
    it is back."""
    desk = Desk(cluster)
    uninformed = await decided_with_one_uninformed(desk)
    await cluster.faults.power_cut(desk.coordinator)
    await desk.heal()
    await desk.until_free("its coordinator is back, and had decided", 2, uninformed)
    await desk.balance()


async def what_was_not_decided_is_aborted(cluster: Cluster) -> None:
    """A coordinator that crashes before it has decided aborts, when it is back."""
    desk = Desk(cluster)
    *_, last = desk.participants
    for _ in range(2):
        await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
        asked = desk.ask(desk.coordinator, desk.round_trip())
        await desk.until_in_doubt(*desk.participants)
        await cluster.faults.power_cut(desk.coordinator)
        await asked
        await desk.heal()
        await desk.until_free(
            "their coordinator is back, and had not decided", 2, *desk.participants
        )
        found = await desk.amount(desk.account(last))
        expect(
            found == desk.opening[desk.account(last)],
            "nothing was decided before the crash, so nothing has changed",
            f"{desk.account(last)} is {found}",
        )
        await desk.rest()
    await desk.balance()


async def forced(desk: Desk) -> dict[NodeId, int]:
    """How often each node has forced something to disk."""
    return {node: (await desk.view(node)).forced_writes for node in desk.cluster.nodes}


async def a_presumed_abort_is_not_written_down(cluster: Cluster) -> None:
    """With presumed abort, a commit is forced to disk once at the coordinator and twice at each
    participant, and an abort costs nobody but those that had voted yes a write, and nobody is
    waited for."""
    desk = Desk(cluster)
    *others, last = desk.participants
    before = await forced(desk)
    await desk.committed(desk.coordinator, desk.round_trip())
    await desk.rest()
    spent = {node: count - before[node] for node, count in (await forced(desk)).items()}
    wanted = {desk.coordinator: 1} | dict.fromkeys(desk.participants, 2)
    expect(spent == wanted, f"a commit forces {shown(wanted)} writes", shown(spent))
    # The last one says no, and late, so that all others have voted yes.
    await desk.slow(last, desk.setting("vote_timeout_ms") // 4)
    before = await forced(desk)
    too_much = desk.opening[desk.account(last)] + 100
    one = await desk.done(desk.coordinator, desk.shift({last: -too_much, others[0]: too_much}))
    desk.expect_outcome(one, pb.ABORTED, f"{last} has not enough")
    coordinated = (await desk.view(desk.coordinator)).coordinated
    expect(
        not coordinated,
        "the coordinator forgets what it aborted, and waits for no acknowledgement",
        f"it is still {coordinated[0].phase if coordinated else ''}",
    )
    await desk.heal()
    await desk.rest()
    after = await forced(desk)
    spent = {node: after[node] - before[node] for node in (desk.coordinator, others[0])}
    wanted = {desk.coordinator: 0, others[0]: 1}
    expect(spent == wanted, f"an abort forces {shown(wanted)} writes", shown(spent))
    await desk.balance()


def shown(counts: dict[NodeId, int]) -> str:
    """How many at which node."""
    return ", ".join(f"{count} at {node}" for node, count in counts.items())


async def without_presumption_aborts_are_acknowledged(cluster: Cluster) -> None:
    """With nothing presumed, the coordinator writes down that it begins and that it aborts, and
    remembers an abort until everyone that voted yes has heard of it."""
    desk = Desk(cluster)
    informed, uninformed, last = desk.participants
    late_ms = desk.setting("vote_timeout_ms") // 2
    await desk.slow(last, late_ms)
    before = await forced(desk)
    too_much = desk.opening[desk.account(last)] + 100
    changes = {last: -too_much, informed: too_much - 1, uninformed: 1}
    asked = desk.ask(desk.coordinator, desk.shift(changes))
    await desk.until_in_doubt(informed, uninformed)
    await cluster.faults.cut(desk.coordinator, uninformed, one_way=True)
    desk.expect_outcome(await asked, pb.ABORTED, f"{last} has not enough")
    written = (await forced(desk))[desk.coordinator] - before[desk.coordinator]
    expect(
        written == 2,
        "the coordinator forces two writes: that it begins, and that it aborts",
        f"it forced {written}",
    )
    await cluster.sleep(desk.setting("retry_ms"))
    for crashed in (False, True):
        if crashed:
            await cluster.faults.restart(desk.coordinator)
        told = (await desk.view(desk.coordinator)).coordinated
        expect(
            any(uninformed in one.waiting_for for one in told),
            f"the coordinator remembers the abort until {uninformed} has acknowledged it"
            f"{', also over a crash' * crashed}",
            "it has forgotten it",
        )
    await desk.heal()
    await desk.until_free("the abort is told again until it is acknowledged", 2, uninformed)
    await desk.balance()


async def a_commit_is_remembered_until_all_know(cluster: Cluster) -> None:
    """The coordinator forgets a commit when everyone has acknowledged it: not before, and not
    never."""
    desk = Desk(cluster)
    uninformed = await decided_with_one_uninformed(desk)
    await cluster.sleep(3 * desk.setting("retry_ms"))
    # Whatever it has forgotten by now, nobody will hear of.
    await cluster.faults.restart(desk.coordinator)
    told = (await desk.view(desk.coordinator)).coordinated
    expect(
        any(uninformed in one.waiting_for for one in told),
        f"the coordinator remembers the commit as long as {uninformed} has not acknowledged it",
        "it has forgotten it",
    )
    await desk.heal()
    await desk.until_free("the commit is told again until it is acknowledged", 2, uninformed)
    await desk.rest()
    await cluster.sleep(desk.setting("retry_ms"))  # Nobody hurries to write down the end.
    await cluster.faults.restart(desk.coordinator)
    told = (await desk.view(desk.coordinator)).coordinated
    expect(
        not told,
        "the coordinator forgets a commit that everyone has acknowledged",
        f"after a restart it wants to tell {', '.join(told[0].waiting_for) if told else ''}",
    )
    await desk.balance()
