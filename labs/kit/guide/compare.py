"""What the guide claims beside what was measured here: one row a claim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE
from labs.kit.guide.claims import Answered, Claim, claims_of, hold
from labs.kit.text import counted

if TYPE_CHECKING:
    from labs.kit.guide.pages import Question
    from labs.kit.runs import RunFolder

Verdict: TypeAlias = Literal["agree", "differ", "unknown", "not run"]


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run that was kept."""

    folder: RunFolder
    report: Mapping[str, Any]

    @property
    def as_written(self) -> bool:
        """With the experiment's own settings; the guide says nothing of others."""
        return " --set " not in str(self.report.get("command", ""))


@dataclass(frozen=True, slots=True)
class Row:
    """One claim and what became of it. `run` is the one it was held against, if there is any."""

    question: Question
    claim: Claim
    verdict: Verdict
    observed: str
    reason: str
    run: KeptRun | None

    def says(self) -> str:
        """The claim; what an expectation says is known once it ran."""
        verdicts = () if self.run is None else self.run.report.get("verdicts", ())
        claims = (str(one["claim"]) for one in verdicts if one["id"] == self.claim.expectation)
        return next(claims, self.claim.says())

    def look(self) -> tuple[str, ...]:
        """Where to look when it does not agree, the nearest first."""
        claim = self.claim
        if self.run is None:
            return (f"lab run {claim.lab} {claim.name}",)
        if self.verdict == "agree":
            return ()
        report, seed = self.run.report, int(self.run.report.get("seed", 1))
        runtime = report.get("runtime", "sim")
        again = f"lab run {claim.lab} {claim.name} --runtime {runtime}"
        return (
            f"lab timeline --run {self.run.folder.name}",
            str(self.run.folder.path / "report.html"),
            f"with another seed: {again} --seed {seed + 1}",
            f"what the guide says: lab guide {self.question.id}",
        )

    def to_json(self) -> dict[str, Any]:
        """As in a document."""
        return {
            "question": self.question.id,
            "page": self.question.page,
            "experiment": self.claim.experiment,
            "claim": self.says(),
            "expected": self.claim.says(),
            "verdict": self.verdict,
            "observed": self.observed,
            "reason": self.reason,
            "runtime": None if self.run is None else self.run.report.get("runtime"),
            "run": None if self.run is None else self.run.folder.name,
            "look": list(self.look()),
        }


def kept_runs(folders: Iterable[RunFolder], runtime: str = "") -> dict[str, list[KeptRun]]:
    """Runs by experiment (`raft/leader-crash`), the latest first; of one runtime, or of all.

    Runs with settings of the user's are left out.
    """
    found: dict[str, list[KeptRun]] = {}
    for folder in folders:
        run = KeptRun(folder, folder.report())
        report = run.report
        name = f"{report.get('lab')}/{report.get('experiment')}"
        if report and run.as_written and runtime in ("", report.get("runtime")):
            found.setdefault(name, []).insert(0, run)
    return found


def rows(
    questions: Iterable[Question], runs: Mapping[str, Sequence[KeptRun]], lab: str = ""
) -> Iterator[Row]:
    """Every claim of the questions about this lab, or about all."""
    for question in questions:
        for claim in claims_of(question):
            if lab in ("", claim.lab):
                yield _row(question, claim, runs.get(claim.experiment, ()))


def _row(question: Question, claim: Claim, runs: Sequence[KeptRun]) -> Row:
    """The latest run that can tell; when none can, what the latest of all lacks."""
    if not runs:
        return Row(question, claim, "not run", "", "not run yet", None)
    answers: list[tuple[Answered, KeptRun]] = []
    for run in runs:
        answered = hold(claim, run.report)
        answers.append((answered, run))
        if answered.answer != "unknown":
            break
    answered, run = answers[-1] if answers[-1][0].answer != "unknown" else answers[0]
    return Row(question, claim, answered.answer, answered.observed, answered.reason, run)


def to_run(found: Iterable[Row], *, fresh: bool) -> list[tuple[str, str]]:
    """Lab and experiment of what there is to run, each once: all, or what no run answered yet."""
    wanted = (row.claim for row in found if fresh or row.verdict in ("unknown", "not run"))
    return list(dict.fromkeys((claim.lab, claim.name) for claim in wanted))


def status_of(found: Sequence[Row]) -> int:
    """No when anything differs; could not tell when a claim was not answered."""
    verdicts = {row.verdict for row in found}
    if "differ" in verdicts:
        return ANSWER_IS_NO
    return DONE if verdicts == {"agree"} else COULD_NOT


def summary(found: Sequence[Row]) -> str:
    """How many of each, in one line."""
    counts = ((sum(row.verdict == verdict for row in found), verdict) for verdict in _WORDS)
    said = [_WORDS[verdict](number) for number, verdict in counts if number]
    return f"{counted(len(found), 'claim')}: {', '.join(said)}"


_WORDS: Mapping[Verdict, Callable[[int], str]] = {
    "agree": lambda number: f"{number} {'agrees' if number == 1 else 'agree'}",
    "differ": lambda number: f"{number} {'differs' if number == 1 else 'differ'}",
    "unknown": lambda number: f"{number} could not be told",
    "not run": lambda number: f"{number} not run",
}
