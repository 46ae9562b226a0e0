"""A course in short: which part has which checks, for how many points.

`lab list` needs no more, and must not wait for the import of a whole course; so the outline of a
lab that somebody works on is kept in `.lab/outlines.json` until a file of the lab changes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Final

from labs.kit.grading.progress import CheckProgress, Progress
from labs.kit.registry import LABS_FOLDER

FILE_NAME: Final = "outlines.json"


@dataclass(frozen=True, slots=True)
class PartOutline:
    """A part: its number and title, and its checks by id and points."""

    number: int
    title: str
    checks: tuple[tuple[str, int], ...]

    @property
    def points_max(self) -> int:
        """Of its checks together."""
        return sum(points for _, points in self.checks)

    def points(self, progress: Progress, lab: str) -> int:
        """That were reached."""
        return sum(earned(progress.check(lab, check), most) for check, most in self.checks)

    def done(self, progress: Progress, lab: str) -> bool:
        """Every check passed when it was last tried."""
        return all(progress.check(lab, check).passed for check, _ in self.checks)


def earned(entry: CheckProgress, points_max: int) -> int:
    """What a check is worth by now: courses change, and old grades may have given more."""
    return points_max if entry.passed else 0


def outline_of(lab: str, home: Path) -> tuple[PartOutline, ...]:
    """From the kept file if the lab is as it was, else from the course; empty where nothing is
    graded."""
    if not _graded(lab):
        return ()
    stamp, kept = _stamp(lab), _kept(home)
    try:
        if kept[lab]["stamp"] == stamp:
            return tuple(_from_json(part) for part in kept[lab]["parts"])
    except (KeyError, TypeError, ValueError):
        pass
    made = _outline(lab)
    _keep(home, {**kept, lab: {"stamp": stamp, "parts": [_to_json(part) for part in made]}})
    return made


def _graded(lab: str) -> bool:
    return util.find_spec(f"labs.{lab.replace('-', '_')}.checks") is not None


def _outline(lab: str) -> tuple[PartOutline, ...]:
    from labs.kit.grading.course import load_course

    course = load_course(lab)
    return tuple(
        PartOutline(
            part.number,
            part.title,
            tuple((one.id, one.points) for one in course.checks if one.part == part.number),
        )
        for part in course.parts
    )


def _stamp(lab: str) -> list[int]:
    """Changes when a file of the lab is written, added or removed."""
    times = [
        entry.stat().st_mtime_ns
        for folder, _, names in os.walk(LABS_FOLDER / lab.replace("-", "_"))
        for entry in (Path(folder, name) for name in names if name.endswith(".py"))
    ]
    return [len(times), max(times)]


def _to_json(part: PartOutline) -> list[Any]:
    return [part.number, part.title, [list(check) for check in part.checks]]


def _from_json(raw: Sequence[Any]) -> PartOutline:
    number, title, checks = raw
    return PartOutline(
        int(number), str(title), tuple((str(one), int(worth)) for one, worth in checks)
    )


def _kept(home: Path) -> dict[str, Any]:
    try:
        found = json.loads((home / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(home: Path, document: dict[str, Any]) -> None:
    """It saves time and no more, so that it could not be written is not worth a word."""
    temporary = home / f"{FILE_NAME}.{os.getpid()}.tmp"
    try:
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(home / FILE_NAME)
    except OSError:
        temporary.unlink(missing_ok=True)
