"""`lab verify FILE`: does a recorded history keep a promise?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import visible

STATUS = {True: DONE, False: ANSWER_IS_NO, None: COULD_NOT}
TIME_LIMIT_S = 60.0
ENTRIES_TOLD = 200_000  # from so many on, reading takes long enough to say so


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(verify)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A history, JSON Lines.")],
    model: Annotated[
        str,
        typer.Option(
            help="register, cas-register, kv, set, counter, queue or append-list.", metavar="MODEL"
        ),
    ],
    consistency: Annotated[
        str,
        typer.Option(
            help="linearizable, sequential, causal, read-your-writes, monotonic-reads, "
            "monotonic-writes, writes-follow-reads or eventual.",
            metavar="LEVEL",
        ),
    ] = "linearizable",
    time_limit: Annotated[
        float, typer.Option(help="Seconds to judge in, once the file is read.", metavar="S")
    ] = TIME_LIMIT_S,
    svg: Annotated[
        Path | None, typer.Option(help="Draw the verdict into this file.", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write it as a page that needs nothing else.", metavar="FILE"),
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Judge a recorded history. Example: lab verify history.jsonl --model kv --svg why.svg

    Exit status 0: it keeps the promise; 1: it does not; 2: could not tell, or no history.
    """
    from labs.kit.checkers import judge
    from labs.kit.checkers.picture import svg as drawn
    from labs.kit.checkers.text import lines
    from labs.kit.history import read_history

    if not 0 < time_limit < float("inf"):
        raise LabError(f"--time-limit {time_limit:g}: expected seconds, more than 0")
    for option, path in (("--svg", svg), ("--html", html)):
        if path is not None and (not path.absolute().parent.is_dir() or path.is_dir()):
            raise LabError(f"{option} {path}: cannot be written; name a file in a folder there is")
    entries = read_history(file)
    if len(entries) >= ENTRIES_TOLD:
        tell(f"{len(entries):,} lines; judging for at most {time_limit:g} s")
    verdict = judge(entries, model, consistency, time_limit_s=time_limit)
    if svg is not None:
        _write("--svg", svg, lambda: drawn(verdict, entries))
    if html is not None:
        from labs.kit.checkers.page import page

        _write("--html", html, lambda: page(verdict, entries))
    if json:
        print_json(verdict.to_json())
    else:
        print("\n".join(lines(verdict)))
    return STATUS[verdict.valid]


def _write(option: str, path: Path, make: Callable[[], str]) -> None:
    try:
        path.write_text(make(), encoding="utf-8")
    except OSError as error:
        raise LabError(f"{option} {path}: cannot be written: {error.strerror}") from None
    tell(f"written: {visible(str(path))}")
