"""What a learner has reached: `.lab/progress.json`, read by `lab list`, `lab check` and `lab hint`.

Nothing depends on it but comfort, so a file that cannot be read is kept aside and a file that
cannot be written is told once: a grade never fails because of it. Commands that run side by side
(watch mode in one terminal, a full grade in another) lose none of each other's news: what is saved
are changes, made to the file as it is by then.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from labs.kit.errors import LabError
from labs.kit.output import tell

FILE_NAME: Final = "progress.json"
LOCK_NAME: Final = "progress.lock"
VERSION: Final = 1
HINT_LEVELS: Final = 3
SEEDS_KEPT: Final = 20  # failed ones of a check, to be tried first the next time
PREDICTIONS_KEPT: Final = 1000
SIMULATION: Final = "sim"

Verdict = Literal["pass", "fail", "unknown"]
_WORST_FIRST: Final[tuple[Verdict, ...]] = ("fail", "unknown", "pass")


@dataclass(slots=True)
class CheckProgress:
    """One check: how it went last, in each runtime and all in all."""

    verdict: Verdict | None = None
    points: int = 0
    attempts: int = 0
    passed_at: str | None = None  # for the first time
    failed_seeds: list[int] = field(default_factory=list)
    hints: int = 0
    elapsed_s: float = 0.0
    runtimes: dict[str, Verdict] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """It holds wherever it was tried."""
        return self.verdict == "pass"


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction that came out: `about` is an experiment's id, or `check:ID`."""

    at: str
    about: str
    question: str
    answer: str
    right: bool


@dataclass(slots=True)
class LabProgress:
    """One lab."""

    checks: dict[str, CheckProgress] = field(default_factory=dict)
    predictions: list[Answer] = field(default_factory=list)


Labs = dict[str, LabProgress]


class Progress:
    """All labs. Make one with `load`; what is changed counts at once, and stays with `save`."""

    def __init__(self, folder: Path, labs: Labs) -> None:
        self._folder, self._labs = folder, labs
        self._unsaved: list[Callable[[Labs], None]] = []
        self._complained = False

    @classmethod
    def load(cls, folder: Path) -> Progress:
        """What is in the folder; empty when there is nothing yet, or nothing that we can read."""
        return cls(folder, _read(folder / FILE_NAME))

    # ------------------------------------------------------------------------------- to remember

    def record(
        self,
        lab: str,
        check_id: str,
        verdict: Verdict,
        points: int,
        failed_seeds: Sequence[int],
        elapsed_s: float,
        runtime: str = SIMULATION,
    ) -> None:
        """A check was graded. In simulation that begins anew; on real nodes it comes on top: what
        fails in either does not count as passed."""
        moment, seeds = _now(), [seed for seed in failed_seeds if seed >= 0]

        def change(labs: Labs) -> None:
            entry = _check(labs, lab, check_id)
            entry.attempts += 1
            entry.runtimes = {
                **({} if runtime == SIMULATION else entry.runtimes),
                runtime: verdict,
            }
            entry.verdict = min(entry.runtimes.values(), key=_WORST_FIRST.index)
            entry.points = points if entry.passed else 0
            if entry.passed and entry.passed_at is None:
                entry.passed_at = moment
            if runtime == SIMULATION:
                entry.elapsed_s = round(elapsed_s, 3)
                if verdict == "pass":
                    entry.failed_seeds = []
                # An unknown, or a part that is not written, has no seeds: the old ones still count.
                entry.failed_seeds = list(dict.fromkeys((*seeds, *entry.failed_seeds)))[:SEEDS_KEPT]

        self._change(change)

    def hint_taken(self, lab: str, check_id: str) -> int:
        """One more hint was asked for; returns its level, from 1. Past the last it stays there."""

        def change(labs: Labs) -> None:
            entry = _check(labs, lab, check_id)
            entry.hints = min(HINT_LEVELS, entry.hints + 1)

        self._change(change)
        return self.check(lab, check_id).hints

    def add_prediction(
        self, lab: str, about: str, question: str, answer: str, *, right: bool
    ) -> None:
        """A prediction came out. One that no run could judge is not added."""
        made = Answer(_now(), about, question, answer, right)

        def change(labs: Labs) -> None:
            kept = labs.setdefault(lab, LabProgress()).predictions
            kept.append(made)
            del kept[:-PREDICTIONS_KEPT]

        self._change(change)

    def _change(self, change: Callable[[Labs], None]) -> None:
        change(self._labs)
        self._unsaved.append(change)

    # ---------------------------------------------------------------------------- to look things up

    def check(self, lab: str, check_id: str) -> CheckProgress:
        """What is known of a check; to be read only."""
        known = self._labs.get(lab)
        return (known.checks.get(check_id) if known else None) or CheckProgress()

    def known(self, lab: str) -> bool:
        """Something of this lab was graded, hinted at or predicted."""
        return lab in self._labs

    def failed_seeds(self, lab: str, check_id: str) -> list[int]:
        """Those on which it failed when it was last tried, the newest first."""
        return list(self.check(lab, check_id).failed_seeds)

    def expected_s(self, lab: str) -> dict[str, float]:
        """How long each check took the last time, by id."""
        known = self._labs.get(lab, LabProgress()).checks
        return {name: entry.elapsed_s for name, entry in known.items() if entry.elapsed_s > 0}

    def points(self, lab: str) -> int:
        """Of all checks that passed when they were last tried."""
        return sum(entry.points for entry in self._labs.get(lab, LabProgress()).checks.values())

    def predictions(self, lab: str) -> tuple[int, int]:
        """How many were right, of how many."""
        made = self._labs.get(lab, LabProgress()).predictions
        return sum(one.right for one in made), len(made)

    # ---------------------------------------------------------------------------- to keep

    def save(self) -> None:
        """Brings what changed into the file. When that fails it is told once, and goes on."""
        if not self._unsaved:
            return
        try:
            with _locked(self._folder):
                labs = _read(self._folder / FILE_NAME)
                for change in self._unsaved:
                    change(labs)
                _write(self._folder / FILE_NAME, labs)
        except (OSError, LabError) as error:
            if not self._complained:
                tell(f"your progress is not kept: {error}")
            self._complained = True
            return
        self._labs = labs
        self._unsaved.clear()


def _check(labs: Labs, lab: str, check_id: str) -> CheckProgress:
    return labs.setdefault(lab, LabProgress()).checks.setdefault(check_id, CheckProgress())


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# ---------------------------------------------------------------------------- the file


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile. It is held for the time of one small write."""
    from labs.kit.session import SessionFolder

    SessionFolder(folder).create()
    held = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _write(path: Path, labs: Labs) -> None:
    """Readers see the old file or the new one, never half; also after a power cut."""
    document = {"version": VERSION, "labs": {name: _to_json(one) for name, one in labs.items()}}
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _read(path: Path) -> Labs:
    try:
        text = path.read_bytes()
    except OSError:
        return {}
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ValueError(f"its version is {document['version']!r}, and we know {VERSION}")
        return {str(name): _from_json(raw) for name, raw in document["labs"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        _keep_aside(path, error)
        return {}


def _keep_aside(path: Path, why: Exception) -> None:
    """What we cannot read may be of a newer version, or worth a look: it is not overwritten."""
    aside = path.with_name(f"progress-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json")
    try:
        path.replace(aside)
    except OSError as error:
        tell(f"{path} cannot be read, nor moved away ({error.strerror}); progress begins anew")
        return
    reason = " ".join(str(why).split())
    tell(f"{path} could not be read ({reason}); it is kept as {aside.name}, progress begins anew")


def _to_json(lab: LabProgress) -> dict[str, Any]:
    return {
        "checks": {name: asdict(entry) for name, entry in lab.checks.items()},
        "predictions": [
            {
                "at": one.at,
                **_about_to_json(one.about),
                "question": one.question,
                "answer": one.answer,
                "right": one.right,
            }
            for one in lab.predictions
        ],
    }


def _about_to_json(about: str) -> dict[str, str]:
    check = about.removeprefix("check:")
    return {"experiment": about} if check == about else {"check": check}


def _from_json(raw: Any) -> LabProgress:
    """Raises ValueError, TypeError, KeyError or AttributeError for what is none."""
    return LabProgress(
        {str(name): _check_from_json(one) for name, one in raw["checks"].items()},
        [_answer_from_json(one) for one in raw["predictions"]],
    )


def _check_from_json(raw: Any) -> CheckProgress:
    match raw:
        case {
            "verdict": None | "pass" | "fail" | "unknown", "points": int(), "attempts": int(),
            "passed_at": None | str(), "failed_seeds": [*seeds], "hints": int(),
            "elapsed_s": int() | float(), "runtimes": {**runtimes},
        } if (
            all(isinstance(seed, int) for seed in seeds)
            and all(verdict in _WORST_FIRST for verdict in runtimes.values())
        ):  # fmt: skip
            names = CheckProgress.__dataclass_fields__
            return CheckProgress(**{name: raw[name] for name in names})
    raise ValueError("it holds something that is no check")


def _answer_from_json(raw: Any) -> Answer:
    match raw:
        case {
            "at": str(at),
            "question": str(question),
            "answer": str(answer),
            "right": bool(right),
        }:
            about = f"check:{raw['check']}" if "check" in raw else str(raw["experiment"])
            return Answer(at, about, question, answer, right)
    raise ValueError("it holds something that is no prediction")
