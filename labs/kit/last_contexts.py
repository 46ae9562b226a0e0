"""What the commands of a session were told last about the versions of each key, for
`--context last`. It ends with the session: another cluster counts anew."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

from labs.kit.last_run import CLUSTER_NAME

NAME: Final = "contexts.json"
KEYS_MAX: Final = 1000  # the keys that were not used for longest are forgotten


class LastContexts:
    """Kept with the files of the running cluster; `home` is the session folder."""

    def __init__(self, home: Path) -> None:
        self._path = home / CLUSTER_NAME / NAME

    def of(self, key: str) -> str | None:
        """The context that was told last; None when none was."""
        return self._read().get(key)

    def remember(self, key: str, context: str) -> None:
        """A context that came with an answer. A session that has just ended keeps nothing."""
        known = self._read()
        known.pop(key, None)
        newest = dict([*known.items(), (key, context)][-KEYS_MAX:])
        temporary = self._path.with_name(f"{NAME}.{os.getpid()}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                json.dump(newest, file)
            temporary.replace(self._path)

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}
