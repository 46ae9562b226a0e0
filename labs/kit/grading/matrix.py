"""The kill matrix: which check catches which planted bug.

A check that catches nothing proves nothing, and a bug that nobody catches is a guarantee that
nobody checks. Every cell is first tried on a few schedules. What is left then, bugs that no check
caught and checks that caught no bug, is tried on as many as a normal grade does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from labs.kit.errors import LabError
from labs.kit.grading.course import Check, Course, load_course
from labs.kit.grading.judge import Implementation, Judge, Run
from labs.kit.text import counted
from labs.kit.workers import TaskFailed, WorkerDied, Workers
from nodes.loading import core_name

TOLD_EVERY_S: Final = 0.5
MARKS: Final = {"caught": "x", "missed": ".", "unknown": "?"}
Fate = Literal["caught", "missed", "unknown"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What to try: one planted bug against one check, on these schedules until one fails."""

    mutant: str
    check: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of it. A caught bug has the first failing seed, and what was said about it;
    `unknown` means that no schedule proved anything."""

    mutant: str
    check: str
    fate: Fate
    tried: int
    seed: int | None = None
    expected: str = ""
    observed: str = ""


@dataclass(frozen=True)
class Matrix:
    """Rows are planted bugs, columns checks. `faults` says of each bug what it does wrong."""

    lab: str
    faults: Mapping[str, str]
    checks: tuple[Check, ...]
    cells: Mapping[tuple[str, str], Cell]

    def caught_by(self, mutant: str) -> tuple[Cell, ...]:
        """Where a bug was caught, in the order of the course."""
        return self._caught((mutant, check.id) for check in self.checks)

    def catches(self, check: str) -> tuple[Cell, ...]:
        """Which bugs a check caught."""
        return self._caught((mutant, check) for mutant in self.faults)

    def _caught(self, places: Iterator[tuple[str, str]]) -> tuple[Cell, ...]:
        return tuple(self.cells[place] for place in places if self.cells[place].fate == "caught")

    @property
    def survivors(self) -> tuple[str, ...]:
        """Bugs that no check caught."""
        return tuple(mutant for mutant in self.faults if not self.caught_by(mutant))

    @property
    def idle_checks(self) -> tuple[str, ...]:
        """Checks that caught no bug."""
        return tuple(check.id for check in self.checks if not self.catches(check.id))

    @property
    def all_caught(self) -> bool:
        """No bug survives."""
        return not self.survivors

    def text(self) -> str:
        """For a terminal: the matrix, its columns by name, and how each bug shows."""
        width = max(map(len, self.faults), default=0)
        return "\n".join((*self._table(width), "", *self._columns(), "", *self._ends(width)))

    def _table(self, width: int) -> Iterator[str]:
        numbers = [f"{number:>2}" for number in range(1, len(self.checks) + 1)]
        for digit in (0, 1):
            yield f"{'':{width}}  {self._spaced([number[digit] for number in numbers])}".rstrip()
        for mutant in self.faults:
            marks = [MARKS[self.cells[mutant, check.id].fate] for check in self.checks]
            yield f"{mutant:{width}}  {self._spaced(marks)}"
        yield f"{MARKS['caught']} caught   {MARKS['missed']} missed   {MARKS['unknown']} no proof"

    def _spaced(self, marks: Sequence[str]) -> str:
        """With a gap between two parts of the course."""
        row, part = "", None
        for mark, check in zip(marks, self.checks, strict=True):
            row += (" " if part not in (None, check.part) else "") + mark
            part = check.part
        return row

    def _columns(self) -> Iterator[str]:
        for number, check in enumerate(self.checks, 1):
            caught = self.catches(check.id)
            amount = f"catches {len(caught)}" if caught else "catches none"
            yield f"{number:>2}  part {check.part}  {check.id} ({amount})"

    def _ends(self, width: int) -> Iterator[str]:
        for mutant, fault in self.faults.items():
            caught = self.caught_by(mutant)
            yield f"{mutant:{width}}  {fault}"
            if not caught:
                yield f"{'':{width}}  survives"
                continue
            first = caught[0]
            yield f"{'':{width}}  {counted(len(caught), 'check')}; {first.check}, seed {first.seed}"
            yield f"{'':{width}}  expected {first.expected}; observed {first.observed}"
        if self.survivors:
            yield f"{counted(len(self.survivors), 'planted bug')} caught by no check"
        else:
            yield f"all {counted(len(self.faults), 'planted bug')} caught"

    def to_json(self) -> dict[str, Any]:
        """The document of --json."""
        return {
            "lab": self.lab,
            "checks": [check.id for check in self.checks],
            "mutants": [
                {
                    "name": mutant,
                    "fault": fault,
                    "caught_by": [
                        {
                            "check": cell.check,
                            "seed": cell.seed,
                            "expected": cell.expected,
                            "observed": cell.observed,
                        }
                        for cell in self.caught_by(mutant)
                    ],
                }
                for mutant, fault in self.faults.items()
            ],
            "survivors": list(self.survivors),
            "idle_checks": list(self.idle_checks),
        }


def kill_matrix(
    course: Course,
    *,
    jobs: int,
    mutants: Sequence[str] = (),
    checks: Sequence[Check] = (),
    first_seed: int = 1,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Matrix:
    """Every planted bug (or those named) against every simulated check (or these). `told` hears how
    many trials are done, of how many that are known to be wanted. Raises LabError when a worker
    process fails."""
    columns = tuple(check for check in checks or course.checks if check.runs_in("sim"))
    rows = tuple(mutants) or tuple(course.mutants)
    faults = {name: _fault(course, name) for name in rows}
    cells: dict[tuple[str, str], Cell] = {}

    def matrix() -> Matrix:
        return Matrix(course.lab, faults, columns, cells)

    def trials(mutant: str, check: Check, first: int, count: int) -> Trial:
        return Trial(mutant, check.id, tuple(range(first, first + count)))

    quick = [trials(m, c, first_seed, c.quick_seeds) for m in rows for c in columns]
    with Workers(begin, (course.lab,), jobs) as workers:
        for done, cell in enumerate(_outcomes(workers, iter(quick)), 1):
            cells[cell.mutant, cell.check] = cell
            told(done, len(quick))
        so_far = matrix()
        survivors, idle_checks = set(so_far.survivors), set(so_far.idle_checks)

        def left() -> Iterator[Trial]:
            for mutant in rows:
                for check in columns:
                    wanted = mutant in survivors or check.id in idle_checks
                    if wanted and check.seeds > check.quick_seeds:
                        first = first_seed + check.quick_seeds
                        yield trials(mutant, check, first, check.seeds - check.quick_seeds)

        for done, cell in enumerate(_outcomes(workers, left()), 1):
            if cell.fate != "unknown":
                cells[cell.mutant, cell.check] = cell
            if cell.fate == "caught":  # What is not left any more needs no more trials.
                survivors.discard(cell.mutant)
                idle_checks.discard(cell.check)
            told(len(quick) + done, len(quick) + done)
    return matrix()


def begin(lab: str) -> Callable[[Trial], Cell]:
    """What a worker process runs."""
    course = load_course(lab)
    judge = Judge(course)

    def run(trial: Trial) -> Cell:
        core = course.mutants[trial.mutant]
        bug = Implementation(trial.mutant, core_name(core))
        proved = 0
        for tried, seed in enumerate(trial.seeds, 1):
            outcome = judge.run(Run(trial.check, seed, bug))
            if outcome.verdict == "fail":
                said = outcome.expected, outcome.observed
                return Cell(trial.mutant, trial.check, "caught", tried, seed, *said)
            proved += outcome.verdict == "pass"
        fate: Fate = "missed" if proved else "unknown"
        return Cell(trial.mutant, trial.check, fate, len(trial.seeds))

    return run


def _fault(course: Course, mutant: str) -> str:
    if mutant not in course.mutants:
        raise LabError(f"{course.lab} has no planted bug {mutant}")
    return " ".join((course.mutants[mutant].__doc__ or "").split())


def _outcomes(workers: Workers[Trial, Cell], trials: Iterator[Trial]) -> Iterator[Cell]:
    try:
        for cell in workers.results(trials, timeout_s=lambda: TOLD_EVERY_S):
            if cell is not None:
                yield cell
    except WorkerDied as died:
        raise LabError(
            f"the process that tried {died.task.mutant} against {died.task.check} ended with "
            f"status {died.exit_code}; try again with --jobs 1"
        ) from None
    except TaskFailed as failed:
        raise LabError(
            f"{failed.task.mutant} against {failed.task.check} could not be judged: {failed.reason}"
        ) from None
