"""Membership (thesis 4, 3.10): servers come and go one by one, and leadership moves on request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from google.protobuf.message import Message

from labs.kit.check import Failed, expect, require
from labs.raft.scenarios.clients import Verdict, Writes, attempt
from labs.raft.scenarios.watch import Views, Watch, leads
from nodes.cluster.api import Cluster
from nodes.core import NodeId
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb


async def added_server_catches_up_first(cluster: Cluster) -> None:
    """A new server counts once it holds the log, and from then on its vote is needed."""
    watch = Watch(cluster)
    writes = Writes(watch)
    *first_voters, new = cluster.nodes
    leader = await watch.leader(first_voters)
    await writes.commit(leader, 10)
    goal = await watch.converged(first_voters)
    require((await watch.seen(new)).last_log_index < goal, f"{new} holds the log already")
    await cluster.faults.delay(leader, new, watch.timeout_ms // 20)  # so that it can be watched
    adding = asyncio.ensure_future(attempt(watch, leader, addition(new)))

    def counts(views: Views) -> bool:
        view = views[leader]
        if new not in view.voters:
            return False
        held = max((f.match_index for f in view.followers if f.node_id == new), default=0)
        expect(
            held >= goal,
            f"{new} gets the {goal} entries that there are before it gets a vote",
            f"it is a voter with {held}",
        )
        return True

    await watch.until(f"{leader} counts {new} as a voter", counts, (leader,))
    verdict = await adding
    expect(verdict == "acknowledged", f"the addition of {new} is acknowledged", verdict)
    await cluster.faults.heal()
    await watch.converged()
    await all_count(watch, cluster.nodes, cluster.nodes)

    # Three of four must agree now: without the old leader they cannot do it without the new server.
    term = (await watch.seen(leader)).term
    await cluster.faults.kill(leader)
    watch.require_down(leader)
    second = await watch.leader(watch.others(leader), after_term=term)
    await writes.commit(second)
    await cluster.faults.isolate(next(n for n in watch.others(leader, second)))
    expect(
        await writes.put(second, timeouts=2) != "acknowledged",
        "two of four commit nothing",
        f"{second} acknowledged a write",
    )
    await writes.settle()


async def unreachable_server_is_not_added(cluster: Cluster) -> None:
    """A server that cannot catch up is refused, and stops no commit meanwhile."""
    watch = Watch(cluster)
    writes = Writes(watch)
    *first_voters, new = cluster.nodes
    leader = await watch.leader(first_voters)
    await writes.commit(leader)
    await cluster.faults.kill(new, next(n for n in first_voters if n != leader))
    adding = asyncio.ensure_future(attempt(watch, leader, addition(new), timeouts=30))
    for _ in range(3):
        await watch.wait(0.5)
        await writes.commit(leader)
        voters = list((await watch.seen(leader)).voters)
        expect(new not in voters, f"{new}, which is down, is no voter", f"voters are {voters}")
    require(not adding.done(), "the addition ended at once")
    verdict = await adding
    expect(verdict == "refused", "who asked hears that nothing was changed", verdict)
    await cluster.faults.heal()
    await watch.leader(first_voters)
    await change(watch, addition(new))
    await all_count(watch, cluster.nodes, cluster.nodes)
    await writes.settle()


async def removed_server_disturbs_nobody(cluster: Cluster) -> None:
    """Removed servers, whether they know it or not, depose no leader and win no vote."""
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    knows, unaware, *rest = watch.others(leader)
    stay = (leader, *rest)
    await change(watch, removal(knows))
    await watch.until(f"{knows} learns that it is out", lambda v: knows not in v[knows].voters)
    await cluster.faults.isolate(unaware)
    await change(watch, removal(unaware))
    await watch.wait(3)  # It hears nobody, and campaigns if it may without asking.
    term, term_out = (await watch.seen(leader)).term, (await watch.seen(knows)).term
    require(unaware in (await watch.seen(unaware)).voters, f"{unaware} knows that it is out")
    await cluster.faults.heal()
    for _ in range(8):
        await watch.wait(0.5)
        views = await watch.views(stay)
        expect(
            all((view.term, view.leader_id) == (term, leader) for view in views.values()),
            f"{leader} leads term {term} whatever removed servers ask for",
            ", ".join(f"{n} follows {v.leader_id!r} in term {v.term}" for n, v in views.items()),
        )
    out = await watch.seen(knows)
    expect(
        out.term == term_out,
        f"{knows}, which knows that it is no voter, does not campaign",
        f"its term went from {term_out} to {out.term}",
    )
    await writes.commit(leader, 3)
    await all_count(watch, stay, stay)
    await settle(watch, writes)


async def leader_removes_itself(cluster: Cluster) -> None:
    """A leader that is removed leads until the others hold that, does not count itself, and
    goes."""
    watch = Watch(cluster)
    writes = Writes(watch)
    first = await watch.leader()
    await writes.commit(first)
    await watch.converged()
    term = (await watch.seen(first)).term
    verdict = await attempt(watch, first, removal(first))
    expect(verdict == "acknowledged", f"{first} carries out its own removal", verdict)
    rest = watch.others(first)
    await watch.wait(0.5)
    expect(
        not leads(await watch.seen(first)),
        f"{first} leads no more once its removal is committed",
        "it still leads",
    )
    second = await watch.leader(rest, after_term=term)
    await writes.commit(second)
    await all_count(watch, rest, rest)

    # Of the two that would stay one is down: the leader's own copy must not stand in for it.
    gone = next(node for node in rest if node != second)
    await cluster.faults.kill(gone)
    watch.require_down(gone)
    before = await watch.seen(second)
    verdict = await attempt(watch, second, removal(second), timeouts=2)
    after = await watch.seen(second)
    require(after.last_log_index > before.last_log_index, f"{second} did not take the removal")
    expect(
        verdict != "acknowledged" and after.commit_index <= before.last_log_index,
        f"{second}, which is no voter in the new configuration, does not count itself",
        f"the removal was {verdict}, and {second} committed {after.commit_index}",
    )
    await settle(watch, writes)


async def changes_come_one_at_a_time(cluster: Cluster) -> None:
    """No change begins before the last one is committed, nor before the leader committed an
    entry of its own term."""
    watch = Watch(cluster)
    writes = Writes(watch)
    first, second, third, new, newer = cluster.nodes
    voters = (first, second, third)
    leader = await watch.leader(voters)
    await writes.commit(leader)
    await watch.converged(voters)
    followers = [node for node in voters if node != leader]
    await cluster.faults.kill(*followers)
    watch.require_down(*followers)
    adding = asyncio.ensure_future(attempt(watch, leader, addition(new), timeouts=30))
    await watch.until(f"{leader} counts {new}", lambda v: new in v[leader].voters, (leader,))
    for request in (addition(newer), removal(new)):
        verdict = await attempt(watch, leader, request, timeouts=2)
        require(not adding.done(), f"the change was not under way any more: {verdict}")
        expect(
            verdict == "refused",
            f"{leader} refuses a second change while one is under way",
            f"it was {verdict}; voters are {list((await watch.seen(leader)).voters)}",
        )
    await cluster.faults.heal()
    verdict = await adding
    expect(verdict == "acknowledged", f"the addition of {new} is acknowledged", verdict)
    await all_count(watch, (*voters, new), (*voters, new))
    await refused_in_a_new_term(watch, leader, addition(newer))
    await change(watch, addition(newer))
    await all_count(watch, cluster.nodes, cluster.nodes)
    await writes.settle()


async def leadership_is_handed_over(cluster: Cluster) -> None:
    """Leadership goes to the server that is named, once it holds the log, and stays if it is
    unreachable."""
    watch = Watch(cluster)
    writes = Writes(watch)
    leader = await watch.leader()
    await writes.commit(leader)
    await watch.converged()
    target, other = watch.others(leader)
    await cluster.faults.isolate(target)
    await writes.commit(leader, 5)
    behind = await watch.seen(target)
    term = (await watch.seen(leader)).term
    require(
        behind.last_log_index < (await watch.seen(leader)).last_log_index, f"{target} lacks nothing"
    )
    await cluster.faults.heal()
    began_ms = cluster.now_ms()
    verdict = await attempt(watch, leader, pb.TransferLeadershipRequest(target=target))
    expect(verdict == "acknowledged", f"{leader} hands over to {target}", verdict)
    new = await watch.leader(after_term=term)
    took_ms = cluster.now_ms() - began_ms
    expect(new == target, f"{target} leads", f"{new} leads")
    expect(
        took_ms <= 2 * watch.timeout_ms,
        f"{target} campaigns at once, without waiting for its election timeout",
        f"it took {took_ms} ms until it led",
    )
    await writes.commit(new)

    await cluster.faults.isolate(other)
    verdict = await attempt(watch, new, pb.TransferLeadershipRequest(target=other))
    expect(verdict == "unknown", f"{new} says that it could not hand over to {other}", verdict)
    expect(leads(await watch.seen(new)), f"{new} goes on leading", "nobody leads")
    await writes.commit(new)
    await writes.settle()


async def former_leader_serves_no_stale_reads(cluster: Cluster) -> None:
    """A leader that handed over, and does not hear what came of it, returns no old value."""
    watch = Watch(cluster)
    writes = Writes(watch)
    old = await watch.leader()
    target, other = watch.others(old)
    for turn in range(3):
        await writes.commit(old)
        await watch.converged()
        term = (await watch.seen(old)).term
        await cluster.faults.cut(target, old, one_way=True)
        await cluster.faults.cut(other, old, one_way=True)
        handing = asyncio.ensure_future(
            attempt(watch, old, pb.TransferLeadershipRequest(target=target))
        )
        new = await watch.leader((target, other), after_term=term)
        key = f"former{turn}"
        verdict = await writes.put(new, key)
        require(verdict == "acknowledged", f"the write was {verdict}")
        view = await watch.seen(old)
        require(leads(view) and view.term == term, f"{old} knows that it leads no more")
        request = kv.GetRequest(key=key, consistency=kv.LINEARIZABLE)
        verdict = await attempt(watch, old, request, timeouts=1)
        expect(
            verdict != "acknowledged",
            f"{old} serves no read before a majority answered what it asked after the read came",
            f"it served one from before {new} led",
        )
        await handing
        await cluster.faults.heal()
        old = await watch.leader()
        target, other = watch.others(old)
    await writes.settle()


async def changes_survive_crashing_leaders(cluster: Cluster) -> None:
    """A configuration that was not committed is undone with its log; others survive crashes."""
    watch = Watch(cluster)
    writes = Writes(watch)
    *voters, new, spare = cluster.nodes
    leader = await watch.leader(voters)
    await writes.commit(leader)
    await watch.converged(voters)
    term = (await watch.seen(leader)).term
    followers = [node for node in voters if node != leader]
    await cluster.faults.kill(*followers)
    watch.require_down(*followers)
    adding = asyncio.ensure_future(attempt(watch, leader, addition(new), timeouts=30))
    await watch.until(f"{leader} counts {new}", lambda v: new in v[leader].voters, (leader,))
    await cluster.faults.partition((leader, new), (*followers, spare))
    await cluster.faults.restart(*followers)
    second = await watch.leader(followers, after_term=term)
    await writes.commit(second, 3)
    require(
        (await watch.seen(leader)).commit_index < (await watch.seen(second)).commit_index,
        f"{leader} knows what {second} committed",
    )
    await cluster.faults.heal()
    verdict = await adding
    expect(verdict != "acknowledged", "an addition that was undone is not acknowledged", verdict)
    await writes.commit_anyhow()
    await watch.converged(voters)
    await all_count(watch, voters, voters)
    await leaders_crash_in_changes(watch, writes)
    await settle(watch, writes)


# ------------------------------------------------------------------------------------------ helpers


def addition(server: NodeId) -> pb.ChangeMembershipRequest:
    """Makes the server a voter."""
    return pb.ChangeMembershipRequest(add=server)


def removal(server: NodeId) -> pb.ChangeMembershipRequest:
    """Takes its vote away."""
    return pb.ChangeMembershipRequest(remove=server)


async def change(watch: Watch, request: Message) -> None:
    """Asks whoever leads, again while it says that the moment is wrong."""
    verdict: Verdict = "refused"
    for _ in range(20):
        verdict = await attempt(watch, await watch.leader_now(), request, timeouts=10)
        if verdict == "acknowledged":
            return
        await watch.wait(0.25)
    shown = " ".join(str(request).split())
    expect(False, f"a healthy cluster carries out the change ({shown})", f"it was {verdict}")


async def all_count(watch: Watch, nodes: Sequence[NodeId], voters: Sequence[NodeId]) -> None:
    """Waits until these servers all count exactly those voters. Raises Failed if they do not."""
    wanted = sorted(voters)

    def agreed(views: Views) -> bool:
        return len(views) == len(nodes) and all(sorted(v.voters) == wanted for v in views.values())

    try:
        await watch.until("all count the same voters", agreed, nodes)
    except TimeoutError:
        views = await watch.views(nodes)
        raise Failed(
            f"{', '.join(nodes)} come to count {', '.join(wanted)} as voters",
            "; ".join(f"{node} counts {', '.join(view.voters)}" for node, view in views.items()),
        ) from None


async def refused_in_a_new_term(
    watch: Watch, leader: NodeId, request: pb.ChangeMembershipRequest
) -> None:
    """A leader that cannot know yet which configuration is committed begins no change.

    Its first entry travels slowly, so that there is time to ask. The bug that this prevents was
    found two years after the thesis.
    """
    cluster = watch.cluster
    voters = tuple((await watch.seen(leader)).voters)
    rest = [node for node in voters if node != leader]
    term = (await watch.seen(leader)).term
    delay_ms = watch.timeout_ms // 8
    for number, node in enumerate(rest):
        for other in rest[number + 1 :]:
            await cluster.faults.delay(node, other, delay_ms)
    await cluster.faults.kill(leader)
    watch.require_down(leader)

    def fresh(views: Views) -> NodeId | None:
        for node, view in views.items():
            if leads(view) and view.term > term:
                require(not view.ready, f"{node} committed its first entry unseen")
                return node
        return None

    heir = await watch.until("somebody new leads", fresh, rest)
    before_ms = cluster.now_ms()
    asking = asyncio.ensure_future(attempt(watch, heir, request, timeouts=4))
    await cluster.sleep(delay_ms // 2)
    view = await watch.seen(heir)
    require(leads(view) and not view.ready, f"{heir} was ready before it could be asked")
    require(cluster.now_ms() - before_ms < delay_ms, "the question took too long")
    expect(
        sorted(view.voters) == sorted(voters),
        f"{heir} begins no change before it has committed an entry of term {view.term}",
        f"it counts {list(view.voters)} already",
    )
    verdict = asking.result() if asking.done() else "waiting"
    expect(verdict == "refused", f"{heir} says that it is too early", verdict)
    await cluster.faults.heal()
    await watch.leader(voters)


async def leaders_crash_in_changes(watch: Watch, writes: Writes) -> None:
    """Each round: one random change, a write, and a leader that crashes in the middle of both."""
    cluster = watch.cluster
    random = Random(f"{cluster.spec.seed}:leaders_crash_in_changes")
    terms_led = len(watch.leader_of)
    for _ in range(4):
        leader = await watch.leader_now()
        voters = list((await watch.seen(leader)).voters)
        outside = [node for node in cluster.nodes if node not in voters]
        adds = bool(outside) and (len(voters) <= 3 or random.random() < 0.5)
        server = random.choice(outside if adds else voters)
        request = addition(server) if adds else removal(server)
        changing = asyncio.ensure_future(attempt(watch, leader, request))
        write = asyncio.ensure_future(writes.put(leader))
        await cluster.sleep(random.choice((0, 2, 5, 10, watch.timeout_ms // 8)))
        await cluster.faults.kill(leader)
        await asyncio.gather(changing, write)
        await watch.wait(1)
        await cluster.faults.restart(leader)
        await writes.commit_anyhow()
    require(len(watch.leader_of) > terms_led, "no leader was replaced")


async def settle(watch: Watch, writes: Writes) -> None:
    """As Writes.settle, with those who vote now."""
    await watch.cluster.faults.heal()
    await writes.commit_anyhow()

    def one_configuration(views: Views) -> tuple[NodeId, ...] | None:
        leader = max(views, key=lambda node: (leads(views[node]), views[node].term))
        voters = tuple(views[leader].voters)
        same = all(node in views and list(views[node].voters) == list(voters) for node in voters)
        return voters if leads(views[leader]) and views[leader].ready and same else None

    voters = await watch.until("all voters count the same voters", one_configuration)
    await watch.converged(voters)
    for node in voters:
        await writes.check_at(node, keys_max=8)
