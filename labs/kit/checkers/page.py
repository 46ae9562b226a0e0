"""A verdict as one HTML file: nothing is loaded from elsewhere, no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labs.kit.checkers.models import describe
from labs.kit.checkers.picture import svg
from labs.kit.checkers.text import lines
from labs.kit.history import Entry
from labs.kit.text import visible
from labs.kit.verdict import Verdict

_STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", Arial, sans-serif; color: #1f2328; margin: 2em; }
.picture { overflow-x: auto; border: 1px solid #d0d7de; border-radius: 6px; }
table { border-collapse: collapse; } td, th { padding: .2em .8em; text-align: left; }
td { border-top: 1px solid #d0d7de; font-family: monospace; } .stuck td { color: #cf222e; }
"""


def page(verdict: Verdict, entries: Sequence[Entry]) -> str:
    """The whole document."""
    said = lines(verdict)
    headline = escape(visible(said[0]))
    why = verdict.counterexample
    table = ""
    if why is not None and (why.linearized or why.stuck is not None):
        by_number = {one.number: one for one in why.operations}
        rows = [(by_number[number], state, "") for number, state in why.linearized]
        if why.stuck is not None:
            rows.append((by_number[why.stuck], "fits nowhere", " class='stuck'"))
        body = "\n".join(
            f"<tr{mark}><td>{place}</td><td>{one.process}</td><td>{one.invoked + 1}</td>"
            f"<td>{_safe(describe(one))}</td><td>{_safe(state)}</td></tr>"
            for place, (one, state, mark) in enumerate(rows, 1)
        )
        table = (
            "<h2>The longest order that works</h2><table><tr><th>place</th><th>process</th>"
            f"<th>line</th><th>operation</th><th>state after it</th></tr>\n{body}\n</table>"
        )
    explained = "" if why is None else f"<p>{_safe(why.explanation)}</p>"
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{headline}</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{headline}</h1>{explained}\n<div class='picture'>{svg(verdict, entries)}</div>\n"
        f"{table}\n</body></html>\n"
    )


def _safe(text: str) -> str:
    return escape(visible(text))
