"""The report of a run as one HTML file: nothing is loaded from elsewhere, and nothing in it acts.

Names, keys, values and words come from users and nodes, so every one of them is escaped. The
page's policy allows its own script and style sheet, named by their hashes, and nothing else: should
something ever slip through the escaping, a browser would not run it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from labs.kit.lab import Lab
from labs.kit.pictures import Pictures
from labs.kit.sentences import ROUTINE_KINDS, sentence
from labs.kit.text import visible
from nodes.timeline import TimelineEvent

EVENTS_MAX: Final = 3000
DETAIL_LENGTH_MAX: Final = 4000
_FACTS: Final = ("lab", "experiment", "runtime", "seed")
_FIGURE: Final = ("title", "value", "unit")
_SENTENCES: Final = ("meaning",)
COLUMNS_MAX: Final = 10
_TABLES: Final = ("measurements", "verdicts", "settings")
_WORDS_OF: Final = {True: ("yes", "yes"), False: ("no", "no"), None: ("unknown", "could not tell")}
_PASSES: Final = frozenset({"pass", "passed", "true", "valid", "yes", "ok"})
_FAILS: Final = frozenset({"fail", "failed", "false", "invalid", "no"})


def page(
    report: Mapping[str, Any],
    diagram_svg: str,
    *,
    pictures: Pictures | None = None,
    events: Sequence[TimelineEvent] = (),
    lab: Lab | None = None,
    title: str = "",
) -> str:
    """The page. `diagram_svg` is what labs.kit.timeline.svg returned, and goes in as it is, as do
    `pictures` that the lab draws with labs.kit.svg; `lab` gives sentences to the events."""
    heading = title or " / ".join(str(report[name]) for name in _FACTS[:2] if report.get(name))
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    body = "\n".join(
        part
        for part in (
            f"<h1>{_text(heading or 'Report')}</h1>",
            _facts(report),
            _verdicts(report.get("verdicts")),
            _measurements(report.get("measurements")),
            _diagram(diagram_svg),
            *(_picture(heading, svg) for heading, svg in (pictures or {}).items()),
            _events(events, lab),
            _settings(report.get("settings")),
            _rest(report),
        )
        if part
    )
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        "<meta name='referrer' content='no-referrer'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{_text(heading or 'Report')}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / "page" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _text(value: object) -> str:
    """Anything as text of the page."""
    shown = value if isinstance(value, str) else _compact(value)
    if len(shown) > DETAIL_LENGTH_MAX:
        shown = f"{shown[:DETAIL_LENGTH_MAX]}..."
    # A report may hold text of several lines; each line is made visible on its own.
    return "\n".join(escape(visible(line)) for line in shown.split("\n"))


def _compact(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return json.dumps(value, default=str, ensure_ascii=False)


def _facts(report: Mapping[str, Any]) -> str:
    shown = (
        (name, str(report[name]) if name == "seed" else report[name])
        for name in _FACTS
        if report.get(name) is not None
    )
    listed = ", ".join(f"{name} {_text(value)}" for name, value in shown)
    return f"<p class='facts'>{listed}</p>" if listed else ""


# ------------------------------------------------------------------------------------- the tables


def _verdicts(verdicts: object) -> str:
    rows = [
        f"<tr><td class='verdict {kind}'>{words}</td><td>{_text(name)}</td>"
        f"<td>{_text(detail) if detail else ''}</td></tr>"
        for name, (kind, words), detail in _each_verdict(verdicts)
    ]
    return f"<h2>Verdicts</h2>\n<table>{''.join(rows)}</table>" if rows else ""


def _each_verdict(verdicts: object) -> Iterator[tuple[str, tuple[str, str], object]]:
    """Name, what was found, and what there is to say about it: of a mapping, or of a list."""
    if isinstance(verdicts, Mapping):
        for name, verdict in verdicts.items():
            yield _verdict(str(name), verdict)
    elif isinstance(verdicts, list | tuple):
        for number, verdict in enumerate(verdicts, 1):
            yield _verdict(f"verdict {number}", verdict)


def _verdict(name: str, verdict: object) -> tuple[str, tuple[str, str], object]:
    if not isinstance(verdict, Mapping):
        return name, _answer(verdict), ""
    left = dict(verdict)
    for field in ("claim", "title", "name", "id", "promise"):
        if isinstance(left.get(field), str):
            name = left.pop(field)
            left.pop("id", None)
            break
    found: object = None
    for field in ("valid", "holds", "verdict", "passed", "ok"):
        if field in left:
            found = left.pop(field)
            break
    counterexample = left.get("counterexample")
    said: list[object] = []
    if isinstance(counterexample, Mapping) and counterexample.get("explanation"):
        said.append(counterexample["explanation"])
        del left["counterexample"]
    said += [
        left.pop(field)
        for field in ("observed", "text", "reason", "explanation", "detail")
        if left.get(field)
    ]
    left = {field: value for field, value in left.items() if value not in (None, "", [], {})}
    said += [f"{field} {_compact(value)}" for field, value in left.items()]
    return name, _answer(found), "; ".join(str(one) for one in said)


def _answer(found: object) -> tuple[str, str]:
    """Only a clear yes counts as one."""
    if isinstance(found, str):
        word = found.lower()
        found = True if word in _PASSES else False if word in _FAILS else None
    return _WORDS_OF[found] if isinstance(found, bool) else _WORDS_OF[None]


def _measurements(measurements: object) -> str:
    """A row each. Whatever else a measurement holds has a column of its own, sentences last."""
    if not isinstance(measurements, Mapping) or not measurements:
        return ""
    rows = {
        str(name): one if isinstance(one, Mapping) else {"value": one}
        for name, one in measurements.items()
    }
    more = list(dict.fromkeys(str(key) for one in rows.values() for key in one))
    more = [key for key in more if key not in (*_FIGURE, *_SENTENCES)][:COLUMNS_MAX]
    said = [key for key in _SENTENCES if any(key in one for one in rows.values())]
    heads = "".join(
        f"<th>{_text(name)}</th>" for name in ("measurement", *_FIGURE[1:], *more, *said)
    )
    body = "\n".join(_measurement(name, one, more, said) for name, one in rows.items())
    return f"<h2>Measurements</h2>\n<table><tr>{heads}</tr>\n{body}\n</table>"


def _measurement(name: str, one: Mapping[Any, Any], more: list[str], said: list[str]) -> str:
    def cell(key: str, kind: str) -> str:
        value = one.get(key)
        return f"<td class='{kind}'>{'' if value is None else _text(value)}</td>"

    shown = [cell("value", "number") if one.get("value") is not None else "<td>-</td>"]
    shown += [cell("unit", "short"), *(cell(key, "number") for key in more)]
    shown += [cell(key, "") for key in said]
    return f"<tr><td class='short'>{_text(str(one.get('title') or name))}</td>{''.join(shown)}</tr>"


def _settings(settings: object) -> str:
    if not isinstance(settings, Mapping) or not settings:
        return ""
    rows = "".join(
        f"<tr><td>{_text(str(name))}</td><td class='number'>{_text(value)}</td></tr>"
        for name, value in settings.items()
    )
    return f"<h2>Settings</h2>\n<table>{rows}</table>"


def _rest(report: Mapping[str, Any]) -> str:
    """Fields that nobody here knows are shown as they are."""
    rows = "".join(
        f"<tr><td>{_text(str(name))}</td><td><code>{_text(value)}</code></td></tr>"
        for name, value in report.items()
        if name not in (*_FACTS, *_TABLES) and value not in (None, "", [], {})
    )
    return f"<h2>More of the report</h2>\n<table>{rows}</table>" if rows else ""


# ------------------------------------------------------------------------- the picture, the events


def _diagram(diagram_svg: str) -> str:
    if not diagram_svg:
        return ""
    hint = "Drag to move, Ctrl and wheel or double-click to zoom; rest the pointer for details."
    buttons = (
        "<button type='button' data-key='+'>zoom in</button> "
        "<button type='button' data-key='-'>zoom out</button> "
        "<button type='button' data-key='ArrowLeft'>earlier</button> "
        "<button type='button' data-key='ArrowRight'>later</button> "
        "<button type='button' data-key='0'>whole run</button>"
    )
    return (
        "<h2>What happened</h2>\n"
        f"<p class='tools' id='zoom-tools' hidden>{buttons} {hint}</p>\n"
        f"<div class='scroll'>{diagram_svg}</div>"
    )


def _picture(heading: str, svg: str) -> str:
    return f"<h2>{_text(heading)}</h2>\n<div class='picture'>{svg}</div>"


def _events(events: Sequence[TimelineEvent], lab: Lab | None) -> str:
    told = [event for event in events if event.kind not in ROUTINE_KINDS]
    if not told:
        return ""
    told.sort(key=lambda event: (event.at_ms, event.lamport, event.node, event.seq))
    shown = told[-EVENTS_MAX:]
    left_out = len(told) - len(shown)
    remark = f"<p class='facts'>{left_out:,} earlier events are left out.</p>" if left_out else ""
    rows = "\n".join(
        f"<tr><td class='number'>{event.at_ms:,.1f}</td><td>{_text(event.node)}</td>"
        f"<td>{_text(event.kind)}</td><td>{_text(_say(event, lab))}</td></tr>"
        for event in shown
    )
    nodes = "".join(
        f"<option value='{_text(node)}'>{_text(node)}</option>"
        for node in sorted({event.node for event in shown})
    )
    return (
        f"<h2>Events</h2>\n{remark}"
        "<p class='tools' id='event-tools' hidden><label>Words <input id='event-words' "
        "type='search' autocomplete='off'></label> <label>Node <select id='event-node'>"
        f"<option value=''>all</option>{nodes}</select></label> <span id='event-count'></span></p>"
        "<div class='events'><table id='events'><thead><tr><th>ms</th><th>node</th><th>kind</th>"
        f"<th>what</th></tr></thead><tbody>\n{rows}\n</tbody></table></div>"
    )


def _say(event: TimelineEvent, lab: Lab | None) -> str:
    if isinstance(event.fields.get("sentence"), str):
        return str(event.fields["sentence"])
    if lab is None:
        return ", ".join(f"{name} {value}" for name, value in event.fields.items())
    head = {"node": event.node, "kind": event.kind, "at_ms": event.at_ms}
    return sentence(lab, {**event.fields, **head})
