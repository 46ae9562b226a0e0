"""One measured run, from what a user ordered to the folder that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labs.kit.errors import Interrupted, LabError
from labs.kit.output import tell
from labs.kit.run_progress import progress_lines, sigterm_interrupts

if TYPE_CHECKING:
    from labs.kit.experiment import Experiment
    from labs.kit.experiment.runner import Order, Run
    from labs.kit.lab import Lab, Value
    from labs.kit.runs import RunFolder


def order_of(
    lab: Lab,
    experiments: Sequence[Experiment],
    name: str,
    runtime: str,
    seed: int,
    assignments: Sequence[str],
    trials: int | None,
    short: bool,
) -> Order:
    """What is to be run, in the runtime of this name. Raises LabError for what there is not, or
    does not go together."""
    from labs.kit.experiment.runner import Order, find_experiment

    chosen = find_experiment(experiments, name)
    own, params = _settings(lab, chosen, assignments)
    order = Order(lab, chosen, runtime, seed, own, params, trials, short)
    for variant in order.chosen_variants():
        order.spec(variant, seed)  # what does not go together is refused before anything starts
    return order


def _settings(
    lab: Lab, experiment: Experiment, assignments: Sequence[str]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """The experiment's own settings, and the lab's. Raises LabError for what is neither."""
    from dataclasses import replace

    from labs.kit.settings import parse_assignments

    both = replace(lab, settings=(*experiment.settings, *lab.settings))
    values = parse_assignments(both, assignments)
    names = {setting.name for setting in experiment.settings}
    own = {name: value for name, value in values.items() if name in names}
    return own, {name: value for name, value in values.items() if name not in names}


def told_runtime(requested: str) -> str:
    """The one that serves, and said why. Raises LabError when it cannot be had."""
    if requested == "sim":
        return requested
    from labs.kit.runtime import choose_runtime

    choice = choose_runtime(requested)
    tell(choice.sentence())
    return choice.name


def carry_out(order: Order) -> tuple[RunFolder, dict[str, Any]]:
    """Runs it and keeps it: its folder, and its report. Raises LabError when it cannot be run."""
    from labs.kit.runs import keep, new_run_folder
    from labs.kit.session import home_folder

    folder = new_run_folder(
        home_folder(), order.lab.id, order.experiment.id, order.runtime, order.seed
    )
    try:
        with progress_lines() as progress:
            done = _run(order, folder, progress)
    except BaseException:
        _remove_if_empty(folder)
        raise
    return folder, keep(folder, done)


def _run(order: Order, folder: RunFolder, progress: Callable[[str], None]) -> Run:
    from nodes.cluster.api import RuntimeFailure
    from nodes.cluster.faults import FaultRefused

    try:
        if order.simulated:
            from labs.kit.experiment.runner import run_in_simulation

            with sigterm_interrupts():
                return run_in_simulation(order, progress)
        return _on_processes(order, folder, progress)
    except (RuntimeFailure, FaultRefused) as error:
        raise LabError(str(error)) from error
    except KeyboardInterrupt:  # or typer would end us without a word
        raise Interrupted("interrupted; no result was kept") from None


def _on_processes(order: Order, folder: RunFolder, progress: Callable[[str], None]) -> Run:
    from labs.kit.experiment.runner import run_on_processes
    from labs.kit.interruptible import run_interruptible

    return run_interruptible(run_on_processes(order, folder.path, progress))


def _remove_if_empty(folder: RunFolder) -> None:
    """A run that was interrupted leaves only what there is to read."""
    import shutil

    shutil.rmtree(folder.path / "nodes", ignore_errors=True)
    if not any(folder.path.iterdir()):
        folder.path.rmdir()
