"""Removes the containers of a lab whose conductor has ended without doing so itself.

    python -m nodes.cluster.reaper SESSION

A container cannot be tied to a process, and a paused one could not even notice. So the conductor
starts this process beside its containers and holds the other end of its stdin: when that closes
without a word, by SIGKILL for instance, everything with the session's label is removed. A line
`done` says that there is nothing left to do. Until then this process only waits.
"""

from __future__ import annotations

import signal
import sys
import time

PATIENCE_S = 60.0
LOOK_AGAIN_S = 1.0
DONE = "done"


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 nothing is left, 1 something is, 2 wrong usage."""
    if len(arguments) != 1:
        print(f"usage: python -m nodes.cluster.reaper SESSION\n\n{__doc__}", file=sys.stderr)
        return 2
    # Whoever ends the conductor's whole terminal or service means the containers, too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.read().strip() == DONE:
        return 0
    return 0 if reap(arguments[0]) else 1


def reap(session: str) -> bool:
    """Whether nothing is left. Tries for a minute, since the engine may just be restarting."""
    from nodes.cluster.api import RuntimeFailure
    from nodes.cluster.engine import Engine

    deadline = time.monotonic() + PATIENCE_S
    quiet_looks = 0
    while time.monotonic() < deadline:
        try:
            engine = Engine()
            try:
                # What was being created when the conductor ended may only appear now.
                quiet_looks = 0 if engine.leftovers(session) else quiet_looks + 1
                if quiet_looks == 2:
                    return True
                engine.remove_session(session)
            finally:
                engine.close()
        except RuntimeFailure:
            quiet_looks = 0
        time.sleep(LOOK_AGAIN_S)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
