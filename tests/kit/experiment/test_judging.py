"""When a run counts, and what it says: pass, fail, unknown, INVALID."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from labs.kit.check import Failed, Vacuous
from labs.kit.errors import LabError
from labs.kit.experiment import Expectation, Experiment, Measurement, Trial, Variant
from labs.kit.experiment.evidence import require_overlap, require_traffic
from labs.kit.experiment.runner import Order, Run, run_in_simulation
from labs.kit.history import Entry
from labs.kit.runs import RunFolder, keep
from labs.kit.workloads import Operation, Registers
from labs.raft.lab import LAB
from labs.raft.scenarios.watch import Watch
from nodes.cluster import fault_kinds as kinds
from nodes.core import Effect, Event, NodeId
from nodes.sim.cluster import SimCluster

ONE = Measurement("ones", "ones", "always one")


def experiment(trial: object, **fields: object) -> Experiment:
    """The smallest one there is."""
    given = {"measurements": (ONE,), "trials_sim": 2, "nodes": 3} | fields
    return Experiment("tiny", "Tiny", "Is one one?", trial, **given)  # type: ignore[arg-type]  # by name


def run(trial: object, **fields: object) -> Run:
    """In simulation, two trials."""
    return run_in_simulation(Order(LAB, experiment(trial, **fields)))


async def measures(trial: Trial) -> None:
    """Nothing but a figure."""
    trial.measure("ones", 1.0)


def claim(value: float, samples: int = 1) -> Expectation:
    """That the figure has this value."""
    return Expectation("one", "one is one", lambda m: m.value("ones") == value, ("ones",), samples)


def test_pass_and_fail_by_what_was_measured() -> None:
    """A claim that holds is a pass, one that does not a failure."""
    assert run(measures, expectations=(claim(1),)).status == "pass"
    failed = run(measures, expectations=(claim(2),))
    assert failed.status == "fail"
    assert [one.holds for one in failed.findings if one.id == "one"] == [False]


def test_a_lab_without_pictures_has_no_look_at_the_end(tmp_path: Path) -> None:
    """Its nodes are asked nothing, and its page has the diagram alone."""
    done = run(measures)
    assert done.shown is not None
    assert done.shown.ending is None
    keep(RunFolder(tmp_path), done)
    assert "class='picture'" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_claim_on_too_few_samples_is_not_asked() -> None:
    """A distribution is no matter of two trials."""
    done = run(measures, expectations=(claim(2, samples=3),))
    assert done.status == "pass"
    assert [one.id for one in done.findings] == ["trials"]


def test_what_is_declared_must_be_measured() -> None:
    """A figure that the guide may name, and that nobody measured, is no pass."""

    async def measures_nothing(trial: Trial) -> None:
        await trial.sleep(1)

    done = run(measures_nothing)
    assert done.status == "invalid"
    assert "not measured: ones" in done.outcomes[-1].missing


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Vacuous("nothing happened"), "invalid"),
        (Failed("one leader", "two"), "fail"),
        (TimeoutError("no leader within 5 ms"), "fail"),
    ],
)
def test_errors_of_a_trial(error: Exception, status: str) -> None:
    """A premise that did not come about is INVALID; a promise that was broken is a failure."""

    async def raises(trial: Trial) -> None:
        raise error

    assert run(raises).status == status


def test_our_own_mistakes_are_no_verdict() -> None:
    """A bug of an experiment is raised, and not told as a result."""

    async def is_wrong(trial: Trial) -> None:
        raise KeyError("oops")

    with pytest.raises(KeyError):
        run(is_wrong)


def test_a_broken_invariant_is_a_failure() -> None:
    """What a lab's observers raise in simulation is a finding, with the events up to then."""

    class Broken(Exception):
        pass

    def observer(
        cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if cluster.now_ms() > 50:
            raise Broken("two leaders")

    async def waits(trial: Trial) -> None:
        trial.measure("ones", 1.0)
        await trial.sleep(2000)

    done = run(waits, observers=lambda: [observer], violations=(Broken,))
    assert done.status == "fail"
    assert "two leaders" in done.outcomes[0].broken[0]
    assert done.shown is not None
    assert done.shown.events


async def writes_and_reads(trial: Trial, wrong: bool) -> None:
    """A few operations in order; one read is told to have returned something never written."""
    await Watch(trial.cluster).leader()
    client = trial.workload(Registers(("x",), Random(1)))
    for operation in (Operation("write", "x", 1), Operation("read", "x")):
        assert (await client.once(operation)).ok
    if wrong:
        last = trial.recorder.entries[-1]
        trial.recorder.entries[-1] = Entry(last.process, "ok", "read", 99, "x", last.time)
    await trial.read_everywhere(client)
    trial.measure("ones", 1.0)
    trial.judged_by("cas-register")


def test_histories_are_judged() -> None:
    """The checker sees every operation; a wrong answer to one of them fails the run."""

    async def right(trial: Trial) -> None:
        await writes_and_reads(trial, wrong=False)

    async def wrong(trial: Trial) -> None:
        await writes_and_reads(trial, wrong=True)

    good, bad = run(right), run(wrong)
    assert good.status == "pass"
    assert good.outcomes[0].history is not None
    assert good.outcomes[0].history["operations"] == 3
    assert bad.status == "fail"
    assert "not linearizable" in bad.outcomes[0].broken[0]


def test_operations_that_the_checker_did_not_see_make_a_run_invalid() -> None:
    """A checker that saw less than the clients sent has judged another history."""

    async def hides(trial: Trial) -> None:
        await writes_and_reads(trial, wrong=False)
        del trial.recorder.entries[-2:]

    done = run(hides)
    assert done.status == "invalid"
    assert "the checker saw 2 operations of 3" in done.outcomes[0].missing


async def with_traffic(trial: Trial, *, pause_ms: float, during: bool) -> None:
    """Clients around a fault, or beside it."""
    watch = Watch(trial.cluster)
    await watch.leader()
    client = trial.workload(Registers(("x",), Random(1)))
    client.closed_loop(1, pause_ms=pause_ms)
    await client.progress(3, within_ms=20_000)
    trial.phase("before")
    await trial.sleep(400)
    if not during:
        await client.stop()
    trial.phase("during")
    await trial.inject(kinds.Isolate(watch.others(await watch.leader())[0]))
    await trial.sleep(300)
    trial.end_phase()
    await client.stop()
    trial.measure("ones", 1.0)


def demand(trial: Trial) -> None:
    """The rules of traffic."""
    require_traffic(trial, ("read", "write"), ("before", "during"), rate_before="before")
    require_overlap(trial, "during")


@pytest.mark.parametrize(
    ("pause_ms", "during", "missing"),
    [
        (5, True, None),
        (5, False, "no operation overlapped the fault"),
        (5, False, "no write succeeded during the fault"),
        (100, True, "operations a second before the fault, fewer than 50"),
    ],
)
def test_traffic_is_demanded(pause_ms: float, during: bool, missing: str | None) -> None:
    """Before and while the fault acts, each kind, and enough of it."""

    async def trial_of(trial: Trial) -> None:
        await with_traffic(trial, pause_ms=pause_ms, during=during)

    done = run(trial_of, analyse=demand, faults=("isolate",))
    lacks = [clause for outcome in done.outcomes for clause in outcome.missing]
    if missing is None:
        assert (done.status, lacks) == ("pass", [])
    else:
        assert done.status == "invalid"
        assert any(missing in clause for clause in lacks)


async def with_open_loop(trial: Trial, *, pause: bool) -> None:
    """400 operations a second on servers that answer; or for two seconds on some that do not."""
    await Watch(trial.cluster).leader()
    client = trial.workload(Registers(("x",), Random(1)), timeout_ms=5000)
    client.open_loop(400)
    await client.progress(3, within_ms=20_000)
    if pause:
        await trial.inject(kinds.Pause(trial.cluster.nodes))
    await trial.sleep(2000 if pause else 300)
    await client.cancel()
    trial.measure("ones", 1.0)


@pytest.mark.parametrize("pause", [False, True])
def test_what_an_open_loop_shed_is_told(pause: bool, tmp_path: Path) -> None:
    """How much there was, in operations; with more than a hundredth of it the run cannot tell, and
    says that its latencies are too good."""

    async def trial_of(trial: Trial) -> None:
        await with_open_loop(trial, pause=pause)

    done = run(trial_of)
    report = keep(RunFolder(tmp_path), done)
    due, shed = (report["measurements"][f"open_loop_{name}"] for name in ("due", "shed"))
    (told,) = (one for one in report["verdicts"] if one["id"] == "open-loop")
    assert due["unit"] == shed["unit"] == "operations"
    assert due["value"] > 100
    assert ("latencies of this run are too good" in told["observed"]) is pause
    assert ("latencies of this run are too good" in (tmp_path / "report.html").read_text()) is pause
    if pause:
        assert (done.status, told["holds"]) == ("unknown", None)
        assert shed["value"] > 0.01 * due["value"]
    else:
        assert (done.status, told["holds"], shed["value"]) == ("pass", True, 0)


def test_without_an_open_loop_nothing_is_said_of_it() -> None:
    """Closed loops shed nothing by their nature."""
    done = run(measures)
    assert "open_loop_due" not in done.figures
    assert "open-loop" not in {one.id for one in done.findings}


def test_a_trial_that_is_not_good_is_the_one_that_is_kept() -> None:
    """Of many trials the first that went wrong is shown, and not the first."""

    async def second_is_wrong(trial: Trial) -> None:
        trial.measure("ones", 1.0)
        if trial.number == 2:
            raise Failed("good luck", "bad luck")

    done = run(second_is_wrong, trials_sim=3)
    assert done.shown is not None
    assert done.shown.number == 2


def test_settings_of_variants_are_not_the_users() -> None:
    """What the variants decide cannot be set; what does not go together is refused."""
    tiny = experiment(measures, variants=(Variant("a", {"pre_vote": "off"}),))
    with pytest.raises(LabError, match="variants of tiny decide it"):
        run_in_simulation(Order(LAB, tiny, params={"pre_vote": "on"}))
    with pytest.raises(LabError, match="must be less than"):
        run_in_simulation(Order(LAB, tiny, params={"heartbeat_ms": 5000}))


def test_another_runtime_is_refused() -> None:
    """An experiment that makes no sense on real processes says so."""
    tiny = experiment(measures, runtimes=("sim",))
    from labs.kit.experiment.runner import run_on_processes

    with pytest.raises(LabError, match="runs in sim, not in local"):
        asyncio.run(run_on_processes(Order(LAB, tiny, "local"), None))  # type: ignore[arg-type]  # never used
