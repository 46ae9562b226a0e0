"""Runs a foreign program so that it ends with the process that started it.

    python -m nodes.cluster.tether PARENT_PID COMMAND [ARGUMENT...]

`toxiproxy-server` knows nothing of its conductor and would outlive it. On Linux this module asks
the kernel for a SIGKILL at the parent's death and then becomes the command (exec keeps the tie).
Elsewhere it stays, passes signals on, and ends the command when the parent ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

from nodes.lifeline import ON_LINUX, await_end_of_parent, tie_to_parent

_USAGE = "usage: python -m nodes.cluster.tether PARENT_PID COMMAND [ARGUMENT...]"


def main(arguments: list[str]) -> int:
    """Runs the command under the tether; returns its exit status where it did not replace us."""
    if len(arguments) < 2 or not arguments[0].isdigit():
        raise SystemExit(_USAGE)
    parent_pid, command = int(arguments[0]), arguments[1:]
    if ON_LINUX:
        tie_to_parent(parent_pid)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            raise SystemExit(f"cannot run {command[0]!r}: {error.strerror}") from None
    return _supervise(parent_pid, command)


def _supervise(parent_pid: int, command: list[str]) -> int:
    if os.getppid() != parent_pid:
        raise SystemExit(f"the process that should own this one (pid {parent_pid}) has ended")
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        raise SystemExit(f"cannot run {command[0]!r}: {error.strerror}") from None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    def end_with_parent() -> None:
        await_end_of_parent(parent_pid)
        child.kill()

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    threading.Thread(target=end_with_parent, name="tether", daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
