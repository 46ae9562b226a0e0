"""How long a cluster is without a leader, and on what that depends (paper 5.2 and 9.3)."""

from __future__ import annotations

from labs.kit.experiment import Expectation, Measurement, Trial, Variant
from labs.kit.lab import Setting
from labs.raft.experiments.tools import (
    LOST,
    new_leader,
    number,
    of_kind,
    raft_experiment,
    require_usual,
    served_by,
    settled,
    warmed_up,
    won_after,
)
from labs.raft.scenarios.watch import Watch
from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import Indeterminate, Refused
from nodes.core import NodeId
from nodes.timeline import TimelineEvent
from protos import kv_pb2 as kv

PAPER = {"election_timeout_ms_min": 150, "election_timeout_ms_max": 300, "heartbeat_ms": 75}
# The paper's Raft asks nobody before it campaigns, and lets anyone depose a leader.
AS_IN_THE_PAPER = {"heartbeat_ms": 75, "pre_vote": "off", "check_quorum": "off"}

FIRST_ELECTION_MS = 60_000  # before the experiment: with little randomness it takes long as well

# ------------------------------------------------------------------------------- leader-crash


async def crash_leader(trial: Trial) -> None:
    """Kills the leader at a random moment between two heartbeats, under load."""
    watch, workload = await warmed_up(trial)
    await trial.sleep(trial.rng.uniform(0, trial.number_of("heartbeat_ms")))
    leader = await watch.leader_now()
    trial.notes["term"] = (await watch.seen(leader)).term
    trial.phase("during")
    await trial.inject(kinds.Kill((leader,)))
    survivors = watch.others(leader)
    await new_leader(
        trial,
        after_term=trial.notes["term"],
        among=survivors,
        within_ms=8 * trial.timeout_ms,
    )
    for kind in ("append", "read"):
        await workload.progress(2, f=kind, within_ms=20 * trial.timeout_ms)
    await settled(trial, workload)
    trial.judged_by("append-list")


def analyse_crash(trial: Trial) -> None:
    """Downtime in its three parts, from the notes of the survivors and the clients' answers."""
    if trial.injections:
        crashed_ms = trial.injections[0].at_ms
        won = won_after(trial, crashed_ms, term=trial.notes["term"])
        campaigns = of_kind(trial.events, "campaign", crashed_ms, won.at_ms)
        trial.evidence.require(bool(campaigns), "nobody was seen to campaign")
        served = [
            (sample.ended_ns or 0) / 1e6
            for sample in trial.operations()
            if sample.ok and sample.f == "append" and (sample.ended_ns or 0) / 1e6 >= won.at_ms
        ]
        if trial.evidence.require(bool(served), "no write succeeded after the election"):
            detected_ms = campaigns[0].at_ms if campaigns else won.at_ms
            trial.measure("downtime_ms", min(served) - crashed_ms)
            trial.measure("detection_ms", detected_ms - crashed_ms)
            trial.measure("election_ms", won.at_ms - detected_ms)
            trial.measure("first_write_ms", min(served) - won.at_ms)
            longest_ms = trial.number_of("election_timeout_ms_max")
            trial.measure("downtime_timeouts", (min(served) - crashed_ms) / longest_ms)
            trial.measure("terms_used", number(won, "term") - trial.notes["term"])
    require_usual(trial)


LEADER_CRASH = raft_experiment(
    id="leader-crash",
    title="The leader crashes",
    question="How long does nobody serve when the leader crashes, where does the time go, "
    "and is anything lost that was acknowledged?",
    trial=crash_leader,
    analyse=analyse_crash,
    faults=("kill",),
    params=PAPER,
    trials_sim_short=3,
    trials_real_short=3,
    measurements=(
        Measurement("downtime_ms", "ms", "from the crash to the next acknowledged write"),
        Measurement("detection_ms", "ms", "from the crash until the first survivor campaigns"),
        Measurement("election_ms", "ms", "from the first campaign until a leader is elected"),
        Measurement("first_write_ms", "ms", "from the election to the first acknowledged write"),
        Measurement(
            "downtime_max_ms", "ms", "the longest downtime of all trials", "max", "downtime_ms"
        ),
        Measurement(
            "downtime_timeouts", "timeouts", "the same, in units of the longest election timeout"
        ),
        Measurement("terms_used", "terms", "elections until one was won; 1: no vote split", "mean"),
        LOST,
    ),
    expectations=(
        Expectation(
            "nothing-lost",
            "no acknowledged write is lost",
            lambda m: m.value("acknowledged_writes_lost") == 0,
            ("acknowledged_writes_lost",),
        ),
        Expectation(
            "detection-dominates",
            "most of the downtime is spent on noticing that the leader is gone",
            lambda m: m.value("detection_ms") > 0.5 * m.value("downtime_ms"),
            ("detection_ms", "downtime_ms"),
            samples=3,
        ),
        Expectation(
            "within-two-timeouts",
            "the median downtime is below twice the longest election timeout",
            lambda m: m.value("downtime_timeouts") < 2,
            ("downtime_timeouts",),
            samples=3,
        ),
    ),
)

# -------------------------------------------------------------------------- election-timeouts

CAP = Setting("cap_ms", 10_000, "an election that takes longer is given up, and counts as this")
ONE_WAY = Setting(
    "one_way_ms", 7, "how late every message between servers is; the paper's broadcast is 15 ms"
)


async def _slow_links(trial: Trial, one_way_ms: int) -> None:
    nodes = trial.cluster.nodes
    pairs = [(a, b) for place, a in enumerate(nodes) for b in nodes[place + 1 :]]
    await trial.inject(*(kinds.Delay(a, b, one_way_ms) for a, b in pairs))


async def _put(trial: Trial, node: NodeId, key: str) -> bool:
    request = kv.PutRequest(key=key, value=b"1")
    try:
        await trial.cluster.call(node, request, timeout_ms=4 * trial.timeout_ms)
    except (Refused, Indeterminate):
        return False
    return True


async def crash_plainly(trial: Trial) -> None:
    """Kills the leader at a random moment between two heartbeats; each survivor may win."""
    watch, leader = await _elected(trial, trial.number_of("one_way_ms"))
    await _crash_and_elect(trial, watch, leader)


async def _elected(trial: Trial, one_way_ms: int) -> tuple[Watch, NodeId]:
    """A leader that serves, however long that takes without random timeouts; and slow links."""
    nodes = trial.cluster.nodes
    await new_leader(trial, after_term=0, among=nodes, within_ms=FIRST_ELECTION_MS)
    await _slow_links(trial, one_way_ms)
    leader = await served_by(trial, nodes)
    trial.evidence.require(await _put(trial, leader, "warm-up"), "no write before the fault")
    watch = Watch(trial.cluster)
    await watch.converged()
    trial.phase("before")
    return watch, leader


async def _crash_and_elect(trial: Trial, watch: Watch, leader: NodeId) -> None:
    await trial.sleep(trial.rng.uniform(0, trial.number_of("heartbeat_ms")))
    term = (await watch.seen(leader)).term
    trial.notes |= {"term": term, "leader": leader}
    trial.phase("during")
    await trial.inject(kinds.Kill((leader,)))
    cap_ms = trial.number_of("cap_ms")
    if trial.faults_disabled:
        return
    await new_leader(
        trial, after_term=term, among=watch.others(leader), within_ms=cap_ms + trial.timeout_ms
    )


def analyse_election(trial: Trial) -> None:
    """Time and terms of the election, from the servers' notes."""
    kills = [one for one in trial.injections if one.fault.kind == "kill"]
    if not kills:
        return
    crashed_ms, cap_ms = kills[0].at_ms, float(trial.number_of("cap_ms"))
    campaigns = of_kind(trial.events, "campaign", crashed_ms)
    if not trial.evidence.require(bool(campaigns), "nobody campaigned"):
        return
    won = _won(trial, crashed_ms)
    took_ms = min(won.at_ms - crashed_ms, cap_ms) if won else cap_ms
    last = number(won if won else campaigns[-1], "term")
    terms = last - int(trial.notes["term"])
    trial.measure_variant("election_ms", took_ms)
    trial.measure_variant("split_share", 100.0 if terms > 1 or won is None else 0.0)
    trial.measure_variant("terms", terms)


def _won(trial: Trial, crashed_ms: float) -> TimelineEvent | None:
    later = (
        e for e in of_kind(trial.events, "leader", crashed_ms) if e.node != trial.notes["leader"]
    )
    return next((e for e in later if number(e, "term") > int(trial.notes["term"])), None)


def _range(longest_ms: int, *, short: bool = True) -> Variant:
    params = {"election_timeout_ms_min": 150, "election_timeout_ms_max": longest_ms}
    return Variant(f"150_{longest_ms}", params, short=short)


RANGES = (
    _range(151, short=False),
    _range(155),
    _range(175, short=False),
    _range(200, short=False),
    _range(300),
)


def _of_range(variant: Variant) -> tuple[Measurement, ...]:
    name, shown = variant.name, variant.name.replace("_", "-")
    election, split = f"election_ms_{name}", f"split_share_{name}"
    return (
        Measurement(election, "ms", f"from the crash to the new leader, timeouts of {shown} ms"),
        Measurement(
            f"election_p99_ms_{name}", "ms", f"the same, the slowest in a hundred ({shown} ms)",
            "p99", election,
        ),
        Measurement(
            split, "%", f"elections that needed more than one term, timeouts of {shown} ms", "mean"
        ),
    )  # fmt: skip


ELECTION_TIMEOUTS = raft_experiment(
    id="election-timeouts",
    title="Random election timeouts (the paper's Figure 16)",
    question="How wide must the range of election timeouts be for elections to be quick?",
    trial=crash_plainly,
    analyse=analyse_election,
    faults=("delay", "kill"),
    params=AS_IN_THE_PAPER,
    settings=(CAP, ONE_WAY),
    short={"cap_ms": 2000},
    variants=RANGES,
    trials_sim=60,
    trials_sim_short=20,
    trials_real=5,
    trials_real_short=5,
    measurements=tuple(one for variant in RANGES for one in _of_range(variant)),
    expectations=(
        Expectation(
            "narrow-splits",
            "with timeouts of 150-155 ms most elections need more than one term",
            lambda m: m.value("split_share_150_155") > 50,
            ("split_share_150_155",),
            samples=20,
        ),
        Expectation(
            "wide-seldom-splits",
            "with 150-300 ms few do, and fewer than half as many as with 150-155 ms",
            lambda m: m.value("split_share_150_300") < 0.5 * m.value("split_share_150_155"),
            ("split_share_150_300", "split_share_150_155"),
            samples=20,
        ),
        Expectation(
            "wide-is-quicker",
            "the median election is quicker with 150-300 ms than with 150-155 ms",
            lambda m: m.value("election_ms_150_300") < m.value("election_ms_150_155"),
            ("election_ms_150_300", "election_ms_150_155"),
            samples=5,
        ),
        Expectation(
            "narrow-tail",
            "the slowest elections take longer with 150-155 ms than with 150-300 ms",
            lambda m: m.value("election_p99_ms_150_155") > m.value("election_p99_ms_150_300"),
            ("election_p99_ms_150_155", "election_p99_ms_150_300"),
            samples=20,
        ),
        Expectation(
            "no-randomness",
            "with hardly any randomness (150-151 ms) an election takes seconds",
            lambda m: m.value("election_ms_150_151") > 3 * m.value("election_ms_150_300"),
            ("election_ms_150_151", "election_ms_150_300"),
            samples=20,
        ),
    ),
)

# --------------------------------------------------------------------------------- split-vote


def _voters(nodes: int, word: str, range_ms: int, *, short: bool = True) -> Variant:
    params = {"election_timeout_ms_min": 150, "election_timeout_ms_max": 150 + range_ms}
    return Variant(f"{nodes}_{word}", params, nodes=nodes, short=short)


VOTERS = (
    _voters(3, "tight", 10),
    _voters(3, "narrow", 100, short=False),
    _voters(3, "wide", 200),
    _voters(5, "tight", 10, short=False),
    _voters(5, "narrow", 100, short=False),
    _voters(5, "wide", 200, short=False),
)
_RANGE_OF = {"tight": 10, "narrow": 100, "wide": 200}


def _of_voters(variant: Variant) -> tuple[Measurement, ...]:
    nodes, word = variant.name.split("_")
    where = f"{nodes} servers, timeouts over {_RANGE_OF[word]} ms, messages of 10 ms"
    return (
        Measurement(f"split_share_{variant.name}", "%", f"elections that split: {where}", "mean"),
        Measurement(f"terms_{variant.name}", "terms", f"terms until one was won: {where}", "mean"),
    )  # fmt: skip


SPLIT_VOTE = raft_experiment(
    id="split-vote",
    title="Split votes",
    question="How often do votes split, and what has that to do with the time a message takes?",
    trial=crash_plainly,
    analyse=analyse_election,
    faults=("delay", "kill"),
    params=AS_IN_THE_PAPER,
    settings=(
        CAP,
        Setting("one_way_ms", 10, "how late every message between servers is"),
    ),
    variants=VOTERS,
    trials_sim=120,
    trials_sim_short=20,
    trials_real=5,
    trials_real_short=1,
    measurements=tuple(one for variant in VOTERS for one in _of_voters(variant)),
    expectations=(
        Expectation(
            "tight-splits",
            "votes split often when timeouts differ by no more than a message takes",
            lambda m: m.value("split_share_3_tight") > 2 * m.value("split_share_3_wide"),
            ("split_share_3_tight", "split_share_3_wide"),
            samples=20,
        ),
        Expectation(
            "rule-of-thumb",
            "timeouts spread over 20 times what a message takes keep split votes under 40 %",
            lambda m: m.value("split_share_3_wide") < 40,
            ("split_share_3_wide",),
            samples=20,
        ),
        Expectation(
            "more-voters-split-less",
            "with four of five servers alive, a candidate can do without one vote: fewer split",
            lambda m: m.value("split_share_5_narrow") < m.value("split_share_3_narrow"),
            ("split_share_5_narrow", "split_share_3_narrow"),
            samples=100,
        ),
    ),
)

EXPERIMENTS = (LEADER_CRASH, ELECTION_TIMEOUTS, SPLIT_VOTE)
