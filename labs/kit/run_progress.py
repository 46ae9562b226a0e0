"""How a run that takes its time shows that it lives, and how it is ended early."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labs.kit.output import tell
from labs.kit.text import visible


@contextmanager
def progress_lines() -> Iterator[Callable[[str], None]]:
    """On a terminal one line that changes, elsewhere a line now and then."""
    if not sys.stderr.isatty():
        latest = [""]

        def line(text: str) -> None:
            trial = text.split(",")[0]
            if trial != latest[0]:
                latest[0] = trial
                number = trial.split(" trial ")[-1].split(" of ")[0]
                if number.isdigit() and (int(number) <= 3 or int(number) % 10 == 0):
                    tell(visible(trial))

        yield line
        return

    def rewrite(text: str) -> None:
        print(f"\r\x1b[K{visible(text)}", end="", file=sys.stderr, flush=True)

    try:
        yield rewrite
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM ends what runs inside as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
