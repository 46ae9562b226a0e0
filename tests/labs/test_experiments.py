"""What holds for the experiments of every lab; what each of them measures is in the lab's own
tests."""

from __future__ import annotations

import pytest

from labs.kit.lab import Lab
from labs.kit.registry import all_labs
from tests.support.experiments import Offered, all_experiments, run

EXPERIMENTS = tuple(all_experiments())
LABS = all_labs()


@pytest.mark.parametrize(
    "offered", [one for one in EXPERIMENTS if one.experiment.faults], ids=lambda one: one.id
)
def test_a_fault_that_does_nothing_makes_the_run_invalid(offered: Offered) -> None:
    """Whatever else it measures: without its fault a run is no pass, and says what was missing."""
    lab, experiment = offered
    first = experiment.chosen_variants(simulated=True, short=True)[0].name
    done = run(lab, experiment.id, trials=1, variants=(first,), faults_disabled=True)
    assert done.status == "invalid"
    missing = [clause for outcome in done.outcomes for clause in outcome.missing]
    for kind in experiment.faults:
        assert f"no {kind} was injected" in missing
    assert not done.figures, "what does not count must not be shown as measured"


@pytest.mark.parametrize(
    ("lab", "experiment_id"),
    [("raft", "partition-leader"), ("quorum-store", "sloppy-quorum-loses-overlap")],
)
def test_equal_seeds_give_equal_runs(lab: str, experiment_id: str) -> None:
    """A run can be repeated to the last event by its seed."""
    of_lab = next(one for one in LABS if one.id == lab)
    first, second = (run(of_lab, experiment_id, trials=1) for _ in range(2))
    assert first.shown is not None
    assert second.shown is not None
    assert first.shown.recorder.entries == second.shown.recorder.entries
    assert first.shown.events == second.shown.events


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_catalogue(lab: Lab) -> None:
    """Ids and measurements are unique, every experiment asks a question and claims something; the
    guide refers to them by name."""
    experiments = [one.experiment for one in EXPERIMENTS if one.lab.id == lab.id]
    ids = [one.id for one in experiments]
    assert len(set(ids)) == len(ids) >= 7
    for one in experiments:
        names = [measured.name for measured in one.measurements]
        assert len(set(names)) == len(names), one.id
        assert one.question.endswith("?"), one.id
        assert one.expectations, one.id
        for expectation in one.expectations:
            assert set(expectation.needs) <= set(names), f"{one.id}: {expectation.id}"
        assert all(measured.meaning and measured.unit for measured in one.measurements)
