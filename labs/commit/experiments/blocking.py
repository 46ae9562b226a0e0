"""What it costs that nobody may decide: locks that stay for as long as a coordinator is down, and
how soon they are released once it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from labs.commit.bank import transfer
from labs.commit.experiments.tools import (
    RICH,
    BankClient,
    adds_up,
    at_rest_within,
    commit_experiment,
    connected,
    dies_at,
    down,
    held,
    percent,
    returned_ms,
)
from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from nodes.core import NodeId
from protos import commit_pb2 as pb

COORDINATOR = "n1"
# One account at each of the three participants, and as many that nobody locks.
LOCKED = ("alice", "bob", "carol")
FREE = ("dave", "5", "6")
BLOCKED = {f"account/{name}": -1 for name in LOCKED}

# ------------------------------------------------------------------------------- blocking-time

DOWNS_MS = (1000, 3000, 9000)
PROTOCOLS = (Variant("2pc"), Variant("3pc", {"protocol": "3pc"}))
_PROTOCOL = {"2pc": "2PC", "3pc": "3PC"}
CLIENT_PAUSE_MS = 100


async def block(trial: Trial) -> None:
    """All have voted yes when the coordinator dies; other clients go on, with the accounts that are
    locked and with others."""
    clients = [BankClient(trial)]
    for down_ms in _downs(trial):
        await connected(trial, clients[0], BLOCKED)
        await trial.inject(dies_at(COORDINATOR, "before-decision-logged"))
        asking = asyncio.create_task(clients[0].transact(BLOCKED, at=COORDINATOR))
        await down(trial, COORDINATOR, "before its decision was logged")
        trial.phase(f"down {down_ms}")
        stop = asyncio.Event()
        others = {
            group: (BankClient(trial), names)
            for group, names in (("locked", LOCKED), ("free", FREE))
        }
        working = [
            asyncio.create_task(_go_on(trial, client, names, stop, f"{group}_{down_ms}_ms"))
            for group, (client, names) in others.items()
        ]
        try:
            await trial.sleep(down_ms)
            trial.end_phase()
            stop.set()
            await trial.heal()
            await asyncio.gather(*working)
            blocked, _ = await asking
            await at_rest_within(trial)
        finally:
            for task in (asking, *working):
                task.cancel()
        trial.notes[f"blocked_{down_ms}"] = blocked.name
        clients += [client for client, _ in others.values()]
    await adds_up(trial, *clients)


async def _go_on(
    trial: Trial,
    client: BankClient,
    names: tuple[str, ...],
    stop: asyncio.Event,
    what: str,
) -> None:
    """Transfers of one after the other; what was begun while the coordinator is down counts."""
    sent = failed = 0
    participants = trial.cluster.nodes[1:]
    while not stop.is_set():
        source, target = trial.rng.sample(names, 2)
        at = trial.rng.choice(participants)
        one, _ = await client.transact(transfer(source, target, 1), at=at)
        sent, failed = sent + 1, failed + (one.outcome != pb.COMMITTED)
        await trial.sleep(CLIENT_PAUSE_MS)
    trial.evidence.require(sent > 0, "no other client asked for anything")
    trial.measure_variant(f"failed_{what}", percent(failed, sent))


def _downs(trial: Trial) -> tuple[int, ...]:
    return tuple(ms for ms in DOWNS_MS if ms <= trial.number_of("down_ms_max"))


def analyse_locks(trial: Trial) -> None:
    """How long each participant held its lock for the coordinator that is away."""
    for down_ms in _downs(trial):
        spans = list(held(trial.events, trial.notes[f"blocked_{down_ms}"]))
        if trial.evidence.require(len(spans) == len(LOCKED), "not everyone voted yes"):
            trial.measure_variant(f"lock_{down_ms}_ms", max(one.took_ms for one in spans))


def _of_protocol(name: str) -> Iterator[Measurement]:
    for down_ms in DOWNS_MS:
        when = f"the coordinator is down for {down_ms} ms: {_PROTOCOL[name]}"
        yield Measurement(f"lock_{down_ms}_ms_{name}", "ms", f"a lock is held; {when}")
        for group in ("locked", "free"):
            yield Measurement(
                f"failed_{group}_{down_ms}_ms_{name}",
                "%",
                f"of transfers between accounts that are {group} fail; {when}",
                "mean",
            )


BLOCKING_TIME = commit_experiment(
    id="blocking-time",
    title="Locks while the coordinator is down",
    question="The coordinator dies when all have voted yes, and is away for a while: for how long "
    "are locks held, and what do others notice of it?",
    trial=block,
    analyse=analyse_locks,
    faults=("crash-at",),
    nodes=4,
    params={"opening_amount": RICH},
    settings=(
        Setting(
            "down_ms_max",
            DOWNS_MS[-1],
            "the coordinator is down for 1, 3 and 9 s, but not for longer than that",
            minimum=DOWNS_MS[0],
        ),
    ),
    short={"down_ms_max": 3000},
    variants=PROTOCOLS,
    trials_sim=3,
    measurements=tuple(one for variant in PROTOCOLS for one in _of_protocol(variant.name)),
    expectations=(
        Expectation(
            "2pc-locks-as-long-as-it-is-down",
            "2PC blocks: locks are held for as long as the coordinator is down",
            lambda m: all(m.value(f"lock_{ms}_ms_2pc") >= ms for ms in DOWNS_MS[:2]),
            tuple(f"lock_{ms}_ms_2pc" for ms in DOWNS_MS[:2]),
        ),
        Expectation(
            "2pc-fails-what-needs-the-locks",
            "in 2PC every transaction that needs one of these locks fails meanwhile, and every "
            "other one is carried out: blocking costs keys, not the system",
            lambda m: (
                m.value("failed_locked_3000_ms_2pc") > 90
                and m.value("failed_free_3000_ms_2pc") == 0
            ),
            ("failed_locked_3000_ms_2pc", "failed_free_3000_ms_2pc"),
        ),
        Expectation(
            "3pc-does-not-block",
            "in 3PC the participants decide among themselves: however long the coordinator is "
            "down, locks are held for some timeouts only",
            lambda m: m.value("lock_9000_ms_3pc") < DOWNS_MS[1],
            ("lock_9000_ms_3pc",),
        ),
        Expectation(
            "3pc-holds-locks-for-less",
            "3PC holds them for less time than 2PC",
            lambda m: m.value("lock_3000_ms_3pc") < m.value("lock_3000_ms_2pc"),
            ("lock_3000_ms_3pc", "lock_3000_ms_2pc"),
        ),
        Expectation(
            "3pc-serves-again",
            "3PC serves the locked accounts again while the coordinator is still down",
            lambda m: m.value("failed_locked_9000_ms_3pc") < m.value("failed_locked_9000_ms_2pc"),
            ("failed_locked_9000_ms_2pc", "failed_locked_9000_ms_3pc"),
        ),
    ),
)

# --------------------------------------------------------------------------- in-doubt-recovery

PRESUMED = (Variant("abort", {"presume": "abort"}), Variant("nothing", {"presume": "nothing"}))
# Who dies where, and what everyone has to hear afterwards.
DOUBTS: Mapping[str, tuple[NodeId, str, pb.Outcome]] = {
    "decided": (COORDINATOR, "decision-logged", pb.COMMITTED),
    "undecided": (COORDINATOR, "before-decision-logged", pb.ABORTED),
    "participant": ("n2", "vote-sent", pb.COMMITTED),
}
_DOUBT = {
    "decided": "the coordinator died with its decision on its disk",
    "undecided": "the coordinator died before it decided",
    "participant": "a participant died in doubt, and the coordinator did not",
}
RETRY_MS = 300
# A connection to a node that was down is tried again after half a second at the latest, which has
# to be less than an interval if intervals are to be seen.
RETRY_REAL_MS = 800


async def end_doubts(trial: Trial) -> None:
    """Somebody dies in the middle, is away for a while, and comes back."""
    client = BankClient(trial)
    rounds = []
    for _ in range(trial.number_of("rounds")):
        for doubt, (node, point, _) in DOUBTS.items():
            await connected(trial, client, BLOCKED)
            await trial.inject(dies_at(node, point))
            asking = asyncio.create_task(client.transact(BLOCKED, at=COORDINATOR))
            try:
                await down(trial, node, f"at {point}")
                # It comes back at any moment between two tries of the others.
                late_ms = trial.rng.randint(0, trial.number_of("retry_ms"))
                await trial.sleep(trial.number_of("away_ms") + late_ms)
                healed_ms = trial.now_ms()
                await trial.heal()
                await at_rest_within(trial)
                one, _ = await asking
            finally:
                asking.cancel()
            rounds.append((doubt, one.name, healed_ms))
    trial.notes["rounds"] = rounds
    await adds_up(trial, client)


def analyse_doubts(trial: Trial) -> None:
    """From the return of who was away until the last lock is released."""
    for doubt, name, healed_ms in trial.notes["rounds"]:
        node, _, outcome = DOUBTS[doubt]
        back_ms = returned_ms(trial.events, node, healed_ms)
        late = [
            one
            for one in held(trial.events, name)
            if one.until_ms >= back_ms and one.committed == (outcome == pb.COMMITTED)
        ]
        if trial.evidence.require(bool(late), f"nobody was in doubt when {node} came back"):
            took_ms = max(one.until_ms for one in late) - back_ms
            trial.measure_variant(f"recovery_ms_{doubt}", took_ms)
            trial.measure_variant(
                f"recovery_intervals_{doubt}", took_ms / trial.number_of("retry_ms")
            )


def _of_presumption(name: str) -> Iterator[Measurement]:
    for doubt, words in _DOUBT.items():
        where = f"{words}; presumed: {name}"
        yield Measurement(
            f"recovery_ms_{doubt}_{name}", "ms", f"from its return until no lock is held: {where}"
        )
        yield Measurement(
            f"recovery_intervals_{doubt}_{name}",
            "intervals",
            f"the same, in intervals between two tries: {where}",
            "max",
        )


def _within_two(name: str) -> Expectation:
    needs = tuple(f"recovery_intervals_{doubt}_{name}" for doubt in DOUBTS)
    return Expectation(
        f"within-two-intervals-{name}",
        "once whoever was away is back, no lock is held after two intervals between tries; "
        f"presumed: {name}",
        lambda m: all(m.value(one) <= 2 for one in needs),
        needs,
    )


IN_DOUBT_RECOVERY = commit_experiment(
    id="in-doubt-recovery",
    title="The end of a doubt",
    question="Whoever died in the middle of a transaction is back: how long until nobody is in "
    "doubt any more?",
    trial=end_doubts,
    analyse=analyse_doubts,
    faults=("crash-at",),
    nodes=4,
    params={"opening_amount": RICH, "retry_ms": RETRY_MS, "doubt_timeout_ms": RETRY_MS},
    params_real={"retry_ms": RETRY_REAL_MS, "doubt_timeout_ms": RETRY_REAL_MS},
    settings=(
        Setting("rounds", 5, "how often each of them dies in a trial", minimum=1),
        Setting("away_ms", 1000, "how long it is away at least", minimum=1),
    ),
    short={"rounds": 1},
    variants=PRESUMED,
    trials_sim=10,
    measurements=tuple(one for variant in PRESUMED for one in _of_presumption(variant.name)),
    expectations=(
        *(_within_two(variant.name) for variant in PRESUMED),
        Expectation(
            "a-record-is-told-sooner",
            "a coordinator that finds a record tells it at once; without one it waits until it is "
            "asked, which is what presumed abort costs",
            lambda m: (
                m.value("recovery_ms_undecided_nothing") < m.value("recovery_ms_undecided_abort")
            ),
            ("recovery_ms_undecided_nothing", "recovery_ms_undecided_abort"),
            samples=10,
        ),
    ),
)

EXPERIMENTS = (BLOCKING_TIME, IN_DOUBT_RECOVERY)
