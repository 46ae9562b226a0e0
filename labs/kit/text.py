"""Text for terminals: nothing that comes from a node may steer the terminal of its reader."""

from __future__ import annotations

import base64
import time
import unicodedata
from pathlib import Path
from typing import Any

# Cc: controls such as ESC; Cf: format characters such as right-to-left overrides; Cs: lone
# surrogates, which no terminal can be sent; Co and Cn are left to the terminal's font.
_ESCAPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    """The text with everything that is not plainly printable written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        repr(character)[1:-1]
        if unicodedata.category(character) in _ESCAPED_CATEGORIES
        else character
        for character in text
    )


def visible_bytes(value: bytes) -> str:
    """Bytes as text for a terminal: UTF-8 where it is, `\\xff` where it is not."""
    return visible(value.decode("utf-8", "backslashreplace"))


def bytes_to_json(value: bytes, name: str = "value") -> dict[str, Any]:
    """Fields of a JSON document for bytes: readable always, and exact in base64 if not UTF-8."""
    try:
        return {name: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            name: value.decode("utf-8", "backslashreplace"),
            f"{name}_base64": base64.b64encode(value).decode("ascii"),
        }


def from_here(path: Path) -> str:
    """A path as one would write it from here; as it was given when it lies elsewhere."""
    here, full = Path.cwd(), path.resolve()
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(path)


def counted(number: int, what: str) -> str:
    """`1 trial`, `3 trials`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def span(duration_ms: float) -> str:
    """A duration as people say it: `340 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`."""
    if duration_ms < 1000:
        return f"{max(0, round(duration_ms))} ms"
    seconds = duration_ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, rest_min = divmod(minutes, 60)
    return f"{hours} h {rest_min} min"


def clock_time(unix_s: float) -> str:
    """A moment as the local clock shows it, with the date unless it is today's."""
    moment, today = time.localtime(unix_s), time.localtime()
    same_day = moment[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", moment)
