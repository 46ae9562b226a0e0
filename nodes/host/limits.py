"""Limits of a node that runs somebody's own core: a mistake in it must not take the machine along.

It is judged in a stricter cage first (labs/kit/grading/cage.py); a real node has to open sockets,
start threads and write its disk.
"""

from __future__ import annotations

import resource
from typing import Final

LIMITS: Final = (
    (resource.RLIMIT_AS, 4 << 30),  # bytes of address space; gRPC's threads reserve most of it
    (resource.RLIMIT_CPU, 600),  # seconds, a hundred times what a check takes
    (resource.RLIMIT_FSIZE, 256 << 20),  # bytes of a file: its disk, its log
    (resource.RLIMIT_NOFILE, 512),
    (resource.RLIMIT_CORE, 0),
)


def limit_this_process() -> None:
    """For good. A limit that is lower already stays."""
    for what, most in LIMITS:
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))
