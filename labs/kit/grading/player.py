"""A process that holds a learner's cores, so that the judge never runs a line of theirs.

Whatever that code does, the judge gets effects and a view, or a LearnerError that names the line.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import util
from pathlib import Path
from typing import Any, Final, NoReturn

from google.protobuf.message import DecodeError

from labs.kit.grading.learner_error import Kind, LearnerError
from labs.kit.grading.remote_core import RemoteCore
from labs.kit.grading.wire import Channel, Closed, Types
from nodes.cluster.api import ClusterSpec
from nodes.core import Core, NodeId
from nodes.loading import load_core
from protos import step_pb2 as pb

STEP_CPU_S: Final = 2.0  # of a step, which takes a thousandth of that
STEP_WALL_S: Final = 10.0  # of a step that does not compute, or not in Python
DUMP_S: Final = 1.0  # for the process to say where it hangs
OUTPUT_BYTES_MAX: Final = 1 << 16
PIPE_BYTES: Final = 1 << 18  # what is printed in a run waits there until the run is over
_PLACE: Final = re.compile(r'File "([^"]*)", line (\d+) in (\w+)')
_KINDS: Final[dict[int, Kind]] = {
    pb.Trouble.RAISED: "raised",
    pb.Trouble.TOO_SLOW: "too slow",
    pb.Trouble.EXITED: "exited",
    pb.Trouble.WRONG_RESULT: "wrong result",
    pb.Trouble.NOT_WRITTEN: "not written",
    pb.Trouble.CANNOT_LOAD: "cannot load",
}


class Player:
    """One file's class, played for any number of runs, one at a time. Use as a context manager.

    `module_or_file` is where `class_name` is, a subclass of `base` (`module:Class`), of which the
    methods in `fallback` are taken instead. `protos` are the modules of its messages. Errors call
    the file `label`. A step may take `step_cpu_s` of processor time, and `step_wall_s` in all.
    """

    def __init__(
        self,
        module_or_file: str,
        class_name: str,
        *,
        protos: Sequence[str],
        base: str,
        fallback: Sequence[str] = (),
        label: str = "",
        step_cpu_s: float = STEP_CPU_S,
        step_wall_s: float = STEP_WALL_S,
    ) -> None:
        self._file = _file_of(module_or_file)
        self._shown = label or _shown(self._file)
        self._orders = {
            "file": str(self._file),
            "class_name": class_name,
            "protos": list(protos),
            "base": base,
            "fallback": list(fallback),
            "step_cpu_s": step_cpu_s,
        }
        self._step_wall_s = step_wall_s
        self._base = load_core(base)
        self._played: tuple[int, int] | None = None  # which version of the file
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._printed_fd = self._dump_fd = -1
        self._printed = b""
        self._error: LearnerError | None = None
        self._reply = pb.Reply()
        self.types = Types(protos)
        self.turn = pb.Turn()  # for RemoteCore, used again and again

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process and all that it started."""
        self._end()

    @property
    def output(self) -> str:
        """What the code has printed in this run, up to a limit."""
        self._drain()
        return self._printed.decode(errors="replace")

    def cores(self, spec: ClusterSpec) -> dict[NodeId, type[Core]]:
        """What `simulate(cores=...)` takes: each makes a fresh core in the player. They are good
        until this is called again, or one raises LearnerError. A file that was saved is read anew.
        """
        self._drain()
        self._printed, self._error = b"", None
        version = self._version()
        if version != self._played:
            self._end()
        if self._process is None:
            self._played = version
            self._begin()
        numbers = {node: number for number, node in enumerate(spec.node_ids)}
        self.play(pb.Turn(kind=pb.Turn.RUN))
        run: Any = type("PlayedCore", (RemoteCore,), {"player": self, "numbers": numbers})
        run._handlers = self._base._handlers
        return dict.fromkeys(spec.node_ids, run)

    def play(self, turn: pb.Turn) -> pb.Reply:
        """One turn; the reply is good until the next. Raises LearnerError, and so from then on."""
        if self._error is not None:
            raise self._error
        channel = self._channel
        assert channel is not None, "cores() starts it"
        reply = self._reply
        try:
            channel.send(turn.SerializeToString())
            reply.ParseFromString(channel.receive())
        except BlockingIOError:
            self._hangs()
        except Closed:
            self._ended()
        except DecodeError as error:
            self._fail(f"its process said what no core can: {error}", "", "misbehaved", gone=True)
        if reply.HasField("trouble"):
            trouble = reply.trouble
            kind = _KINDS.get(trouble.kind, "misbehaved")
            where = f"{self._shown}:{trouble.line}" if trouble.line else ""
            self._fail(trouble.message, where, kind, gone=kind == "too slow")
        return reply

    # ------------------------------------------------------------------------------ life and death

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        printed, printing = os.pipe()
        dump, dumping = os.pipe()
        with suppress(AttributeError, OSError):  # Linux only, and a matter of rights
            fcntl.fcntl(printing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        for fd in (printed, dump):
            os.set_blocking(fd, False)
        orders = {
            **self._orders,
            "parent_pid": os.getpid(),
            "channel_fd": theirs.fileno(),
            "dump_fd": dumping,
        }
        try:
            self._process = subprocess.Popen(
                # No user site, nothing of the current folder, nothing buffered.
                [sys.executable, "-s", "-P", "-u", "-m", _MAIN, json.dumps(orders)],
                stdin=subprocess.DEVNULL,
                stdout=printing,
                stderr=printing,
                pass_fds=(theirs.fileno(), dumping),
                env=_environment(),
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(printing)
            os.close(dumping)
        # The kernel keeps this time: no call is needed beside the one that reads.
        whole_s, part_s = divmod(self._step_wall_s, 1)
        timeout = struct.pack("@ll", int(whole_s), int(part_s * 1e6))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        self._channel = Channel(ours)
        self._printed_fd, self._dump_fd = printed, dump

    def _version(self) -> tuple[int, int]:
        try:
            status = self._file.stat()
        except OSError as error:
            self._fail(f"the file cannot be read: {error.strerror}", "", "cannot load", gone=True)
        return status.st_mtime_ns, status.st_size

    def _end(self) -> int | None:
        """Kills the process with its group; returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        self._drain()
        assert self._channel is not None, "it began with the process"
        self._channel.close()
        self._channel = None
        os.close(self._printed_fd)
        os.close(self._dump_fd)
        self._printed_fd = self._dump_fd = -1
        return code

    # ------------------------------------------------------------------------------ what went wrong

    def _hangs(self) -> NoReturn:
        """No reply came: the process is asked where it is, and ended."""
        assert self._process is not None, "somebody was asked"
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        where, method = self._dumped(DUMP_S)
        said = f"no end of one step after {self._step_wall_s:g} s"
        self._fail(f"{method}: {said}" if method else said, where, "too slow", gone=True)

    def _ended(self) -> NoReturn:
        """The process is gone, or has closed what it talks through."""
        assert self._process is not None, "somebody was asked"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(DUMP_S)
        where, method = self._dumped(0.0)
        code = self._end()
        if code is not None and code < 0 and code != -signal.SIGKILL:
            said = f"it crashed its process by {signal.Signals(-code).name}"
        elif code == -signal.SIGKILL:
            said = "its process was killed, or has closed what it talks through"
        else:
            said = f"it ended its process, with status {code}"
        self._fail(f"{method}: {said}" if method else said, where, "exited", gone=True)

    def _dumped(self, timeout_s: float) -> tuple[str, str]:
        """The innermost place in the file, by what the process wrote last of all."""
        found = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._dump_fd, selectors.EVENT_READ)
            while selector.select(timeout_s):
                more = _read(self._dump_fd, OUTPUT_BYTES_MAX)
                if not more or len(found) > OUTPUT_BYTES_MAX:
                    break
                found, timeout_s = found + more, min(timeout_s, 0.05)
        for file, line, method in _PLACE.findall(found.decode(errors="replace")):
            if file == self._file.name:
                return f"{self._shown}:{line}", method
        return "", ""

    def _fail(self, message: str, where: str, kind: Kind, *, gone: bool = False) -> NoReturn:
        if gone:
            self._end()
        self._error = LearnerError(message, where, kind)
        raise self._error

    def _drain(self) -> None:
        while self._printed_fd >= 0 and (more := _read(self._printed_fd, OUTPUT_BYTES_MAX)):
            self._printed = (self._printed + more)[:OUTPUT_BYTES_MAX]


_MAIN: Final = "labs.kit.grading.player_main"


def _read(fd: int, size: int) -> bytes:
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return b""


def _environment() -> dict[str, str]:
    """Nothing of the judge's; sets have one order, so that a seed tells the same tale again."""
    return {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry),
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
    }


def _file_of(module_or_file: str) -> Path:
    if module_or_file.endswith(".py"):
        return Path(module_or_file).resolve()
    spec = util.find_spec(module_or_file)
    if spec is None or spec.origin is None:
        raise LookupError(f"there is no module {module_or_file}")
    return Path(spec.origin)


def _shown(file: Path) -> str:
    """As one would open it from here."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else file.name
