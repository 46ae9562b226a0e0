"""What runs in a player's process: a learner's cores, and nothing that could judge them.

Each core comes from its own fresh execution of the file, so that no node sees another's globals,
and none has any left when it restarts.
"""

from __future__ import annotations

import faulthandler
import gc
import io
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from random import Random
from socket import socket
from traceback import walk_tb
from types import CodeType, FrameType, MappingProxyType, ModuleType
from typing import Any, Final

from google.protobuf.message import Message

from labs.kit.grading.cage import lock
from labs.kit.grading.speaking import WrongResult, shown, speaking
from labs.kit.grading.wire import Channel, Closed, Types
from nodes.core import (
    Call,
    Caller,
    CallFailed,
    Core,
    Env,
    Event,
    NotWritten,
    Now,
    Requested,
    Responded,
    Started,
    StoredLog,
    TimerFired,
)
from nodes.lifeline import tie_to_parent
from nodes.loading import with_given
from protos import step_pb2 as pb

MODULE: Final = "exercise"  # what the learner's file is imported as
TICKS: Final = 4  # of the processor's clock, within a step's time
RUN_CPU_S: Final = 120  # of one run, when all else fails
PRINTED_MAX: Final = 1 << 15  # characters; in UTF-8 they fit a pipe that is read after the run
MESSAGE_MAX: Final = 300
Trouble = pb.Trouble


@dataclass(frozen=True, slots=True)
class Orders:
    """What a player is started with."""

    parent_pid: int
    channel_fd: int
    dump_fd: int
    file: str
    class_name: str
    protos: list[str]
    base: str
    fallback: list[str]
    step_cpu_s: float


def main() -> None:
    """Serves turns until the judge goes away."""
    orders = Orders(**json.loads(sys.argv[1]))
    tie_to_parent(orders.parent_pid)
    _leave_no_trace()
    channel = Channel(socket(fileno=orders.channel_fd))
    stage = Stage(orders, channel)
    sys.stdout = sys.stderr = Capped(sys.stdout)
    faulthandler.enable(orders.dump_fd)
    faulthandler.register(signal.SIGUSR1, orders.dump_fd)
    gc.collect()
    gc.freeze()
    gc.disable()  # A run is short: what it leaves behind is collected when the next begins.
    signal.signal(signal.SIGPROF, stage.tick)
    period_s = orders.step_cpu_s / TICKS
    signal.setitimer(signal.ITIMER_PROF, period_s, period_s)
    lock()
    stage.serve()


def _leave_no_trace() -> None:
    """Works in a folder that is gone already."""
    folder = tempfile.mkdtemp(prefix="faultlab-player-")
    os.chdir(folder)
    os.rmdir(folder)


class Capped(io.TextIOBase):
    """What is printed goes through until it is too much, and is dropped from there on."""

    def __init__(self, target: Any) -> None:
        self._target, self._left = target, PRINTED_MAX

    def renew(self) -> None:
        """For the next run."""
        self._left = PRINTED_MAX

    def write(self, text: str) -> int:
        """See TextIOBase."""
        if self._left > 0:
            self._target.write(text[: self._left])
            self._target.flush()
            self._left -= len(text)
            if self._left <= 0:
                self._target.write("\n... and more\n")
                self._target.flush()
        return len(text)


class Loader(SourceFileLoader):
    """Runs a file as often as wanted, read and compiled once. In what it raises, the file has its
    plain name, by which no file of the project is called."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, path)
        self._source = Path(path).read_bytes()
        self._code: CodeType | None = None

    def get_code(self, fullname: str) -> CodeType:
        """See SourceFileLoader."""
        if self._code is None:
            code = self.source_to_code(self._source, Path(self.path).name)
            assert isinstance(code, CodeType)
            self._code = code
        return self._code


class Stage:
    """All cores of a cluster."""

    def __init__(self, orders: Orders, channel: Channel) -> None:
        self._orders, self._channel = orders, channel
        self._types = Types(orders.protos)
        module, _, name = orders.base.partition(":")
        self._base: type[Core] = getattr(import_module(module), name)
        self._file = Path(orders.file).name
        self._loader = Loader(MODULE, orders.file)
        self._view_type: type[Message] | None = None  # that of the reference
        self._cores: dict[int, Any] = {}
        self._views: dict[int, bytes] = {}
        self._turns = 0
        self._tick_of, self._ticks = 0, 0  # how many ticks fell into which turn

    def serve(self) -> None:
        """Answers turns until the channel closes."""
        turn, reply = pb.Turn(), pb.Reply()
        while True:
            try:
                data = self._channel.receive()
            except Closed:
                return
            self._turns += 1
            turn.ParseFromString(data)
            reply.Clear()
            try:
                self._play(turn, reply)
            except BaseException as error:
                reply.Clear()
                reply.trouble.CopyFrom(self._trouble(error, turn))
            self._turns += 1
            self._channel.send(reply.SerializeToString())

    def tick(self, signal_number: int, frame: FrameType | None) -> None:
        """A part of a step's processor time is used up; handles SIGPROF. Whatever the code would
        do about an exception, it does not get one: its process ends, having said where it was."""
        if self._tick_of != self._turns:
            self._tick_of, self._ticks = self._turns, 0
        self._ticks += 1
        if self._ticks <= TICKS:
            return
        frames = []
        while frame is not None:
            frames.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        line, method = self._innermost(reversed(frames))
        where = f"{method}: " if method else ""
        message = f"{where}no end after {self._orders.step_cpu_s:g} s of computing in one step"
        trouble = Trouble(kind=Trouble.TOO_SLOW, message=message, line=line)
        self._channel.send(pb.Reply(trouble=trouble).SerializeToString())
        os._exit(1)

    # ---------------------------------------------------------------------------------- one turn

    def _play(self, turn: pb.Turn, reply: pb.Reply) -> None:
        kind = turn.kind
        if kind == pb.Turn.RUN:
            self._begin_run()
            return
        if kind == pb.Turn.MAKE:
            self._make(turn.core, turn.making)
            return
        core = self._cores[turn.core]
        core._player_reply = reply
        event = self._event(turn, core)
        if core.step(event, Now(turn.mono_ms, turn.wall_ms)):
            raise WrongResult("effects that came about without the methods of Core")
        view = core.view()
        if self._view_type is None:
            self._view_type = type(self._base.view(core))
        if type(view) is not self._view_type:
            expected = self._view_type.__name__
            raise WrongResult(f"it returned {shown(view)}, expected one of type {expected}", "view")
        value = view.SerializeToString()
        if value != self._views.get(turn.core):
            self._views[turn.core] = value
            reply.view.type = self._types.number_of[self._view_type]
            reply.view.value = value

    def _begin_run(self) -> None:
        self._cores.clear()
        self._views.clear()
        gc.collect()
        if isinstance(sys.stdout, Capped):
            sys.stdout.renew()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        used_s = int(usage.ru_utime + usage.ru_stime)
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + RUN_CPU_S, most))

    def _make(self, number: int, making: pb.Making) -> None:
        rng = Random()
        rng.setstate((3, tuple(making.rng), None))
        params: dict[str, Any] = {
            field.name: getattr(field, field.WhichOneof("value") or "text")
            for field in making.params
        }
        env = Env(making.node_id, tuple(making.peers), rng, MappingProxyType(params))
        self._cores.pop(number, None)
        self._views.pop(number, None)
        core: Any = speaking(self._load())(env)
        core._player_types, core._player_calls = self._types, {}
        self._cores[number] = core

    def _load(self) -> type[Core]:
        module = ModuleType(MODULE)
        sys.modules[MODULE] = module  # where dataclasses look up their annotations
        try:
            self._loader.exec_module(module)
        except BaseException as error:
            raise CannotLoad from error
        name = self._orders.class_name
        found = getattr(module, name, None)
        if not (isinstance(found, type) and issubclass(found, self._base)):
            reason = f"there is no class {name}({self._base.__name__}) in it"
            raise CannotLoad from WrongResult(reason)
        return with_given(found, self._base, self._orders.fallback)

    def _event(self, turn: pb.Turn, core: Any) -> Event:
        kind = turn.kind
        if kind == pb.Turn.TIMER_FIRED:
            return TimerFired(turn.name)
        if kind == pb.Turn.REQUESTED:
            return Requested(Caller(turn.name, turn.call), self._message(turn.type, turn.content))
        if kind == pb.Turn.STARTED:
            return self._started(turn.stored)
        peer, request_type, request, timeout_ms = core._player_calls.pop(turn.call)
        call = Call(peer, self._message(request_type, request), timeout_ms)
        if kind == pb.Turn.RESPONDED:
            return Responded(call, self._message(turn.type, turn.content))
        return CallFailed(call, turn.name)

    def _started(self, stored: pb.Stored) -> Started:
        def message(content: pb.Content) -> Any:
            return self._message(content.type, content.value)

        slots = {slot.name: message(slot.state) for slot in stored.slots}
        logs = {
            log.name: StoredLog(log.first_index, tuple(map(message, log.entries)))
            for log in stored.logs
        }
        return Started(slots, logs, amnesia=stored.amnesia)

    def _message(self, number: int, content: bytes) -> Any:
        return self._types.of_number[number].FromString(content)

    # ------------------------------------------------------------------------------ what went wrong

    def _trouble(self, error: BaseException, turn: pb.Turn) -> pb.Trouble:
        kind = Trouble.RAISED
        if isinstance(error, CannotLoad):
            kind, error = Trouble.CANNOT_LOAD, error.__cause__ or error
        line, method = self._place(error)
        if not line:  # None of it was running, as when it has returned nonsense.
            named = getattr(error, "method", "") if isinstance(error, WrongResult) else ""
            line, method = self._beginning(named or self._handler_of(turn), turn)
        said = _said(error)
        if isinstance(error, SystemExit):
            kind = Trouble.EXITED
        elif isinstance(error, WrongResult):
            said = _text(error)
            kind = kind or Trouble.WRONG_RESULT
        elif isinstance(error, NotWritten):
            kind, said = Trouble.NOT_WRITTEN, _text(error) or said
        elif isinstance(error, MemoryError):
            said = "more than a gigabyte of memory is needed"
        message = f"{method}: {said}" if method and kind != Trouble.NOT_WRITTEN else said
        return Trouble(kind=kind, message=message[:MESSAGE_MAX], line=line)

    def _place(self, error: BaseException) -> tuple[int, str]:
        """The innermost place in the learner's file."""
        if isinstance(error, SyntaxError) and error.filename == self._file:
            return error.lineno or 0, ""
        frames = walk_tb(error.__traceback__)
        return self._innermost((frame.f_code, line) for frame, line in frames)

    def _innermost(self, frames: Iterable[tuple[CodeType, int]]) -> tuple[int, str]:
        """The last line of the learner's file among them, and the last function with a name."""
        line, method = 0, ""
        for code, at in frames:
            if code.co_filename == self._file:
                line = at
                if not code.co_name.startswith("<"):
                    method = code.co_name
        return line, method

    def _handler_of(self, turn: pb.Turn) -> str:
        """The method that serves such an event."""
        core = self._cores.get(turn.core)
        kinds = self._types.of_number
        for (kind, key), name in getattr(type(core), "_handlers", {}).items():
            if turn.kind == pb.Turn.TIMER_FIRED:
                matches = kind == "timer" and key == turn.name
            elif turn.kind == pb.Turn.REQUESTED:
                matches = kind == "request" and key is kinds.get(turn.type)
            elif turn.kind == pb.Turn.RESPONDED:
                matches = kind == "response" and key[1] is kinds.get(turn.type)
            else:
                matches = False
            if matches:
                return str(name)
        return "on_start" if turn.kind == pb.Turn.STARTED else ""

    def _beginning(self, method: str, turn: pb.Turn) -> tuple[int, str]:
        """Where the learner's method begins; nothing when it is not theirs."""
        code = getattr(getattr(self._cores.get(turn.core), method, None), "__code__", None)
        if code is None or code.co_filename != self._file:
            return 0, ""
        return code.co_firstlineno, method


class CannotLoad(Exception):
    """The file itself, rather than a method of it, raised its cause."""


def _text(error: BaseException) -> str:
    """What an exception says, which is code of the learner's, too."""
    try:
        return " ".join(str(error).split())
    except BaseException:
        return ""


def _said(error: BaseException) -> str:
    name = type(error).__name__
    text = error.msg if isinstance(error, SyntaxError) else _text(error)
    return f"{name}: {text}" if text else name


if __name__ == "__main__":
    main()
