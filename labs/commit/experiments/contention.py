"""Transactions that want the same: what becomes of a deadlock, and what hot keys cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from labs.commit.bank import transfer
from labs.commit.experiments.tools import (
    RICH,
    BankClient,
    adds_up,
    at_rest_within,
    commit_experiment,
    connected,
    percent,
    views,
)
from labs.kit.check import require
from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from nodes.cluster import fault_kinds as kinds
from nodes.cores.commit.ledger import customers
from protos import commit_pb2 as pb

POLICIES = (
    Variant("wait_die", {"deadlocks": "wait-die"}),
    Variant("timeout", {"deadlocks": "timeout"}),
    Variant("none", {"deadlocks": "none"}),
)
_POLICY = {
    "wait_die": "wait-die",
    "timeout": "a timeout for locks",
    "none": "no policy",
}
LOOK_MS = 40  # between two looks for a circle; a deadlock stays for longer
SETTLE_MS = 50  # what was on its way when the link became slow arrives


def circle(shown: Iterable[pb.CommitView]) -> frozenset[str] | None:
    """Transactions that wait for each other, by what all nodes show; None if there are none."""
    waits_for: dict[str, set[str]] = {}
    for view in shown:
        for lock in view.locks:
            for waiting in lock.waiting:
                waits_for.setdefault(waiting, set()).add(lock.holder)
    reached = {one: _reached(waits_for, one) for one in sorted(waits_for)}
    for one, others in reached.items():
        if one in others:
            return frozenset(other for other in others if one in reached.get(other, ()))
    return None


def _reached(waits_for: Mapping[str, set[str]], source: str) -> set[str]:
    """All for whom it waits, and for whom those wait."""
    reached, ahead = set[str](), [source]
    while ahead:
        new = waits_for.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += sorted(new)
    return reached


async def circles_until(trial: Trial, stop: asyncio.Event) -> set[frozenset[str]]:
    """The circles that were there at two looks in a row: nodes are not looked at in one moment, so
    that one alone may have never been."""
    found: set[frozenset[str]] = set()
    before: frozenset[str] | None = None
    while not stop.is_set():
        now = circle((await views(trial)).values())
        if now is not None and now == before:
            found.add(now)
        before = now
        await trial.sleep(LOOK_MS)
    return found


# ------------------------------------------------------------------------------------- deadlock


async def embrace(trial: Trial) -> None:
    """Two transactions, each at home with what the other one wants next."""
    clients = BankClient(trial), BankClient(trial)
    # Alice's account is at n2 and Bob's at n3. Each has its own lock before the other asks for it.
    orders = (("n2", transfer("alice", "bob", 1)), ("n3", transfer("bob", "alice", 1)))
    for _ in range(trial.number_of("rounds")):
        await connected(trial, clients[0], orders[0][1], at=("n2", "n3"))
        await trial.inject(kinds.Delay("n2", "n3", trial.number_of("link_ms")))
        await trial.sleep(SETTLE_MS)
        stop = asyncio.Event()
        looking = asyncio.create_task(circles_until(trial, stop))
        began_ms = trial.now_ms()
        try:
            ends = await asyncio.gather(
                *(
                    client.transact(changes, at=at)
                    for client, (at, changes) in zip(clients, orders, strict=True)
                )
            )
            trial.measure_variant("until_both_know_ms", trial.now_ms() - began_ms)
            stop.set()
            trial.measure_variant("circles", len(await looking))
        finally:
            looking.cancel()
        reasons = [one.reason for one, _ in ends if one.outcome == pb.ABORTED]
        # Whoever waits for a lock for too long votes no, or too late.
        in_the_way = bool(reasons) and all("lock" in one or "no vote" in one for one in reasons)
        trial.evidence.require(in_the_way, "they were not in each other's way")
        trial.measure_variant("committed_of_two", sum(sample.ok for _, sample in ends))
        await trial.heal()
        await at_rest_within(trial)
    await adds_up(trial, *clients)


def _of_embrace(name: str) -> Iterator[Measurement]:
    words = _POLICY[name]
    yield Measurement(f"committed_of_two_{name}", "transactions", f"commit: {words}", "mean")
    yield Measurement(
        f"until_both_know_ms_{name}", "ms", f"until both clients have an answer: {words}"
    )
    yield Measurement(
        f"circles_{name}", "circles", f"of two that wait for each other, seen: {words}", "sum"
    )


DEADLOCK = commit_experiment(
    id="deadlock",
    title="Two that wait for each other",
    question="Two transactions hold what the other one needs, at two nodes: who finds out, and "
    "what becomes of them?",
    trial=embrace,
    faults=("delay",),
    nodes=4,
    params={"opening_amount": RICH},
    settings=(
        Setting("rounds", 3, "how often they meet in a trial", minimum=1),
        Setting("link_ms", 60, "between the two nodes, one way", minimum=10),
    ),
    variants=POLICIES,
    measurements=tuple(one for variant in POLICIES for one in _of_embrace(variant.name)),
    expectations=(
        Expectation(
            "wait-die-lets-one-through",
            "with wait-die the younger dies at once and the older commits: nobody waits in a "
            "circle",
            lambda m: (
                m.value("committed_of_two_wait_die") == 1 and m.value("circles_wait_die") == 0
            ),
            ("committed_of_two_wait_die", "circles_wait_die"),
        ),
        Expectation(
            "timeouts-end-both",
            "with a timeout for locks both wait for all of it, and then often both are aborted, "
            "though one would do",
            lambda m: (
                m.value("circles_timeout") > 0
                and m.value("committed_of_two_timeout") < 1
                and m.value("until_both_know_ms_timeout") >= 400
            ),
            ("circles_timeout", "committed_of_two_timeout", "until_both_know_ms_timeout"),
        ),
        Expectation(
            "without-a-policy-they-stand-still",
            "without a policy they wait for each other until their coordinators miss the votes",
            lambda m: m.value("circles_none") > 0 and m.value("until_both_know_ms_none") >= 800,
            ("circles_none", "until_both_know_ms_none"),
        ),
        Expectation(
            "dying-is-sooner",
            "a decision by age takes some messages, one by time all of the timeout",
            lambda m: (
                m.value("until_both_know_ms_wait_die") < m.value("until_both_know_ms_timeout")
            ),
            ("until_both_know_ms_wait_die", "until_both_know_ms_timeout"),
        ),
    ),
)

# ----------------------------------------------------------------------------------- contention

HOT_KEYS = (2, 4, 16)
CLIENTS = 8
HOLDERS = ("n2", "n3", "n4")
# Between those that hold accounts, give or take: what two of them ask for comes in another order at
# each, in every runtime.
LINK_MS = (6, 3)
AGAIN_MS = 40  # at most, before a transaction is tried anew


async def crowd(trial: Trial) -> None:
    """So many clients transfer between few accounts, and then between more of them."""
    clients = [BankClient(trial) for _ in range(CLIENTS)]
    everywhere = {f"account/{name}": -1 for name in ("alice", "bob", "carol")}
    await connected(trial, clients[0], everywhere, at=trial.cluster.nodes)
    await trial.inject(*(kinds.Delay(a, b, *LINK_MS) for a, b in combinations(HOLDERS, 2)))
    require(bool(trial.injections), "no link is slow, so that everything comes in one order")
    for keys in HOT_KEYS:
        await at_rest_within(trial)
        trial.phase(f"{keys} keys")
        hot = customers(trial.number_of("accounts"))[:keys]
        sent_before = [len(client.sent) for client in clients]
        stop = asyncio.Event()
        looking = asyncio.create_task(circles_until(trial, stop))
        working = [asyncio.create_task(_transfers(trial, client, hot, stop)) for client in clients]
        try:
            await trial.sleep(trial.number_of("phase_ms"))
            trial.end_phase()
            stop.set()
            committed = len(trial.completed(f"{keys} keys", "transact"))
            await asyncio.gather(*working)
            circles = await looking
        finally:
            for task in (looking, *working):
                task.cancel()
        sent = [
            one
            for client, before in zip(clients, sent_before, strict=True)
            for one in client.sent[before:]
        ]
        aborted = sum(one.outcome == pb.ABORTED for one in sent)
        took_s = trial.in_phase(f"{keys} keys").took_ms / 1000
        trial.measure_variant(f"committed_{keys}_keys", committed / took_s)
        trial.measure_variant(f"aborted_{keys}_keys", percent(aborted, len(sent)))
        trial.measure_variant(f"circles_{keys}_keys", len(circles))
        trial.evidence.require(len(sent) >= CLIENTS, f"not everyone asked, with {keys} accounts")
    await adds_up(trial, *clients)


async def _transfers(
    trial: Trial, client: BankClient, hot: tuple[str, ...], stop: asyncio.Event
) -> None:
    """One after the other, each tried until it commits, as old as it was."""
    while not stop.is_set():
        source, target = trial.rng.sample(hot, 2)
        changes = transfer(source, target, 1)
        at, since_ms = trial.rng.choice(trial.cluster.nodes), 0
        while not stop.is_set():
            one, _ = await client.transact(changes, at=at, since_ms=since_ms)
            if one.outcome != pb.ABORTED:
                break
            since_ms = one.since_ms
            await trial.sleep(trial.rng.randint(1, AGAIN_MS))


def _of_policy(name: str) -> Iterator[Measurement]:
    for keys in HOT_KEYS:
        words = f"{CLIENTS} clients and {keys} accounts: {_POLICY[name]}"
        yield Measurement(f"committed_{keys}_keys_{name}", "per s", f"transfers; {words}")
        yield Measurement(
            f"aborted_{keys}_keys_{name}", "%", f"of attempts were aborted; {words}", "mean"
        )
        yield Measurement(
            f"circles_{keys}_keys_{name}", "circles", f"that stood for a while; {words}", "sum"
        )


def _all(what: str, name: str) -> tuple[str, ...]:
    return tuple(f"{what}_{keys}_keys_{name}" for keys in HOT_KEYS)


CONTENTION = commit_experiment(
    id="contention",
    title="Hot keys",
    question="How much gets done when everyone wants the same few accounts, by what is done about "
    "deadlocks?",
    trial=crowd,
    faults=("delay",),
    nodes=4,
    params={"opening_amount": RICH, "accounts": HOT_KEYS[-1]},
    settings=(Setting("phase_ms", 1200, "with each number of accounts", minimum=200),),
    short={"phase_ms": 800},
    variants=POLICIES,
    trials_sim=3,
    measurements=tuple(one for variant in POLICIES for one in _of_policy(variant.name)),
    expectations=(
        Expectation(
            "hot-keys-cost-throughput",
            "the fewer accounts everyone wants, the less gets done, whatever the policy",
            lambda m: all(
                m.value(f"committed_2_keys_{one.name}") < m.value(f"committed_16_keys_{one.name}")
                for one in POLICIES
            ),
            tuple(f"committed_{keys}_keys_{one.name}" for keys in (2, 16) for one in POLICIES),
        ),
        Expectation(
            "wait-die-has-no-circles",
            "with wait-die no circle closes, ever",
            lambda m: not any(map(m.value, _all("circles", "wait_die"))),
            _all("circles", "wait_die"),
        ),
        Expectation(
            "deadlocks-without-a-policy",
            "without a policy transactions wait for each other in circles",
            lambda m: sum(map(m.value, _all("circles", "none"))) > 0,
            _all("circles", "none"),
        ),
        Expectation(
            "a-circle-holds-up-all",
            "a circle holds up everyone who needs its locks until it is given up: with two "
            "accounts least is done without a policy, and most with wait-die",
            lambda m: (
                m.value("committed_2_keys_none") < m.value("committed_2_keys_wait_die")
                and m.value("committed_2_keys_timeout") < m.value("committed_2_keys_wait_die")
            ),
            tuple(f"committed_2_keys_{one.name}" for one in POLICIES),
            samples=3,
        ),
        Expectation(
            "wait-die-pays-in-aborts",
            "wait-die pays for that: it aborts transactions that would have got their locks, more "
            "of them the fewer accounts there are",
            lambda m: m.value("aborted_2_keys_wait_die") > m.value("aborted_16_keys_wait_die"),
            ("aborted_2_keys_wait_die", "aborted_16_keys_wait_die"),
        ),
    ),
)

EXPERIMENTS = (DEADLOCK, CONTENTION)
