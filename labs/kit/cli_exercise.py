"""`lab hint` and `lab reset`: help with an exercise, and a fresh file for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from labs.kit.errors import DONE, LabError
from labs.kit.options import LabArgument
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.session import SessionFolder, home_folder
from labs.kit.text import from_here

if TYPE_CHECKING:
    from labs.kit.grading.course import Check, Course
    from labs.kit.grading.progress import Progress


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(hint)
    app.command()(reset)


def hint(
    lab: LabArgument,
    check: Annotated[
        str | None,
        typer.Argument(metavar="[CHECK]", help="Default: the first that you have not passed."),
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(min=1, max=3, help="This hint, instead of the next.", metavar="N"),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Show the next hint for a check: where to look, then which rule, then nearly the answer.

    Hints cost no points. Examples: lab hint raft; lab hint raft writes-commit-in-order --level 1
    """
    from labs.kit.grading.course import load_course
    from labs.kit.grading.progress import Progress

    course = load_course(lab)
    progress = Progress.load(home_folder())
    chosen = course.check(check) if check is not None else _first_not_passed(course, progress)
    levels = len(chosen.hints)
    taken = progress.check(course.lab, chosen.id).hints
    shown = level if level is not None else min(taken + 1, levels)
    for _ in range(taken, shown):
        progress.hint_taken(course.lab, chosen.id)
    progress.save()
    if json:
        print_json(
            {
                "lab": course.lab,
                "check": chosen.id,
                "title": chosen.title,
                "part": chosen.part,
                "level": shown,
                "left": levels - shown,
                "hint": chosen.hints[shown - 1],
                "paper": chosen.paper,
                "guide": chosen.guide,
            }
        )
        return DONE
    print(f"{chosen.id} (part {chosen.part}): {chosen.title}\n")
    print(f"hint {shown} of {levels}: {chosen.hints[shown - 1]}\n")
    print(f"read: {chosen.paper}; {chosen.guide}")
    again = f"lab hint {course.lab} {chosen.id}"
    if shown < levels:
        which = "" if level is None else f" --level {shown + 1}"
        print(f"{levels - shown} more: {again}{which}")
    else:
        print(f"that was the last one; the first again: {again} --level 1")
    return DONE


def reset(
    lab: LabArgument,
    part: Annotated[
        int, typer.Option(help="Fill in what comes before this part.", metavar="P")
    ] = 1,
    json: JsonFlag = False,
) -> int:
    """Write a fresh exercise file, and keep the one that is there.

    With --part 3, parts 1 and 2 are filled in with the reference's code: to begin where it
    interests you. Examples: lab reset raft; lab reset raft --part 3
    """
    from labs.kit.grading.course import load_course
    from labs.kit.grading.keeping import replace_file
    from labs.kit.grading.skeleton import exercise_path, skeleton

    course = load_course(lab)
    number = course.part(part).number
    file = exercise_path(course)
    SessionFolder(home_folder()).create()
    kept = replace_file(file, skeleton(course, number), home_folder() / "exercises", course.lab)
    if json:
        document = {"lab": course.lab, "part": number, "file": str(file)}
        print_json(document | {"kept": None if kept is None else str(kept)})
        return DONE
    if kept is not None:
        tell(f"the old file is kept: {from_here(kept)}")
    filled = {1: "all blank", 2: "part 1 is filled in"}.get(
        number, f"parts 1 to {number - 1} are filled in"
    )
    print(f"{from_here(file)}: fresh; {filled}")
    print(f"next: lab check {course.lab} --mine --part {number} --watch")
    return DONE


def _first_not_passed(course: Course, progress: Progress) -> Check:
    """The first check without a pass on record: one that failed, or was never tried."""
    for check in course.checks:
        if not progress.check(course.lab, check.id).passed:
            return check
    raise LabError(
        f"you have passed every check of {course.lab}; for a hint all the same, name one: "
        f"lab hint {course.lab} {course.checks[0].id}"
    )
