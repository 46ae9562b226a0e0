"""Participants in doubt: whom they ask, what they may conclude, and when they have to wait."""

from __future__ import annotations

from labs.commit.scenarios.desk import Desk
from labs.commit.scenarios.recovery import decided_with_one_uninformed
from labs.kit.check import expect, require
from nodes.cluster.api import Cluster
from protos import commit_pb2 as pb


async def who_is_in_doubt_asks(cluster: Cluster) -> None:
    """A participant that never hears of an abort asks, and lets go of its locks."""
    desk = Desk(cluster)
    voter, other, last = desk.participants
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    too_much = desk.opening[desk.account(last)] + 100
    changes = {last: -too_much, voter: too_much - 1, other: 1}
    asked = desk.ask(desk.coordinator, desk.shift(changes))
    await desk.until_in_doubt(voter, other)
    await cluster.faults.cut(desk.coordinator, voter, one_way=True)
    desk.expect_outcome(await asked, pb.ABORTED, f"{last} has not enough")
    await cluster.sleep(desk.setting("retry_ms") // 6)  # What was told by now is lost.
    require(await desk.in_doubt(voter), f"{voter} heard of it all the same")
    await desk.heal()
    # Nobody tells an abort again where it is presumed: only a question helps.
    await desk.until_free("it is in doubt, and its coordinator answers", 2, voter)
    await desk.balance()


async def somebody_who_knows_is_enough(cluster: Cluster) -> None:
    """With the coordinator down, a participant in doubt hears the outcome from another one."""
    desk = Desk(cluster)
    uninformed = await decided_with_one_uninformed(desk)
    await desk.kill(desk.coordinator)
    await desk.until_free(
        "the others know the outcome, while the coordinator is down", 3, uninformed
    )
    await desk.balance()


async def who_has_not_voted_lets_all_abort(cluster: Cluster) -> None:
    """A participant that was not asked to vote yet promises never to vote yes, so that those in
    doubt may abort; and it keeps that."""
    desk = Desk(cluster)
    first, second, last = desk.participants
    late_ms = desk.setting("vote_timeout_ms") * 3 // 4
    await desk.connect(*cluster.nodes)
    # The request to vote is long under way, while those that voted reach nobody else.
    await cluster.faults.delay(desk.coordinator, last, late_ms, one_way=True)
    asked = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(first, second)
    await cluster.sleep(desk.setting("doubt_timeout_ms") // 3)  # The coordinator has their votes.
    for node in (first, second):
        await cluster.faults.cut(desk.coordinator, node)
    await desk.until_free(f"{last} has not voted, and they asked it", 0.5, first, second)
    require(not asked.done(), f"the coordinator gave {last} up too soon")
    desk.expect_outcome(await asked, pb.ABORTED, f"{last} promised never to vote yes")
    await desk.balance()


async def those_in_doubt_wait_if_nobody_knows(cluster: Cluster) -> None:
    """If all voted yes and nobody knows the outcome, two-phase commit blocks: no participant
    decides, and all hold their locks, until the coordinator is back."""
    desk = Desk(cluster)
    *_, last = desk.participants
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    asked = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(*desk.participants)
    await desk.kill(desk.coordinator)
    await asked
    await cluster.sleep(4 * desk.unit_ms)
    for node in desk.participants:
        shown = await desk.view(node)
        expect(
            bool(shown.in_doubt) and bool(shown.locks),
            f"{node} stays in doubt and holds its lock: the coordinator may have decided either "
            "way",
            f"it has decided {', '.join(shown.decided) or 'nothing, and has no lock'}",
        )
    await desk.heal()
    await desk.until_free("the coordinator is back", 2, *desk.participants)
    await desk.balance()


async def who_still_counts_votes_says_so(cluster: Cluster) -> None:
    """A coordinator that is asked before it has decided tells no outcome, and those in doubt wait
    for it."""
    desk = Desk(cluster)
    *others, last = desk.participants
    # Those that voted ask more than once before the last vote is there.
    await desk.slow(last, desk.setting("vote_timeout_ms") * 4 // 5)
    asked = desk.ask(desk.coordinator, desk.round_trip())
    await desk.until_in_doubt(*others)
    await cluster.sleep(desk.setting("doubt_timeout_ms") * 2)
    require(not asked.done(), f"{last} was too quick")
    for node in others:
        decided = (await desk.view(node)).decided
        expect(
            await desk.in_doubt(node),
            f"{node} stays in doubt while the coordinator waits for the vote of {last}",
            f"it has decided {', '.join(decided) or 'nothing'}",
        )
    desk.expect_outcome(await asked, pb.COMMITTED, "everyone voted yes, in time")
    await desk.balance()
