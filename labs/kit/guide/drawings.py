"""Pictures of the guide, drawn from real runs: `make drawings`.

guide/pictures/drawings.yaml names each picture and the run that it shows. Simulations repeat
themselves, so the run can be had again at any time, and a test holds every picture against it.

    leader-crashes:                # guide/pictures/leader-crashes.svg
      run: raft/leader-crash       # LAB/EXPERIMENT, simulated
      variant: five                # which of the experiment's, if it has several
      seed: 3
      set: {nodes: 3}              # settings, as `lab run --set`
      from: -50                    # milliseconds from the first fault on
      to: 300
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from labs.kit.errors import DONE, LabError, end_as, nearest
from labs.kit.guide.pages import GUIDE_FOLDER
from labs.kit.text import from_here

FOLDER: Final = GUIDE_FOLDER / "pictures"
TABLE: Final = "drawings.yaml"
_KEYS: Final = frozenset({"run", "variant", "seed", "set", "from", "to"})


@dataclass(frozen=True, slots=True)
class Drawing:
    """A stretch of one simulated trial, in milliseconds from its first fault on."""

    name: str
    lab: str
    experiment: str
    from_ms: float
    to_ms: float
    variant: str = ""
    seed: int = 1
    assignments: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its name in the folder of pictures."""
        return f"{self.name}.svg"


def load_drawings(folder: Path = FOLDER) -> tuple[Drawing, ...]:
    """All that the table names. Raises LabError for what cannot be read."""
    path = folder / TABLE
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tuple(_drawing(path, name, entry) for name, entry in found.items())


def _drawing(path: Path, name: str, entry: dict[str, Any]) -> Drawing:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise LabError(f"{from_here(path)}: {name}: {unknown[0]}? {nearest(unknown[0], _KEYS)}")
    try:
        lab, experiment = entry["run"].split("/")
        return Drawing(
            name,
            lab,
            experiment,
            float(entry["from"]),
            float(entry["to"]),
            entry.get("variant", ""),
            int(entry.get("seed", 1)),
            tuple(f"{key}={value}" for key, value in entry.get("set", {}).items()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{from_here(path)}: {name}: {error!r}") from None


def draw(drawing: Drawing) -> str:
    """The picture as an SVG document. Raises LabError for a run that there is not, or in which
    nothing was broken: a picture of the guide shows a fault."""
    from labs.kit.experiment.registry import load_experiments
    from labs.kit.experiment.runner import run_in_simulation
    from labs.kit.measured_run import order_of
    from labs.kit.registry import load_lab
    from labs.kit.timeline import diagram, svg

    lab = load_lab(drawing.lab)
    order = order_of(
        lab,
        load_experiments(lab),
        drawing.experiment,
        "sim",
        drawing.seed,
        drawing.assignments,
        1,
        False,
    )
    if drawing.variant:
        order = replace(order, variants=(drawing.variant,))
    if not order.chosen_variants():
        known = [one.name for one in order.experiment.chosen_variants(simulated=True, short=False)]
        raise LabError(f"{drawing.name}: {nearest(drawing.variant, known)}")
    trial = run_in_simulation(order, lambda line: None).shown
    if trial is None or not trial.injections:
        raise LabError(f"{drawing.name}: no fault was injected in this run")
    first_ms = trial.injections[0].at_ms
    variant = f", {drawing.variant}" if drawing.variant else ""
    return svg(
        diagram(
            trial.events,
            trial.recorder.entries,
            lab=load_lab(trial.cluster.spec.lab),
            nodes=trial.cluster.nodes,
            from_ms=max(0.0, first_ms + drawing.from_ms),
            to_ms=first_ms + drawing.to_ms,
        ),
        title=f"{drawing.lab}/{drawing.experiment}{variant}: simulated, seed {drawing.seed}",
    )


def main(names: Sequence[str], folder: Path = FOLDER) -> int:
    """Draws these pictures anew, or all. Raises LabError for one that the table does not name."""
    drawings = {drawing.name: drawing for drawing in load_drawings(folder)}
    for name in names or drawings:
        if name not in drawings:
            raise LabError(f"no picture {name}; {nearest(name, drawings)}")
        path = folder / drawings[name].file
        path.write_text(draw(drawings[name]), encoding="utf-8")
        print(f"written: {from_here(path)}")
    return DONE


if __name__ == "__main__":
    end_as(main)
