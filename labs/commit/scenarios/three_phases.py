"""Three-phase commit: who is left decides, as long as silence means a crash (Skeen, 1981)."""

from __future__ import annotations

from labs.commit.scenarios.desk import Desk
from labs.kit.check import expect, require
from nodes.cluster.api import Cluster
from protos import commit_pb2 as pb


async def everyone_knows_before_anyone_commits(cluster: Cluster) -> None:
    """Nobody commits before each participant knows that all have voted yes."""
    desk = Desk(cluster)
    for late in desk.participants:
        await desk.connect()
        await cluster.faults.delay(desk.coordinator, late, desk.setting("vote_timeout_ms") // 8)
        asked = desk.ask(desk.coordinator, desk.round_trip(2))
        while not asked.done():
            # Whoever is looked at later can only know more.
            views = {node: await cluster.view(node) for node in cluster.nodes}
            for place, node in enumerate(cluster.nodes):
                if not _has_committed(views[node], desk.made[-1].name):
                    continue
                for other in cluster.nodes[place + 1 :]:
                    expect(
                        _knows(views[other], desk.made[-1].name),
                        f"{other} knows that all voted yes before {node} commits",
                        f"{node} has committed, and {other} does not know",
                    )
            await cluster.sleep(5)
        desk.expect_outcome(await asked, pb.COMMITTED, "everyone can do its share")
        await desk.heal()
        await desk.rest()
    await desk.balance()


def _has_committed(view: object, name: str) -> bool:
    """Whether a node shows that it has committed a transaction."""
    if not isinstance(view, pb.CommitView):
        return False
    return any(
        outcome == pb.COMMITTED and transaction.partition("#")[0] == name
        for transaction, outcome in view.decided.items()
    )


def _knows(view: object, name: str) -> bool:
    """Whether it shows that all have voted yes, or was not seen."""
    if not isinstance(view, pb.CommitView) or _has_committed(view, name):
        return True
    return any(
        one.precommitted for one in view.in_doubt if one.transaction.partition("#")[0] == name
    )


async def amounts_are(desk: Desk, resources: dict[str, int], *, committed: bool, why: str) -> None:
    """What those that are left have decided, by the amounts that they tell clients."""
    for resource, delta in resources.items():
        found = await desk.amount(resource)
        wanted = desk.opening[resource] + delta * committed
        expect(
            found == wanted,
            f"{resource} is {wanted}: {why}",
            f"it is {found} at {desk.home(resource)}",
        )


async def those_left_abort_what_nobody_could_commit(cluster: Cluster) -> None:
    """If the coordinator dies before anyone knows that all voted yes, those that are left abort
    without it."""
    desk = Desk(cluster)
    *_, last = desk.participants
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    changes = desk.round_trip()
    asked = desk.ask(desk.coordinator, changes)
    await desk.until_in_doubt(*desk.participants)
    await desk.kill(desk.coordinator)
    await asked
    await desk.until_free("they are left without their coordinator", 6, *desk.participants)
    await amounts_are(desk, changes, committed=False, why="nobody knew that all had voted yes")
    await desk.balance()


async def one_who_knows_brings_all_along(cluster: Cluster) -> None:
    """If the coordinator dies when a single participant knows that all voted yes, those that are
    left commit without it."""
    desk = Desk(cluster)
    informed, other, last = desk.participants
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    changes = desk.round_trip()
    asked = desk.ask(desk.coordinator, changes)
    await desk.until_in_doubt(*desk.participants)
    for node in (other, last):
        await cluster.faults.cut(desk.coordinator, node, one_way=True)

    async def one_knows() -> bool:
        return any(one.precommitted for one in (await desk.view(informed)).in_doubt)

    await cluster.until(
        f"{informed} knows that all voted yes", one_knows, within_ms=2 * desk.unit_ms
    )
    await desk.kill(desk.coordinator)
    await asked
    for node in (other, last):
        shown = (await desk.view(node)).in_doubt
        require(bool(shown) and not shown[0].precommitted, f"{node} knows it too")
    await desk.until_free("they are left without their coordinator", 6, *desk.participants)
    await amounts_are(desk, changes, committed=True, why=f"{informed} knew that all had voted yes")
    await desk.balance()


async def the_dead_hold_up_nobody(cluster: Cluster) -> None:
    """A participant that dies after its yes does not keep the others from committing, and commits
    when it is back."""
    desk = Desk(cluster)
    first, dead, last = desk.participants
    await desk.slow(last, desk.setting("vote_timeout_ms") // 2)
    changes = desk.round_trip()
    asked = desk.ask(desk.coordinator, changes)
    await desk.until_in_doubt(first, dead)
    await cluster.sleep(desk.setting("vote_timeout_ms") // 10)  # The coordinator has their votes.
    require(not asked.done(), f"{last} was too quick")
    await desk.kill(dead)
    desk.expect_outcome(await asked, pb.COMMITTED, f"all voted yes, and {dead} will hear of it")
    await desk.until_free(f"only {dead} is down", 3, first, last)
    await desk.heal()
    await desk.until_free("it is back, and the others have committed", 4, dead)
    await amounts_are(desk, changes, committed=True, why="the client was told so")
    await desk.balance()
