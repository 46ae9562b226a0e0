"""What the labs need, looked at one by one: each finding says what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Literal

from labs.kit.containers import dead_labs
from labs.kit.engine import ask_engine
from labs.kit.processes import end_processes
from labs.kit.session import SessionFolder
from labs.kit.text import clock_time, visible
from nodes.cluster.api import RuntimeFailure
from nodes.cluster.engine_host import compose_command
from nodes.cluster.proxy_server import find_real_server

DISK_FREE_BYTES_BAD = 100 << 20
DISK_FREE_BYTES_WARN = 1 << 30
PACKAGES = {
    "grpcio": (1, 80),
    "protobuf": (6, 33, 5),
    "aiohttp": (3, 14, 1),
    "typer": (0, 20),
    "rich": (14,),
    "docker": (7, 1),
}
Level = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` is what to do, empty when all is well."""

    level: Level
    subject: str
    text: str
    advice: str = ""

    def line(self) -> str:
        """As printed."""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.level:4}  {self.subject}: {visible(self.text)}{advice}"

    def to_json(self) -> dict[str, Any]:
        """As `lab doctor --json` prints it."""
        return {
            "level": self.level,
            "subject": self.subject,
            "text": self.text,
            "advice": self.advice,
        }


def examine(folder: SessionFolder, *, clean: bool) -> list[Finding]:
    """Looks at everything; with `clean` ends and removes what is left of dead labs."""
    return [
        _python(),
        *_packages(),
        *_docker(),
        _proxy(),
        _uvloop(),
        _disk(folder),
        *_sessions(folder, clean=clean),
        *_containers(clean=clean),
    ]


def _python() -> Finding:
    # An older Python cannot even load this module, and pip refuses to install for it.
    return Finding("ok", "python", f"{platform.python_version()} ({sys.executable})")


def _packages() -> Iterator[Finding]:
    for name, floor in PACKAGES.items():
        needed = ".".join(map(str, floor))
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("bad", name, "not installed", "run `make setup`")
            continue
        if _numbers(version) < floor:
            yield Finding("bad", name, f"{version}, needs {needed}", "run `make setup`")
        else:
            yield Finding("ok", name, version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _docker() -> Iterator[Finding]:
    advice = "not needed: labs run in the local runtime without it"
    answer = ask_engine()
    if answer.version is None:
        yield Finding("warn", "docker engine", answer.why_not, advice)
    elif answer.why_not:
        text = f"{answer.version}, but cannot be used: {answer.why_not}"
        yield Finding("warn", "docker engine", text, advice)
    else:
        yield Finding("ok", "docker engine", answer.version)
    try:
        yield Finding("ok", "docker compose", " ".join(compose_command()))
    except RuntimeFailure as failure:
        yield Finding("warn", "docker compose", str(failure), advice)


def _containers(*, clean: bool) -> Iterator[Finding]:
    """Only where an engine answers: others have been told already."""
    answer = ask_engine()
    if answer.version is None or answer.why_not:
        return
    try:
        dead = dead_labs(remove=clean)
    except RuntimeFailure as failure:
        yield Finding("bad", "containers", str(failure), "try again when the engine is well")
        return
    if not dead:
        yield Finding("ok", "containers", "no dead lab has left any")
    for clause in dead:
        if clean:
            yield Finding("ok", "containers", f"removed {clause}")
        else:
            advice = "`lab doctor --clean` or the next `lab up` removes them"
            yield Finding("warn", "containers", clause, advice)


def _proxy() -> Finding:
    try:
        server = find_real_server()
    except RuntimeFailure as failure:
        return Finding("bad", "toxiproxy", str(failure), "correct or unset it")
    if server is None:
        text = "no toxiproxy-server: the local runtime uses the embedded proxy"
        return Finding("ok", "toxiproxy", text, "`make toxiproxy` compiles the real one")
    return Finding("ok", "toxiproxy", f"{server} is used by the local runtime")


def _uvloop() -> Finding:
    if find_spec("uvloop") is None:
        return Finding("ok", "uvloop", "not installed, not needed")
    return Finding("ok", "uvloop", metadata.version("uvloop"))


def _disk(folder: SessionFolder) -> Finding:
    place = folder.path if folder.path.exists() else folder.path.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding("bad", "disk", f"{place}: {error.strerror}", "choose another FAULTLAB_HOME")
    text = f"{free / (1 << 30):.1f} GiB free at {place}"
    if not os.access(place, os.W_OK):
        return Finding("bad", "disk", f"{place} cannot be written", "choose another FAULTLAB_HOME")
    if free < DISK_FREE_BYTES_BAD:
        return Finding("bad", "disk", text, "make room: nodes stop when they cannot write")
    if free < DISK_FREE_BYTES_WARN:
        return Finding("warn", "disk", text, "make room soon")
    return Finding("ok", "disk", text)


def _sessions(folder: SessionFolder, *, clean: bool) -> Iterator[Finding]:
    session = folder.read()
    if session is not None and session.conductor.alive():
        since = clock_time(session.started_at)
        text = f"the {session.lab} lab runs since {since} (pid {session.conductor.pid})"
        if _responds(folder):
            yield Finding("ok", "session", text)
        elif clean:
            end_processes([session.conductor, *session.processes])
            folder.clean_stale()
            yield Finding("ok", "session", f"{text}; it did not respond and was ended by force")
        else:
            advice = "`lab doctor --clean` ends it by force"
            yield Finding("bad", "session", f"{text}, but does not respond", advice)
    elif not folder.session_file.exists():
        yield Finding("ok", "session", "no lab is running here")
    elif clean:
        leftover = folder.clean_stale()
        text = leftover.sentence() if leftover else "a lab is just starting"
        yield Finding("ok", "session", text)
    else:
        advice = "`lab doctor --clean` or the next `lab up` removes it"
        yield Finding("warn", "session", f"left by a dead lab: {folder.session_file}", advice)


def _responds(folder: SessionFolder) -> bool:
    from labs.kit.api_client import connect
    from labs.kit.errors import LabError

    try:
        connect(folder).get("/v1/status", timeout_s=3)
    except LabError:
        return False
    return True
