"""Where the running lab is: `.lab/session.json`, written by its conductor, read by every command.

The lock file decides who runs: the conductor holds it for as long as it lives, and the system lets
go of it when the conductor dies, however it dies. The session file only says where to find it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from labs.kit.containers import remove_after
from labs.kit.errors import LabError
from labs.kit.processes import ProcessMark, end_processes

HOME_VARIABLE = "FAULTLAB_HOME"


def home_folder() -> Path:
    """The folder of this working directory's session; FAULTLAB_HOME replaces it."""
    chosen = os.environ.get(HOME_VARIABLE)
    return Path(chosen) if chosen else Path.cwd() / ".lab"


@dataclass(frozen=True, slots=True)
class Session:
    """A lab that a conductor runs. `started_at` is in seconds since 1970; `processes` are the
    nodes and the proxy, so that they can be ended should they ever outlive their conductor."""

    conductor: ProcessMark
    port: int
    token_file: str
    lab: str
    runtime: str
    started_at: float
    processes: tuple[ProcessMark, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """As written to the session file."""
        return {
            "pid": self.conductor.pid,
            "pid_started": self.conductor.started,
            "port": self.port,
            "token_file": self.token_file,
            "lab": self.lab,
            "runtime": self.runtime,
            "started_at": self.started_at,
            "processes": [mark.to_json() for mark in self.processes],
        }

    @classmethod
    def from_json(cls, raw: Any) -> Session | None:
        """None when the JSON is no session: half-written, or not ours."""
        match raw:
            case {
                "pid": int(pid), "pid_started": str(pid_started), "port": int(port),
                "token_file": str(token_file), "lab": str(lab), "runtime": str(runtime),
                "started_at": int() | float() as started_at, "processes": list(processes),
            } if pid > 1 and 0 < port < 65536:  # fmt: skip
                marks = tuple(
                    mark for one in processes if (mark := ProcessMark.from_json(one)) is not None
                )
                conductor = ProcessMark(pid, pid_started)
                return cls(conductor, port, token_file, lab, runtime, float(started_at), marks)
        return None


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a dead conductor left behind and has now been cleaned away."""

    session: Session | None
    ended: tuple[ProcessMark, ...]
    containers: str = ""

    def sentence(self) -> str:
        """For people: what was found, what was done."""
        whose = (
            f"a {self.session.lab} lab whose conductor (pid {self.session.conductor.pid}) is gone"
            if self.session
            else "an unreadable session file"
        )
        ended = f"; ended {len(self.ended)} processes of it" if self.ended else ""
        return f"cleaned up after {whose}{ended}{self.containers}"


class SessionFolder:
    """The private folder of one working directory's lab."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session_file = path / "session.json"
        self.token_file = path / "token"
        self.lock_file = path / "lock"

    def create(self) -> None:
        """Makes the folder, private to the user. Raises LabError when that cannot be."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise LabError(
                    f"{self.path} is not a folder of yours; remove it, or choose another "
                    f"with {HOME_VARIABLE}"
                )
            self.path.chmod(0o700)
        except OSError as error:
            raise LabError(
                f"cannot use {self.path} ({error.strerror}); choose another folder "
                f"with {HOME_VARIABLE}"
            ) from None

    @contextlib.contextmanager
    def lock(self) -> Iterator[Leftover | None]:
        """Holds the right to run a lab here, and yields what had to be cleaned up first.

        Raises LabError when another process holds it.
        """
        self.create()
        try:
            held = self._open_private(self.lock_file, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise LabError(
                f"cannot open {self.lock_file} ({error.strerror}); remove it, or choose another "
                f"folder with {HOME_VARIABLE}"
            ) from None
        with held:
            self._take(held)
            yield self._clean()

    def _take(self, held: IO[str]) -> None:
        # A command that only looks whether the lab lives takes the lock for an instant, too, so a
        # refusal counts only when it stays or when somebody is known to run.
        for attempts_left in reversed(range(10)):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                session = self.read()
                if attempts_left == 0 or (session is not None and session.conductor.alive()):
                    raise LabError(self.who_runs()) from None
                time.sleep(0.02)
            except OSError as error:
                raise LabError(
                    f"cannot lock {self.lock_file} ({error.strerror}); choose a folder on a "
                    f"local disk with {HOME_VARIABLE}"
                ) from None

    def who_runs(self) -> str:
        """One line that says which lab runs, since when, and how to end it."""
        from labs.kit.text import clock_time

        session = self.read()
        if session is None:
            return "another lab is just starting here; wait for it, or end it with `lab down`"
        return (
            f"the {session.lab} lab already runs here ({session.runtime}, since "
            f"{clock_time(session.started_at)}, pid {session.conductor.pid}); "
            "end it with `lab down`"
        )

    def write(self, session: Session, token: str) -> None:
        """Says where the conductor is; readers see the old file or the new one, never half."""
        self._replace(self.token_file, token)
        self._replace(self.session_file, json.dumps(session.to_json(), indent=2) + "\n")

    def read(self) -> Session | None:
        """The session as it is written down, dead or alive; None when there is none to read."""
        try:
            return Session.from_json(json.loads(self.session_file.read_text()))
        except (OSError, ValueError, RecursionError):
            return None

    def read_token(self, session: Session) -> str:
        """The token of the session. Raises LabError when it cannot be read."""
        try:
            return Path(session.token_file).read_text().strip()
        except (OSError, ValueError):
            raise LabError(
                f"the token of the running lab is missing ({session.token_file}); "
                "end the lab with `lab down` and start it again"
            ) from None

    def remove(self) -> None:
        """Forgets the session."""
        self.session_file.unlink(missing_ok=True)
        self.token_file.unlink(missing_ok=True)

    def clean_stale(self) -> Leftover | None:
        """Removes what a dead conductor left; None when there was nothing, or when one lives."""
        if not self.path.is_dir():
            return None
        try:
            with self._open_private(self.lock_file, os.O_RDWR | os.O_CREAT) as probe:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self._clean()
        except OSError:
            return None

    def _clean(self) -> Leftover | None:
        """Called with the lock held: so whoever wrote the files no longer lives."""
        if not self.session_file.exists():
            self.token_file.unlink(missing_ok=True)
            return None
        session = self.read()
        ended = end_processes(list(session.processes)) if session else []
        containers = remove_after(session.runtime) if session else ""
        self.remove()
        return Leftover(session, tuple(ended), containers)

    def _replace(self, path: Path, content: str) -> None:
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with self._open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as file:
            file.write(content)
        temporary.replace(path)

    def _open_private(self, path: Path, flags: int) -> IO[str]:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "r" if flags & os.O_ACCMODE == os.O_RDONLY else "w")
