"""Where a core may be made to die: points that are armed, and the death itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from typing import NoReturn

from nodes.core import NodeId
from nodes.host.text import printable
from protos import node_pb2

POINTS_MAX = 100
NAME_LENGTH_MAX = 64
AFTER_MAX = 1_000_000
_FAREWELL = "dies at its crash point "
_KILLED = 128 + signal.SIGKILL


class CrashPoints:
    """The points that are armed, each with how many passes are let go before the node dies."""

    def __init__(self, points: Mapping[str, int] | None = None) -> None:
        self._left: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        armed = points or {}
        self.replace(node_pb2.CrashPoint(name=name, after=after) for name, after in armed.items())

    def replace(self, points: Iterable[node_pb2.CrashPoint]) -> None:
        """Arms these and no others. Raises ValueError, with nothing changed, for what makes no
        sense."""
        left: dict[str, int] = {}
        for point in points:
            if not 0 < len(point.name) <= NAME_LENGTH_MAX:
                raise ValueError(f"crash point {point.name!r:.80} has no usable name")
            if point.name in left:
                raise ValueError(f"crash point {point.name} is named twice")
            if point.after > AFTER_MAX:
                raise ValueError(f"crash point {point.name}: more than {AFTER_MAX:,} passes")
            left[point.name] = point.after
        if len(left) > POINTS_MAX:
            raise ValueError(f"{len(left)} crash points, more than {POINTS_MAX}")
        self._left, self._passed = left, dict.fromkeys(left, 0)

    @property
    def armed(self) -> tuple[node_pb2.CrashPoint, ...]:
        """With what is left of the passes, and what was let go."""
        return tuple(
            node_pb2.CrashPoint(name=name, after=after, passed=self._passed[name])
            for name, after in self._left.items()
        )

    def ends_here(self, name: str) -> bool:
        """The core is at this point: whether the node dies. Otherwise the pass counts."""
        left = self._left.get(name)
        if left is None:
            return False
        if left == 0:
            return True
        self._left[name] = left - 1
        self._passed[name] += 1
        return False


def farewell(node: NodeId, point: str) -> str:
    """The last line that a node writes to its log when it dies at a crash point."""
    return printable(f"{node}: {_FAREWELL}{point}")


def point_in(last_words: str) -> str | None:
    """The crash point in a node's last words, without its name; None when it died of something
    else."""
    return last_words.removeprefix(_FAREWELL) if last_words.startswith(_FAREWELL) else None


def kill_this_process() -> NoReturn:
    """As `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    # The first process of a container is spared its own signals.
    os._exit(_KILLED)
