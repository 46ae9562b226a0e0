"""`lab timeline`: the space-time diagram of the running lab, of the last one, or of a kept run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labs.kit.errors import DONE, LabError, nearest
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import visible

if TYPE_CHECKING:
    from labs.kit.timeline import Diagram
    from labs.kit.timeline.source import Recording
    from nodes.timeline import TimelineEvent

LINES_DEFAULT, LINES_MAX = 60, 100_000
WIDTH_MIN, WIDTH_DEFAULT, WIDTH_MAX = 60, 100, 160
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_NOT_SHOWN = frozenset({"nodes", "started_at"})
_NOTHING = "nothing to show: no lab runs here and none has ended; start one with `lab up LAB`"


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(timeline)


def timeline(
    svg: Annotated[
        Path | None, typer.Option(help="Draw it into this file.", metavar="FILE")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="A page to zoom in, with the list of events.", metavar="FILE"),
    ] = None,
    jsonl: Annotated[
        Path | None,
        typer.Option(help="The events themselves, merged; - is stdout.", metavar="FILE"),
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Since the start, as 1.5s.", metavar="T")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Since the start, as 3s.", metavar="T")
    ] = None,
    last: Annotated[
        str | None, typer.Option(help="Only the end, as 2s.", metavar="DURATION")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Of a run below .lab/runs.", metavar="NAME")
    ] = None,
    lines: Annotated[
        int, typer.Option(min=1, max=LINES_MAX, help="How many lines of text.", metavar="N")
    ] = LINES_DEFAULT,
    json: JsonFlag = False,
) -> int:
    """Show what happened: operations, messages, faults, roles and terms on one time axis.

    Examples: lab timeline --last 2s; lab timeline --svg t.svg --from 1s --to 3s
    """
    _refuse_nonsense(svg, html, jsonl, last=last, begin=begin, json=json)
    recording = _read(run)
    from_ms, to_ms = _stretch(recording, begin, end, last)
    if jsonl is not None:
        return _events(jsonl, recording, from_ms, to_ms, json=json)
    from labs.kit.timeline import diagram

    found = diagram(
        recording.events,
        recording.history,
        lab=_lab(recording.lab),
        nodes=_lanes(recording),
        from_ms=from_ms,
        to_ms=to_ms,
    )
    remarks = [*recording.remarks, *found.remarks]
    for path, option in ((svg, "--svg"), (html, "--html")):
        if path is not None:
            page = option == "--html"
            _write(path, option, _page(recording, found) if page else _picture(recording, found))
    if json:
        print_json(_document(recording, found, remarks, [svg, html]))
        return DONE
    if svg is None and html is None:
        from labs.kit.timeline.text import write

        sys.stdout.write(write(found, lines_max=lines, width=_width()))
        sys.stdout.flush()
    for remark in recording.remarks:
        tell(visible(remark))
    return DONE


# ---------------------------------------------------------------------------------- what is shown


def _read(run: str | None) -> Recording:
    from labs.kit.last_run import recorded
    from labs.kit.session import SessionFolder, home_folder
    from labs.kit.timeline.source import read_cluster, read_run

    home = home_folder()
    if run is not None:
        runs = home / "runs"
        if not _RUN_NAME.fullmatch(run) or not (runs / run).is_dir():
            known = sorted(path.name for path in runs.glob("*") if path.is_dir())
            raise LabError(f"--run {visible(run)}: no such run in {runs}; {nearest(run, known)}")
        return read_run(runs / run, run)
    found = recorded(SessionFolder(home))
    if found is None:
        kept = home / "runs"
        hint = "; --run NAME shows a kept run" if kept.is_dir() else ""
        raise LabError(f"{_NOTHING} (looked in {home}{hint})")
    recording = read_cluster(*found)
    if not recording.events:
        raise LabError(f"the lab has recorded no events (looked in {found[0]})")
    return recording


def _stretch(
    recording: Recording, begin: str | None, end: str | None, last: str | None
) -> tuple[float | None, float | None]:
    from labs.kit.durations import parse_ms

    from_ms = None if begin is None else float(parse_ms(begin, "--from"))
    to_ms = None if end is None else float(parse_ms(end, "--to"))
    first = min(event.at_ms for event in recording.events)
    latest = max(event.at_ms for event in recording.events)
    if last is not None:
        length_ms = parse_ms(last, "--last")
        if length_ms <= 0:
            raise LabError(f"--last {last}: expected more than nothing, such as 2s")
        to_ms = latest if to_ms is None else to_ms
        from_ms = to_ms - length_ms
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise LabError(f"--from {begin} --to {end}: the end is not behind the beginning")
    if (from_ms is not None and from_ms > latest) or (to_ms is not None and to_ms < first):
        raise LabError(
            "nothing was recorded in this stretch of time: the record goes from "
            f"{first / 1000:.3f} s to {latest / 1000:.3f} s"
        )
    return from_ms, to_ms


def _lab(name: str) -> Any:
    """The lab, for its roles and sentences; None when it is not installed here."""
    from labs.kit.registry import lab_ids, load_lab

    return load_lab(name) if name in lab_ids() else None


def _lanes(recording: Recording) -> tuple[str, ...] | None:
    return recording.nodes or None


def _heading(recording: Recording) -> str:
    experiment = recording.report.get("experiment")
    what = f"{recording.lab} / {experiment}" if experiment else f"{recording.lab} lab"
    runtime = recording.report.get("runtime")
    return visible(f"{what.strip()}, {recording.name}" + (f" ({runtime})" if runtime else ""))


def _picture(recording: Recording, found: Diagram) -> str:
    from labs.kit.timeline import svg

    return svg(found, title=_heading(recording))


def _page(recording: Recording, found: Diagram) -> str:
    from labs.kit.report_page import page
    from labs.kit.timeline import svg

    picture = svg(found, title=_heading(recording), fine=True)
    window = found.window
    shown = [one for one in recording.events if window.from_ms <= one.at_ms <= window.to_ms]
    # Which nodes there are, the picture shows.
    facts = {name: one for name, one in recording.report.items() if name not in _NOT_SHOWN}
    return page(
        facts,
        picture,
        events=shown,
        lab=_lab(recording.lab),
        title=_heading(recording),
    )


def _document(
    recording: Recording, found: Diagram, remarks: list[str], files: list[Path | None]
) -> dict[str, Any]:
    fates = [message.fate for message in found.messages]
    return {
        "lab": recording.lab or None,
        "of": recording.name,
        "from_ms": round(found.window.from_ms, 3),
        "to_ms": round(found.window.to_ms, 3),
        "nodes": list(found.nodes),
        "events": len(recording.events),
        "messages": {fate: fates.count(fate) for fate in ("arrived", "lost", "open")},
        "operations": len(found.operations),
        "faults": [
            {
                "kind": fault.kind,
                "nodes": list(fault.nodes),
                "from_ms": round(fault.began_ms, 3),
                "to_ms": None if fault.ended_ms is None else round(fault.ended_ms, 3),
                "sentence": fault.text,
            }
            for fault in found.faults
        ],
        "roles": [
            {
                "node": band.node,
                "role": band.role or None,
                "term": band.term,
                "from_ms": round(band.began_ms, 3),
                "to_ms": None if band.ended_ms is None else round(band.ended_ms, 3),
            }
            for band in found.bands
        ],
        "remarks": remarks,
        "files": [str(path) for path in files if path is not None],
    }


def _events(
    path: Path, recording: Recording, from_ms: float | None, to_ms: float | None, *, json: bool
) -> int:
    from nodes.timeline import merge

    def inside(event: TimelineEvent) -> bool:
        early = from_ms is not None and event.at_ms < from_ms
        return not early and (to_ms is None or event.at_ms <= to_ms)

    events = [event for event in merge([recording.events]) if inside(event)]
    text = "".join(f"{event.to_json()}\n" for event in events)
    if str(path) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return DONE
    _write(path, "--jsonl", text)
    if json:
        print_json({"of": recording.name, "events": len(events), "files": [str(path)]})
    return DONE


# ------------------------------------------------------------------------------------- details


def _width() -> int:
    from shutil import get_terminal_size

    columns = get_terminal_size((WIDTH_DEFAULT, 24)).columns
    return max(WIDTH_MIN, min(WIDTH_MAX, columns))


def _refuse_nonsense(
    svg: Path | None, html: Path | None, jsonl: Path | None, *,
    last: str | None, begin: str | None, json: bool,
) -> None:  # fmt: skip
    if jsonl is not None and (svg is not None or html is not None):
        raise LabError("--jsonl: give it alone, or call again for --svg and --html")
    if jsonl is not None and str(jsonl) == "-" and json:
        raise LabError("--jsonl -: with --json name a file, since stdout is one document then")
    if last is not None and begin is not None:
        raise LabError("give --last or --from, not both")
    for path, option in ((svg, "--svg"), (html, "--html"), (jsonl, "--jsonl")):
        if path is None or (option == "--jsonl" and str(path) == "-"):
            continue
        if not path.absolute().parent.is_dir() or path.is_dir():
            raise LabError(
                f"{option} {path}: cannot be written; name a file in a folder that exists"
            )


def _write(path: Path, option: str, content: str) -> None:
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise LabError(f"{option} {path}: cannot be written: {error.strerror}") from None
    tell(f"written: {visible(str(path))}")
