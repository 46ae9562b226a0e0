"""Networks that fall apart: who goes on, and who only believes that it leads (thesis 9.6)."""

from __future__ import annotations

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_traffic
from labs.kit.lab import Setting
from labs.kit.workloads import Appends, Workload
from labs.raft.experiments.tools import (
    KEYS,
    LOST,
    leader_changes,
    longest_gap_ms,
    number,
    of_kind,
    per_second,
    raft_experiment,
    require_usual,
    settled,
    view_of,
    warmed_up,
    won_after,
)
from nodes.cluster import fault_kinds as kinds
from nodes.core import NodeId

TIMEOUTS = {"election_timeout_ms_min": 200, "election_timeout_ms_max": 400, "heartbeat_ms": 50}
# A real process that has to wait for a core must not look like one that was cut off.
REAL = {"election_timeout_ms_min": 300, "election_timeout_ms_max": 600, "heartbeat_ms": 75}
DURING = Setting("during_ms", 2000, "how long the network stays apart", minimum=100)
ACKNOWLEDGED_IN_MINORITY = Measurement(
    "acknowledged_in_minority",
    "writes",
    "writes that the minority's side acknowledged to clients that spoke to it only",
    "sum",
)
NOTHING_LOST = Expectation(
    "nothing-lost",
    "no acknowledged write is lost",
    lambda m: m.value("acknowledged_writes_lost") == 0,
    ("acknowledged_writes_lost",),
)
MINORITY_ACKNOWLEDGES_NOTHING = Expectation(
    "minority-acknowledges-nothing",
    "a minority acknowledges no write",
    lambda m: m.value("acknowledged_in_minority") == 0,
    ("acknowledged_in_minority",),
)


def _clients_at(trial: Trial, node: NodeId) -> Workload:
    """Clients that speak to one node only, writing under keys of their own."""
    keys = tuple(f"{key}-aside" for key in KEYS[:1])
    aside = trial.workload(
        Appends(keys, trial.rng, reads=0), at=node, patience_ms=0, timeout_ms=trial.timeout_ms
    )
    aside.closed_loop(1, pause_ms=25)
    return aside


async def _asunder(trial: Trial, aside: Workload, workload: Workload) -> None:
    for kind in ("append", "read"):
        await workload.progress(2, f=kind, within_ms=20 * trial.timeout_ms)
    begun_ms = trial.in_phase("during").from_ms
    await trial.sleep(trial.number_of("during_ms") - (trial.now_ms() - begun_ms))
    await aside.stop()
    trial.end_phase()


def _measure_aside(trial: Trial) -> None:
    _, aside = trial.workloads
    trial.measure("acknowledged_in_minority", aside.count())
    trial.evidence.require(bool(aside.samples), "nobody asked the minority")


# -------------------------------------------------------------------------- partition-minority


async def part_followers(trial: Trial) -> None:
    """Two of five are cut off, and the leader is not among them."""
    watch, workload = await warmed_up(trial)
    leader = await watch.leader()
    minority, majority = watch.others(leader)[:2], (leader, *watch.others(leader)[2:])
    trial.phase("during")
    await trial.inject(kinds.Partition((minority, majority)))
    await _asunder(trial, _clients_at(trial, minority[0]), workload)
    view = await view_of(trial, leader)
    goal = view.commit_index if view is not None else 0
    healed_ms = trial.now_ms()
    await trial.heal()

    async def caught_up() -> bool:
        views = [await view_of(trial, node) for node in minority]
        return all(shown is not None and shown.last_applied >= goal for shown in views)

    await trial.cluster.until("caught up", caught_up, within_ms=30 * trial.timeout_ms)
    trial.measure("catch_up_ms", trial.now_ms() - healed_ms)
    await settled(trial, workload)
    trial.judged_by("append-list")


def analyse_minority(trial: Trial) -> None:
    """What the majority noticed of it."""
    _measure_aside(trial)
    trial.measure("leader_changes", leader_changes(trial, trial.in_phase("during")))
    trial.measure("longest_gap_ms", longest_gap_ms(trial, "during", "append"))
    trial.measure("throughput_before", per_second(trial, "before"))
    trial.measure("throughput_during", per_second(trial, "during"))
    require_usual(trial)


PARTITION_MINORITY = raft_experiment(
    id="partition-minority",
    title="A minority is cut off",
    question="What do clients notice when two followers of five are cut off, and what happens "
    "when they come back?",
    trial=part_followers,
    analyse=analyse_minority,
    faults=("partition",),
    params=TIMEOUTS,
    params_real=REAL,
    settings=(DURING,),
    short={"during_ms": 800},
    measurements=(
        Measurement("leader_changes", "elections", "elections won while they were cut off", "sum"),
        Measurement("longest_gap_ms", "ms", "the longest time without an acknowledged write"),
        Measurement("throughput_before", "ops/s", "operations of all clients before"),
        Measurement("throughput_during", "ops/s", "and while they were cut off"),
        Measurement("catch_up_ms", "ms", "from the heal until both have applied all they missed"),
        ACKNOWLEDGED_IN_MINORITY,
        LOST,
    ),
    expectations=(
        NOTHING_LOST,
        MINORITY_ACKNOWLEDGES_NOTHING,
        Expectation(
            "majority-goes-on",
            "the majority keeps its leader and serves on",
            lambda m: (
                m.value("leader_changes") == 0
                and m.value("throughput_during") > 0.5 * m.value("throughput_before")
            ),
            ("leader_changes", "throughput_during", "throughput_before"),
        ),
    ),
)

# ---------------------------------------------------------------------------- partition-leader


async def part_leader(trial: Trial) -> None:
    """The leader and one follower on one side, three on the other."""
    watch, workload = await warmed_up(trial)
    leader = await watch.leader()
    companion, *majority = watch.others(leader)
    trial.notes |= {"leader": leader, "term": (await watch.seen(leader)).term}
    trial.phase("during")
    await trial.inject(kinds.Partition(((leader, companion), tuple(majority))))
    await _asunder(trial, _clients_at(trial, leader), workload)
    await settled(trial, workload)
    trial.judged_by("append-list")


def analyse_leader(trial: Trial) -> None:
    """Two leaders for a while, of which one can commit."""
    _measure_aside(trial)
    if trial.injections:
        parted_ms, old = trial.injections[0].at_ms, trial.notes["leader"]
        won = won_after(trial, parted_ms, term=trial.notes["term"])
        served = [
            (sample.ended_ns or 0) / 1e6
            for sample in trial.workloads[0].samples
            if sample.ok and sample.f == "append" and (sample.ended_ns or 0) / 1e6 >= won.at_ms
        ]
        if trial.evidence.require(bool(served), "the majority acknowledged nothing"):
            trial.measure("downtime_ms", min(served) - parted_ms)
        down = [e for e in of_kind(trial.events, "stepped_down", parted_ms) if e.node == old]
        if trial.evidence.require(bool(down), f"{old} was not seen to step down"):
            trial.measure("two_leaders_ms", max(0.0, down[0].at_ms - won.at_ms))
            trial.measure("old_leader_ms", down[0].at_ms - parted_ms)
            longest_ms = trial.number_of("election_timeout_ms_max")
            trial.measure("old_leader_timeouts", (down[0].at_ms - parted_ms) / longest_ms)
        dropped = of_kind(trial.events, "truncate", parted_ms)
        trial.measure("entries_dropped", sum(number(e, "count") for e in dropped if e.node == old))
    require_usual(trial)


PARTITION_LEADER = raft_experiment(
    id="partition-leader",
    title="The leader is cut off with a minority",
    question="A leader that is cut off goes on believing that it leads: for how long, "
    "and what harm can it do?",
    trial=part_leader,
    analyse=analyse_leader,
    faults=("partition",),
    params=TIMEOUTS,
    params_real=REAL,
    settings=(DURING,),
    short={"during_ms": 800},
    trials_real_short=3,
    measurements=(
        Measurement("downtime_ms", "ms", "from the partition to the majority's next write"),
        Measurement("old_leader_ms", "ms", "from the partition until the old leader steps down"),
        Measurement(
            "old_leader_timeouts", "timeouts", "the same, in units of the longest election timeout"
        ),
        Measurement("two_leaders_ms", "ms", "how long two servers took themselves for the leader"),
        Measurement(
            "entries_dropped", "entries", "of the old leader's log, overwritten afterwards", "sum"
        ),
        ACKNOWLEDGED_IN_MINORITY,
        LOST,
    ),
    expectations=(
        NOTHING_LOST,
        MINORITY_ACKNOWLEDGES_NOTHING,
        Expectation(
            "vain-entries-vanish",
            "what the old leader took in vain is dropped when it comes back",
            lambda m: m.value("entries_dropped") > 0,
            ("entries_dropped",),
        ),
        Expectation(
            "steps-down",
            "with CheckQuorum the old leader steps down within two election timeouts",
            lambda m: m.value("old_leader_timeouts") <= 2,
            ("old_leader_timeouts",),
            samples=3,
        ),
    ),
)

# ------------------------------------------------------------------------ asymmetric-partition


async def cut_one_link(trial: Trial) -> None:
    """One link of ten is cut, that between the leader and one follower: it takes the leader for
    dead, and all the others, who hear both, know better."""
    watch, workload = await warmed_up(trial)
    leader = await watch.leader()
    apart = watch.others(leader)[0]
    trial.notes["term"] = (await watch.seen(leader)).term
    trial.phase("during")
    await trial.inject(kinds.Cut(leader, apart))
    await trial.sleep(trial.number_of("during_ms"))
    trial.end_phase()
    views = [await view_of(trial, node) for node in trial.cluster.nodes]
    trial.notes["term_after"] = max(view.term for view in views if view is not None)
    await settled(trial, workload)
    trial.judged_by("append-list")


def analyse_one_link(trial: Trial) -> None:
    """How much a single link disturbs everyone."""
    trial.measure_variant("term_growth", trial.notes["term_after"] - trial.notes["term"])
    trial.measure_variant("leader_changes", leader_changes(trial, trial.in_phase("during")))
    trial.measure_variant("throughput", per_second(trial, "during"))
    trial.measure_variant("longest_gap_ms", longest_gap_ms(trial, "during", "append"))
    # Without protection the cluster may get nothing done, which is what the variant is there for.
    require_traffic(trial, ("append", "read"), ("before", "after"), rate_before="before")
    if trial.variant in ("pre_vote", "both"):
        require_usual(trial)


def _protected(name: str, pre_vote: str, check_quorum: str, *, short: bool = True) -> Variant:
    return Variant(name, {"pre_vote": pre_vote, "check_quorum": check_quorum}, short=short)


PROTECTIONS = (
    _protected("neither", "off", "off"),
    _protected("pre_vote", "on", "off", short=False),
    _protected("check_quorum", "off", "on", short=False),
    _protected("both", "on", "on"),
)
_WORDS = {
    "neither": "without PreVote and CheckQuorum",
    "pre_vote": "with PreVote only",
    "check_quorum": "with CheckQuorum only",
    "both": "with PreVote and CheckQuorum",
}


def _of_protection(variant: Variant) -> tuple[Measurement, ...]:
    name, words = variant.name, _WORDS[variant.name]
    return (
        Measurement(f"term_growth_{name}", "terms", f"by which terms grew, {words}"),
        Measurement(f"leader_changes_{name}", "elections", f"won meanwhile, {words}"),
        Measurement(f"throughput_{name}", "ops/s", f"operations of all clients, {words}"),
        Measurement(f"longest_gap_ms_{name}", "ms", f"without an acknowledged write, {words}"),
    )


ASYMMETRIC_PARTITION = raft_experiment(
    id="asymmetric-partition",
    title="A partition that not everyone sees",
    question="Can one broken link of ten keep a healthy cluster from serving, "
    "and what does PreVote do about it?",
    trial=cut_one_link,
    analyse=analyse_one_link,
    faults=("cut",),
    params=TIMEOUTS,
    params_real=REAL,
    settings=(DURING,),
    short={"during_ms": 1200},
    variants=PROTECTIONS,
    trials_sim=10,
    measurements=tuple(one for variant in PROTECTIONS for one in _of_protection(variant)),
    expectations=(
        Expectation(
            "one-disturbs-all",
            "without protection one broken link deposes a leader that a majority hears",
            lambda m: (
                m.value("leader_changes_neither") >= 1 and m.value("term_growth_neither") >= 1
            ),
            ("leader_changes_neither", "term_growth_neither"),
        ),
        Expectation(
            "pre-vote-protects",
            "with PreVote and CheckQuorum terms stay as they are, and so does the leader",
            lambda m: m.value("leader_changes_both") == 0 and m.value("term_growth_both") == 0,
            ("leader_changes_both", "term_growth_both"),
        ),
    ),
)

EXPERIMENTS = (PARTITION_MINORITY, PARTITION_LEADER, ASYMMETRIC_PARTITION)
