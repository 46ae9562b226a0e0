"""`lab list`: the labs, and how far one is in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import DONE
from labs.kit.options import full_lab_name
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.session import home_folder
from labs.kit.text import counted, visible

if TYPE_CHECKING:
    from labs.kit.grading.outline import PartOutline
    from labs.kit.grading.progress import CheckProgress, Progress
    from labs.kit.lab import Lab

_UNTRIED = "-"


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command(name="list")(list_labs)


def list_labs(
    lab: Annotated[
        str | None,
        typer.Argument(
            metavar="LAB", help="This one, with its parts and checks.", callback=full_lab_name
        ),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """List the labs, or the parts and checks of one, with your progress.

    Examples: lab list; lab list raft
    """
    from labs.kit.grading.progress import Progress
    from labs.kit.registry import all_labs, load_lab

    labs = all_labs() if lab is None else [load_lab(lab)]
    progress = Progress.load(home_folder())
    if json:
        documents = [_document(one, progress) for one in labs]
        print_json(documents if lab is None else documents[0])
    elif lab is None:
        width = max((len(one.id) for one in labs), default=0)
        for one in labs:
            print(f"{one.id:{width}}  {_standing(one, progress):22}  {visible(one.title)}")
        tell("start one with `lab up LAB`; `lab list LAB` shows its checks")
    else:
        _show(labs[0], progress)
    return DONE


def _outline(lab: Lab) -> tuple[PartOutline, ...]:
    from labs.kit.grading.outline import outline_of

    return outline_of(lab.id, home_folder())


def _standing(lab: Lab, progress: Progress) -> str:
    """Points and parts, in few words. A lab that nobody began is not looked into: that is slow."""
    if not progress.known(lab.id):
        return "not begun"
    parts = _outline(lab)
    if not parts:
        return "nothing is graded"
    points = sum(part.points(progress, lab.id) for part in parts)
    done = sum(part.done(progress, lab.id) for part in parts)
    most = sum(part.points_max for part in parts)
    return f"{points}/{most} points, {done}/{len(parts)} parts"


def _show(lab: Lab, progress: Progress) -> None:
    parts = _outline(lab)
    print(f"{lab.id}: {visible(lab.title)}\n{visible(lab.summary)}")
    width = max((len(check) for part in parts for check, _ in part.checks), default=0)
    for part in parts:
        points = f"{part.points(progress, lab.id)}/{part.points_max} points"
        print(f"\npart {part.number}: {part.title}, {points}")
        for check, most in part.checks:
            print(f"  {_check_line(progress.check(lab.id, check), check, most, width)}")
    if lab.crash_points:
        print("\ncrash points, for `lab fault crash-at`:")
        longest = max(map(len, lab.crash_points))
        for point, meaning in lab.crash_points.items():
            print(f"  {visible(point):{longest}}  {visible(meaning)}")
    right, made = progress.predictions(lab.id)
    if made:
        print(f"\n{right} of {counted(made, 'prediction')} right")
    if parts:
        reached = sum(part.points(progress, lab.id) for part in parts)
        print(f"\n{reached} of {sum(part.points_max for part in parts)} points")
        tell(f"grade yours with `lab check {lab.id} --mine`")
    else:
        tell(f"the {lab.id} lab grades nothing; start it with `lab up {lab.id}`")


def _check_line(entry: CheckProgress, check: str, most: int, width: int) -> str:
    from labs.kit.grading.outline import earned

    line = f"{entry.verdict or _UNTRIED:7}  {earned(entry, most):2}/{most:<2}  {check:{width}}"
    if entry.attempts:
        line += f"  {counted(entry.attempts, 'attempt')}"
    if entry.hints:
        line += f", {counted(entry.hints, 'hint')}"
    return line.rstrip()


def _document(lab: Lab, progress: Progress) -> dict[str, Any]:
    parts = _outline(lab)
    right, made = progress.predictions(lab.id)
    return {
        "id": lab.id,
        "title": lab.title,
        "summary": lab.summary,
        "nodes": lab.nodes_default,
        "nodes_min": lab.nodes_min,
        "nodes_max": lab.nodes_max,
        "settings": [
            {"name": one.name, "default": one.default, "doc": one.doc} for one in lab.settings
        ],
        "client_verbs": list(lab.client_verbs),
        "crash_points": dict(lab.crash_points),
        "readme": lab.readme,
        "points": sum(part.points(progress, lab.id) for part in parts),
        "points_max": sum(part.points_max for part in parts),
        "predictions": {"right": right, "made": made},
        "parts": [
            {
                "number": part.number,
                "title": part.title,
                "points": part.points(progress, lab.id),
                "points_max": part.points_max,
                "done": part.done(progress, lab.id),
                "checks": [
                    _check_document(progress.check(lab.id, check), check, most)
                    for check, most in part.checks
                ],
            }
            for part in parts
        ],
    }


def _check_document(entry: CheckProgress, check: str, most: int) -> dict[str, Any]:
    from labs.kit.grading.outline import earned

    return {
        "id": check,
        "verdict": entry.verdict,
        "points": earned(entry, most),
        "points_max": most,
        "attempts": entry.attempts,
        "passed_at": entry.passed_at,
        "failed_seeds": entry.failed_seeds,
        "hints": entry.hints,
        "elapsed_s": entry.elapsed_s,
    }
