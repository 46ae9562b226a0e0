"""Two-phase commit: votes, the commit point, and the decision (Bernstein and others, 7.4)."""

from __future__ import annotations

from labs.commit.scenarios.desk import Desk
from labs.kit.check import expect, require
from nodes.cluster.api import Cluster
from protos import commit_pb2 as pb


async def what_nobody_objects_to_commits(cluster: Cluster) -> None:
    """If everyone votes yes and nothing fails, the transaction commits, and each amount changes by
    what was asked for."""
    desk = Desk(cluster)
    for number, node in enumerate(cluster.nodes):
        await desk.committed(node, desk.round_trip(1 + number))
        first, second = (desk.participants[(number + one) % 3] for one in (0, 1))
        await desk.committed(node, desk.shift({first: -5, second: 5}, number=1))
    await desk.balance()


async def a_single_no_aborts_everywhere(cluster: Cluster) -> None:
    """If one participant votes no, the transaction is aborted at all of them, and nothing has
    changed."""
    desk = Desk(cluster)
    for number, objector in enumerate(desk.participants):
        others = [node for node in desk.participants if node != objector]
        too_much = desk.opening[desk.account(objector)] + 1
        changes = desk.shift({objector: -too_much, others[0]: too_much - 1, others[1]: 1})
        one = await desk.done(cluster.nodes[number], changes)
        desk.expect_outcome(one, pb.ABORTED, f"{objector} has not enough, and votes no")
        expect(
            desk.account(objector) in one.reason,
            "a client hears why a participant voted no",
            f"it heard {one.reason!r}",
        )
        await cluster.sleep(desk.setting("retry_ms"))  # Nothing of it is under way any more.
        await desk.until_free("everyone has heard of the no", 2, *desk.participants)
    changes = desk.shift({desk.participants[0]: -1}) | {"account/nobody": 1}
    one = await desk.done(desk.coordinator, changes)
    desk.expect_outcome(one, pb.ABORTED, "there is no account/nobody")
    await desk.balance()


async def silence_is_no_yes(cluster: Cluster) -> None:
    """Who does not vote in time has not voted yes, also if its yes comes later."""
    desk = Desk(cluster)
    *others, silent = desk.participants
    vote_ms = desk.setting("vote_timeout_ms")
    await desk.kill(silent)
    began_ms = cluster.now_ms()
    one = await desk.done(desk.coordinator, desk.round_trip())
    desk.expect_outcome(one, pb.ABORTED, f"{silent} is down, and did not vote")
    took_ms = cluster.now_ms() - began_ms
    expect(
        took_ms <= 2 * vote_ms,
        f"a coordinator waits for votes no longer than {vote_ms} ms",
        f"the client heard after {took_ms} ms",
    )
    await desk.until_free(f"{silent} did not vote", 3, *others)
    await desk.heal()
    # There and back, that is one and a half of what the coordinator waits for.
    await desk.slow(silent, vote_ms * 3 // 2)
    one = await desk.done(desk.coordinator, desk.round_trip())
    desk.expect_outcome(one, pb.ABORTED, f"the yes of {silent} comes too late")
    await desk.balance()


async def nobody_commits_before_the_last_vote(cluster: Cluster) -> None:
    """As long as one vote is missing, no amount has changed anywhere, and the client is told
    nothing; then all of it happens."""
    desk = Desk(cluster)
    for late in desk.participants:
        others = [node for node in desk.participants if node != late]
        changes = desk.round_trip(2)
        before = {resource: await desk.amount(resource) for resource in changes}
        late_ms = desk.setting("vote_timeout_ms") // 4
        await desk.connect()
        await cluster.faults.delay(desk.coordinator, late, late_ms)
        asked = desk.ask(desk.coordinator, changes)
        await desk.until_in_doubt(*others)
        found = {resource: await desk.amount(resource) for resource in changes}
        still_early = not await desk.in_doubt(late) and not asked.done()
        if cluster.runtime == "sim":
            expect(
                still_early,
                f"no client is told before {late} has voted",
                f"{late} has not, and the client was told",
            )
        require(still_early, f"{late} was too quick")
        expect(
            found == before,
            f"no amount changes before {late} has voted",
            f"{_changed(before, found)} while the others are in doubt",
        )
        desk.expect_outcome(await asked, pb.COMMITTED, f"{late} votes yes too, if late")
        await desk.heal()
        await desk.rest()
    await desk.balance()


def _changed(before: dict[str, int], after: dict[str, int]) -> str:
    changed = [one for one in before if after[one] != before[one]]
    return ", ".join(f"{one} went from {before[one]} to {after[one]}" for one in changed)


async def a_yes_outlives_a_crash(cluster: Cluster) -> None:
    """A participant that voted yes, lost power and came back still carries out what is decided."""
    desk = Desk(cluster)
    for voter in desk.participants[:2]:
        last = desk.participants[-1]
        await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
        asked = desk.ask(desk.coordinator, desk.round_trip())
        await desk.until_in_doubt(voter)
        await cluster.sleep(desk.setting("vote_timeout_ms") // 10)  # Its vote has arrived.
        require(not asked.done(), f"{last} was too quick")
        await cluster.faults.power_cut(voter)
        desk.expect_outcome(await asked, pb.COMMITTED, f"{voter} had voted yes before it crashed")
        await desk.heal()
        await desk.until_free(f"{voter} voted yes, and must find out", 3, voter)
        await desk.rest()
    await desk.balance()


async def what_clients_were_told_outlives_everything(cluster: Cluster) -> None:
    """What a client was told is committed, stays so if all nodes lose power that very moment."""
    desk = Desk(cluster)
    for node in cluster.nodes[:3]:
        one = await desk.done(node, desk.round_trip(3))
        await cluster.faults.power_cut(*cluster.nodes)
        desk.expect_outcome(one, pb.COMMITTED, "everyone can do its share")
        await desk.heal()
        await desk.rest()
        again = await desk.done(node, one.changes, since_ms=one.since_ms)
        desk.expect_outcome(again, pb.COMMITTED, "after a crash the bank goes on")
        await desk.rest()
    await desk.balance()


async def what_is_decided_happens_once(cluster: Cluster) -> None:
    """Requests that arrive twice, responses that get lost, and clients that ask again change
    nothing twice."""
    desk = Desk(cluster)
    await cluster.faults.duplicate(100)
    await cluster.faults.lose(30, which="responses")
    first, second, third = desk.participants
    for number in range(4):
        for _ in range(2):
            changes = desk.shift({first: -7, second: 4, third: 3})
            await desk.done(cluster.nodes[number], changes)
    await desk.heal()
    require(
        any(one.outcome == pb.COMMITTED for one in desk.made), "nothing was committed meanwhile"
    )
    await desk.rest()
    for one in [one for one in desk.made if one.outcome == pb.COMMITTED]:
        repeated = await desk.again(one)
        desk.expect_outcome(repeated, pb.COMMITTED, "its client asks again, under the same name")
    await desk.balance()
