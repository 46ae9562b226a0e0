"""`lab check LAB` grades an implementation: the reference, or with --mine your own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError
from labs.kit.options import JobsOption, LabArgument
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import counted

if TYPE_CHECKING:
    from labs.kit.grading.course import Check, Course
    from labs.kit.grading.grade import Order, Result
    from labs.kit.grading.subject import Subject
    from labs.kit.predict import Predicted

SEEDS_MAX = 100_000
REPLAYED = ("sim", "local", "compose")
RUNTIMES = (*REPLAYED, "full")

# About, on a machine with two cores: a schedule, a run on real nodes, and how many times as long
# somebody's own code takes in its cage.
SIMULATED_S, REAL_S, PLAYED = 0.05, 3.5, 2.0

MineFlag = Annotated[bool, typer.Option("--mine", help="Your own: labs/LAB/exercise.py.")]
FileOption = Annotated[
    Path | None, typer.Option("--file", help="Somebody's exercise file.", metavar="FILE")
]


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(check)


def check(
    lab: LabArgument,
    only: Annotated[
        str | None, typer.Option("--check", help="This check alone.", metavar="CHECK")
    ] = None,
    part: Annotated[int | None, typer.Option(help="This part alone.", metavar="P")] = None,
    mine: MineFlag = False,
    file: FileOption = None,
    mutant: Annotated[
        str | None, typer.Option(help="A planted bug instead.", metavar="NAME")
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            help="sim, local (processes), compose (containers), or full: sim, then local.",
            metavar="RUNTIME",
        ),
    ] = "sim",
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=SEEDS_MAX, help="Schedules a check. Default: its own.", metavar="N"
        ),
    ] = None,
    first: Annotated[
        int, typer.Option("--from", min=0, max=2**53, help="The first seed.", metavar="S")
    ] = 1,
    jobs: JobsOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again whenever you save: quick, in simulation.")
    ] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Show which check catches which planted bug.")
    ] = False,
    predict: Annotated[
        bool, typer.Option("--predict", help="Be asked first what will happen.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(help="Write JUnit XML as well.", metavar="FILE")
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Grade an implementation of a lab: points for every guarantee that it keeps.

    Without --mine it is the reference, which is how it should look. Examples: lab check raft;
    lab check raft --mine --part 1 --watch; lab check raft --mine --runtime full
    """
    from labs.kit.grading.course import load_course
    from labs.kit.grading.grade import combined
    from labs.kit.grading.subject import Subject

    course = load_course(lab)
    jobs = jobs or os.cpu_count() or 1
    if mutants:
        return _show_matrix(course, jobs, as_json=json)
    if runtime not in RUNTIMES:
        raise LabError(f"--runtime {runtime}: expected one of {', '.join(RUNTIMES)}")
    if sum((mine, file is not None, mutant is not None)) > 1:
        raise LabError("--mine, --file and --mutant exclude each other")
    if watch and (json or junit or predict or runtime != "sim"):
        raise LabError("--watch shows one check at a time, in simulation; leave the others out")
    subject = Subject(course, mine=mine, file=file, mutant=mutant)
    chosen = _chosen(course, only, part)
    if watch:
        from labs.kit.grading.watch import watch_file

        file = subject.watched_file()
        return watch_file(course, file, chosen, subject.progress, jobs=jobs, suffix=subject.suffix)
    runtimes = ("sim", "local") if runtime == "full" else (runtime,)
    predicted = None
    if predict:
        from labs.kit.predict import ask_before_checks

        names = [one.id for one in chosen]
        predicted = ask_before_checks(course.lab, names, subject.progress)
    results: list[Result] = []
    for one in runtimes:
        order = subject.order(
            [found for found in chosen if found.runs_in(one)], one, seeds=seeds, first_seed=first
        )
        results += _graded(order, subject, jobs, predicted, as_json=json)
    if not results:
        raise LabError(f"none of these checks runs in {runtime}; leave --runtime out")
    return _tell(course, subject, combined(results), junit, as_json=json)


def replay_check(
    lab: str,
    check_id: str,
    seed: int,
    *,
    mine: bool,
    file: Path | None,
    mutant: str | None,
    runtime: str,
    as_json: bool,
) -> int:
    """One seed of a check again, drawn; the exit status. Raises LabError."""
    from labs.kit.grading.course import load_course
    from labs.kit.grading.grade import summed_up
    from labs.kit.grading.judge import Judge, Run
    from labs.kit.grading.report import explanation
    from labs.kit.grading.subject import Subject

    course = load_course(lab)
    one = course.check(check_id)
    if runtime not in REPLAYED:
        raise LabError(f"--runtime {runtime}: expected one of {', '.join(REPLAYED)}")
    if not one.runs_in(runtime):
        raise LabError(f"{check_id} does not run in {runtime}: it judges single calls, or time")
    subject = Subject(course, mine=mine, file=file, mutant=mutant)
    order = subject.order([one], runtime)
    if one.id in order.refusals:
        raise LabError(" ".join(order.refusals[one.id]), ANSWER_IS_NO)
    with Judge(course) as judge:
        run = Run(one.id, seed, order.implementation_for(one), runtime, picture=True)
        outcome = judge.run(run)
    result = summed_up(one, runtime, {seed: outcome})
    if as_json:
        print_json(result.to_json("") | {"seed": seed})
    elif outcome.verdict == "pass":
        print(f"{outcome.picture}{one.id}, seed {seed}: passes")
    else:
        print("\n".join(explanation(course, result, subject.suffix)))
    return {"pass": DONE, "fail": ANSWER_IS_NO, "unknown": COULD_NOT}[outcome.verdict]


def _graded(
    order: Order, subject: Subject, jobs: int, predicted: Predicted | None, *, as_json: bool
) -> list[Result]:
    from labs.kit.grading.grade import Graders
    from labs.kit.grading.report import Console

    course, progress = order.course, subject.progress
    where = "in simulation" if order.runtime == "sim" else f"on {order.runtime} nodes"
    expected_s = _expected_s(order, jobs)
    if progress is not None and order.seeds is None and order.runtime == "sim":
        expected_s |= progress.expected_s(course.lab)
    count, whole_s = len(order.checks), sum(expected_s[one.id] for one in order.checks)
    tell(
        f"{course.lab}, {subject.label}, {where}: {counted(count, 'check')}, "
        f"about {max(1, round(whole_s))} s"
    )
    out = sys.stderr if as_json else sys.stdout
    console = Console(
        course,
        suffix=subject.suffix,
        expected_s=expected_s,
        runs_word="schedules" if order.runtime == "sim" else "runs",
        out=out,
    )
    results: list[Result] = []

    class Recording:
        """Keeps what is known when the user has seen enough."""

        begins, goes_on = console.begins, console.goes_on

        def ended(self, result: Result) -> None:
            """See Audience."""
            results.append(result)
            console.ended(result)
            if predicted is not None:
                predicted.ended(result.check.id, result.verdict, out)
            if progress is not None:
                progress.record(
                    course.lab,
                    result.check.id,
                    result.verdict,
                    result.points,
                    list(result.failed_seeds) if order.runtime == "sim" else [],
                    result.elapsed_s,
                    order.runtime,
                )
                progress.save()

    try:
        with Graders(course, jobs) as graders:
            return graders.grade(order, Recording())
    except KeyboardInterrupt:
        raise LabError(
            f"interrupted after {len(results)} of {len(order.checks)} checks; nothing is left "
            "running"
        ) from None


def _expected_s(order: Order, jobs: int) -> dict[str, float]:
    """By check: about how long it takes where nobody has measured it yet."""
    each_s = SIMULATED_S if order.runtime == "sim" else REAL_S
    if not order.implementation.ours:
        each_s *= PLAYED
    return {
        check.id: 0.0 if check.id in order.refusals else len(order.seeds_of(check)) * each_s / jobs
        for check in order.checks
    }


def _tell(
    course: Course,
    subject: Subject,
    results: list[Result],
    junit: Path | None,
    *,
    as_json: bool,
) -> int:
    from labs.kit.grading import report

    if junit is not None:
        from labs.kit.grading.junit import suite, write

        write(junit, [suite(f"{course.lab}.{subject.label}", results)])
    if as_json:
        print_json(document_of(course, subject.label, results, subject.suffix))
    else:
        print(f"\n{report.summary(course, results)}")
    if any(result.verdict == "fail" for result in results):
        return ANSWER_IS_NO
    return COULD_NOT if any(result.verdict == "unknown" for result in results) else DONE


def document_of(
    course: Course, label: str, results: list[Result], suffix: str = ""
) -> dict[str, Any]:
    """The document of --json."""
    from labs.kit.grading.report import replay_command

    return {
        "lab": course.lab,
        "implementation": label,
        "points": sum(result.points for result in results),
        "points_max": sum(result.check.points for result in results),
        "checks": [
            result.to_json(replay_command(course.lab, result, suffix)) for result in results
        ],
    }


def _chosen(course: Course, only: str | None, part: int | None) -> list[Check]:
    if only is not None:
        return [course.check(only)]
    if part is not None:
        number = course.part(part).number
        return [check for check in course.checks if check.part == number]
    return list(course.checks)


def _show_matrix(course: Course, jobs: int, *, as_json: bool) -> int:
    from labs.kit.grading.matrix import kill_matrix

    live = sys.stderr.isatty()

    def told(done: int, of: int) -> None:
        if live:
            sys.stderr.write(f"\r\x1b[K{done:,} of {of:,} trials of planted bugs")
            sys.stderr.flush()

    tell(
        f"{len(course.mutants)} planted bugs against {len(course.checks)} checks: some minutes ..."
    )
    matrix = kill_matrix(course, jobs=jobs, told=told)
    if live:
        sys.stderr.write("\r\x1b[K")
    if as_json:
        print_json(matrix.to_json())
    else:
        print(matrix.text())
    return DONE if matrix.all_caught else ANSWER_IS_NO
