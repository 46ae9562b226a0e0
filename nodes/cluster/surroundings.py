"""What the processes of a cluster get to see of the one who starts them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]

# What a node may know of its surroundings; all else stays with the one who starts it.
_ENVIRONMENT_KEPT: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


def node_environment() -> dict[str, str]:
    """The environment of a node process."""
    kept = {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}
    return kept | {
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONUTF8": "1",
        "GRPC_VERBOSITY": "NONE",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        # One arena a thread would cost megabytes in a process of a dozen threads.
        "MALLOC_ARENA_MAX": "1",
    }
