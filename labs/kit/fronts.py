"""Whom a conductor tells how its lab is doing: a terminal, a pipe, or another command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from labs.kit.lab import Lab
from labs.kit.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from labs.kit.conductor import Conductor


def first_steps(status: Mapping[str, Any]) -> list[str]:
    """What to tell when the lab is ready."""
    leader = status.get("leader")
    serves = f"{leader} leads" if leader else f"{len(status['nodes'])} nodes serve"
    whom = "leader" if leader else str(status["nodes"][0]["id"])
    verbs = status.get("client_verbs", ())
    ask = next((f", {example}" for verb, example in _EXAMPLES.items() if verb in verbs), "")
    return [
        f"ready: {serves}. Ctrl-C ends the lab.",
        f"from a second terminal: lab status, lab fault kill {whom}, lab fault heal{ask}",
        *how_to_type_lab(),
    ]


# What a client may ask first, by the operation that the lab offers.
_EXAMPLES: Mapping[str, str] = {
    "put": "lab put x 1",
    "transfer": "lab transfer alice bob 10",
    "order-place": "lab order place book",
}


def how_to_type_lab() -> list[str]:
    """Where the command is, for those who have no `lab` on their PATH: after `make` few do."""
    if shutil.which("lab"):
        return []
    command = Path(sys.argv[0])
    with contextlib.suppress(ValueError):
        command = command.resolve().relative_to(Path.cwd())
    return [f"(not found? alias lab={shlex.quote(str(command))})"] if command.name == "lab" else []


def say(stream: IO[str], text: str) -> None:
    """Prints a line; a terminal that went away is no reason to leave a lab half ended."""
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):
        return


class PlainFront:
    """Lines: for pipes and dumb terminals. With `as_json` one document when ready, then silence."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def progress(self, text: str) -> None:
        """To stderr, so that stdout holds events only."""
        say(sys.stderr, visible(text))

    def ready(self, status: Mapping[str, Any]) -> None:
        """Says who leads and what to try."""
        if self._as_json:
            say(sys.stdout, json.dumps(status))
            return
        for line in first_steps(status):
            say(sys.stderr, line)

    async def show(self, conductor: Conductor) -> None:
        """Prints every event once."""
        seq = 0
        while True:
            for line in await conductor.events_after(seq, 0.5):
                seq = line.seq
                if not self._as_json and not _print(f"{line.at_ms / 1000:9.2f} s  {line.sentence}"):
                    conductor.request_stop("its output was closed")
                    return

    def gone(self) -> bool:
        """A person at a terminal signals; a pipe is noticed when it is written to."""
        return False


def _print(text: str) -> bool:
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        return False
    return True


class LiveFront:
    """The live view of a terminal."""

    def __init__(self, lab: Lab, console: Console) -> None:
        self._lab = lab
        self._console = console
        self._messages: IO[str] = sys.stderr

    @contextlib.contextmanager
    def undisturbed(self, log_path: Path) -> Iterator[None]:
        """Sends what libraries and the proxy server print to a log file: into a picture that is
        drawn again and again nobody else may write."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        log, terminal = os.open(log_path, flags, 0o600), os.dup(2)
        try:
            os.dup2(log, 2)
            with os.fdopen(terminal, "w", closefd=False) as self._messages:
                yield
        finally:
            self._messages = sys.stderr
            os.dup2(terminal, 2)
            os.close(terminal)
            os.close(log)

    def progress(self, text: str) -> None:
        """Lines above the view."""
        say(self._messages, visible(text))

    def ready(self, status: Mapping[str, Any]) -> None:
        """Says who leads and what to try."""
        for line in first_steps(status):
            say(self._messages, line)

    async def show(self, conductor: Conductor) -> None:
        """Redraws until cancelled."""
        from rich.live import Live

        from labs.kit import live

        try:
            with Live(console=self._console, auto_refresh=False, transient=False) as screen:
                while True:
                    status = await conductor.status()
                    lines = live.lines_for_events(self._console, self._lab, status)
                    events = [line.to_json() for line in list(conductor.feed.lines)[-lines:]]
                    screen.update(live.draw(self._lab, status, events, lines), refresh=True)
                    await asyncio.sleep(live.REFRESH_S)
        except OSError:
            conductor.request_stop("the terminal was closed")

    def gone(self) -> bool:
        """A closed terminal sends SIGHUP."""
        return False


class PipeFront:
    """Tells the `lab up --detach` that started this conductor, until the lab is ready."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)
        self._poll = select.poll()
        self._poll.register(descriptor, 0)

    def progress(self, text: str) -> None:
        """A line for its stderr; kept in the conductor's log as well."""
        say(sys.stderr, visible(text))
        self._send({"progress": visible(text)})

    def ready(self, status: Mapping[str, Any]) -> None:
        """The command may return now."""
        self._send({"ready": dict(status)})
        self._close()

    def failed(self, message: str, exit_status: int) -> None:
        """The command must say why."""
        say(sys.stderr, message)
        self._send({"error": message, "status": exit_status})
        self._close()

    async def show(self, conductor: Conductor) -> None:  # the log file needs no picture
        """Nothing to show: the events are kept in the feed."""

    def gone(self) -> bool:
        """Whether that command ended before the lab was ready."""
        return self._descriptor is not None and bool(self._poll.poll(0))

    def _send(self, document: Mapping[str, Any]) -> None:
        if self._descriptor is None:
            return
        data = json.dumps(document).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            # `gone` will notice, and the lab is given up.
            return

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def terminal_front(lab: Lab, *, as_json: bool) -> PlainFront | LiveFront:
    """The live view where it can be drawn, else lines."""
    from rich.console import Console

    from labs.kit import live

    console = Console()
    if as_json or not live.can_redraw(console):
        return PlainFront(as_json=as_json)
    return LiveFront(lab, console)
