"""Reading the end of a log file, and on from there."""

from __future__ import annotations

from pathlib import Path

from labs.kit.text import visible

LINES_MAX = 10_000
READ_BYTES_MAX = 512 * 1024


def read_log(path: Path, *, lines: int, after: int | None) -> tuple[list[str], int]:
    """The last `lines` lines, or with `after` (a byte offset) all whole lines behind it, escaped
    for a terminal; and the offset to go on from. A log that was cut is read from its start."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if after is None or after > size:
                start = max(0, size - READ_BYTES_MAX) if after is None else 0
            else:
                start = after
            file.seek(start)
            data = file.read(READ_BYTES_MAX)
    except FileNotFoundError:
        return [], 0
    whole = data[: data.rfind(b"\n") + 1] if after is not None else data
    offset = start + len(whole)
    texts = [visible(line) for line in whole.decode("utf-8", "backslashreplace").splitlines()]
    return (texts[-lines:] if after is None else texts), offset
