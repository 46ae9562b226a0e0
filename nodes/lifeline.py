"""Ties a process to the one that started it, so that nothing outlives its lab.

On Linux the kernel does it (PR_SET_PDEATHSIG), even when this process is stopped. Elsewhere a
watching thread does, as soon as this process runs. This module imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import threading
from typing import Any, Final

ON_LINUX: Final = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG: Final = 1
_POLL_S: Final = 0.2


def tie_to_parent(parent_pid: int) -> None:
    """From now on this process is killed (SIGKILL) as soon as process `parent_pid` ends.

    Call it first thing in a process that `parent_pid` started, from its main thread. On Linux the
    tie is to the thread that did the fork, survives exec, and is not inherited by children.

    Raises SystemExit when `parent_pid` is not, or no longer, the parent.
    """
    if ON_LINUX:
        kill_with_parent()
    # The parent may have ended before the tie was made, and then no signal comes: look once more.
    if os.getppid() != parent_pid:
        raise SystemExit(
            f"the process that should own this one (pid {parent_pid}) is not its parent, or has"
            f" ended; start it from there"
        )
    if not ON_LINUX:
        threading.Thread(target=_die_with, args=(parent_pid,), name="lifeline", daemon=True).start()


def kill_with_parent() -> None:
    """Asks the Linux kernel for a SIGKILL at the parent's death. Raises OSError when it refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_PDEATHSIG): {os.strerror(number)}")


def await_end_of_parent(parent_pid: int) -> None:
    """Blocks until process `parent_pid`, the parent of this one, has ended."""
    system: Any = select  # kqueue is there on macOS and the BSDs only
    if hasattr(system, "kqueue"):
        queue = system.kqueue()
        watch = system.kevent(
            parent_pid,
            filter=system.KQ_FILTER_PROC,
            flags=system.KQ_EV_ADD | system.KQ_EV_ONESHOT,
            fflags=system.KQ_NOTE_EXIT,
        )
        with contextlib.suppress(OSError):  # it has ended already
            queue.control([watch], 1)
        queue.close()
        return
    # No event to wait for on this system: look now and then.
    pause = threading.Event()
    while os.getppid() == parent_pid:
        pause.wait(_POLL_S)


def _die_with(parent_pid: int) -> None:
    await_end_of_parent(parent_pid)
    os.kill(os.getpid(), signal.SIGKILL)
