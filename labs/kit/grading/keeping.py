"""A file of the learner's is replaced, never lost."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from labs.kit.errors import LabError


def replace_file(file: Path, text: str, attic: Path, name: str) -> Path | None:
    """Writes `text` to `file`, and returns where the old content is kept, below `attic`; None when
    there was none, or when it was this already. Raises LabError when it cannot be done, and has
    changed nothing then."""
    file = file.resolve()  # a link stays one
    content = text.encode()
    try:
        old = file.read_bytes() if file.exists() else None
        kept = None
        if old not in (None, content):
            assert old is not None, "there was something"
            kept = _keep(old, attic, name, file.suffix)
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            beside.write_bytes(content)
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise LabError(f"{error.filename or file}: {error.strerror}; nothing was changed") from None
    return kept


def _keep(content: bytes, attic: Path, name: str, suffix: str) -> Path:
    attic.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    for number in count(1):
        kept = attic / (
            f"{name}-{now}{suffix}" if number == 1 else f"{name}-{now}-{number}{suffix}"
        )
        try:
            with kept.open("xb") as out:
                out.write(content)
        except FileExistsError:
            continue
        return kept
    raise AssertionError("numbers do not end")
