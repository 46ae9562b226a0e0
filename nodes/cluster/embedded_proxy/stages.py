"""The toxics, each as a stage through which one stream of one connection flows.

A stage never awaits: data comes in by `feed`, goes on by a timer or at once, and `None` is the end
of the stream. So a chain can be changed between any two events without losing a byte. As in
Toxiproxy, a change interrupts a stage: what it holds in its hands goes on at once, what waits in
its queue is treated by the new rules.
"""

from __future__ import annotations

import random
from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

Data: TypeAlias = bytes | memoryview
_PIECES_AT_ONCE_MAX: Final = 128  # so that other connections have their turn
_CHUNK_COST_BYTES: Final = 256  # a tiny chunk in a queue costs memory as well


class Chunk(NamedTuple):
    """Bytes, and when they came (seconds of the loop's clock)."""

    data: Data
    at_s: float


@dataclass(slots=True, eq=False)
class ToxicDefinition:
    """A toxic of a proxy. Attributes and toxicity may be updated; its stages share this object."""

    name: str
    type: str
    stream: str
    direction: str
    attributes: dict[str, int] = field(default_factory=dict)
    toxicity: float = 1.0


class Outlet(Protocol):
    """Where a stage's output goes: the next stage, or the end of the chain."""

    def feed(self, chunk: Chunk | None) -> None: ...


class Stage:
    """A toxic at work on one stream. This base passes everything on (Toxiproxy's noop)."""

    def __init__(
        self,
        toxic: ToxicDefinition,
        outlet: Outlet,
        loop: AbstractEventLoop,
        account: Callable[[int], None],
    ) -> None:
        self.toxic = toxic
        self.outlet = outlet
        self.closed = False
        self.loop = loop
        self._account = account  # told by how many bytes the queue grew or shrank
        self._queue: deque[Chunk | None] = deque()
        self._timer: TimerHandle | None = None
        self._running = False
        # Drawn for each connection, as Toxiproxy does: toxicity is a share of connections.
        self._acts = False

    # ------------------------------------------------------------------- called by the chain

    def feed(self, chunk: Chunk | None) -> None:
        """Takes data, or None for the end of the stream."""
        if self.closed:
            return  # the connection is ending
        self._queue.append(chunk)
        self._account(_cost_bytes(chunk))
        self._pump()

    def start(self) -> None:
        """Begins, or goes on after `interrupt`."""
        if self.closed:
            return
        self._running = True
        self._acts = random.random() < self.toxic.toxicity
        if self._acts:
            self.begin()
        self._pump()

    def interrupt(self) -> bool:
        """Lets go of what is held; what comes from now on waits in the queue until `start`.

        Returns False when the stage is closed, or cannot be interrupted.
        """
        if self.closed or not self.interruptible():
            return False
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.let_go()
        return True

    def drain(self) -> None:
        """Passes on everything that waits, untreated: the stage is being removed."""
        while self._queue and not self.closed:
            chunk = self._take()
            if chunk is None:
                self.close()
            else:
                self.outlet.feed(chunk)

    def close(self) -> None:
        """Ends the stream behind this stage; what still comes is dropped."""
        if self.closed:
            return
        self.dispose()
        self.outlet.feed(None)

    def dispose(self) -> None:
        """Forgets everything, silently: the connection is gone."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            self._take()

    # --------------------------------------------------------------- what a kind of toxic does

    def begin(self) -> None:
        """The toxic starts to act on this stream."""

    def act(self, chunk: Chunk) -> None:
        """Treats data; may call `wait`."""
        self.outlet.feed(chunk)

    def act_on_end(self) -> None:
        """Treats the end of the stream."""
        self.close()

    def let_go(self) -> None:
        """Passes on what is held in hand, when interrupted."""

    def interruptible(self) -> bool:
        """Whether the toxic can be changed right now."""
        return True

    def blocked(self) -> bool:
        """Whether what comes has to wait in the queue."""
        return self._timer is not None

    # ------------------------------------------------------------------------------- details

    def wait(self, until_s: float, then: Callable[[], None]) -> None:
        """Takes nothing from the queue until `then` has run, at `until_s` of the loop's clock."""

        def fire() -> None:
            self._timer = None
            then()
            self._pump()

        if not self.closed:
            self._timer = self.loop.call_at(until_s, fire)

    def put_back_end(self) -> None:
        """The end of the stream is to be treated anew."""
        self._queue.appendleft(None)
        self._account(_cost_bytes(None))

    def _take(self) -> Chunk | None:
        chunk = self._queue.popleft()
        self._account(-_cost_bytes(chunk))
        return chunk

    def _pump(self) -> None:
        while self._queue and self._running and not self.closed and not self.blocked():
            chunk = self._take()
            if not self._acts:
                if chunk is None:
                    self.close()
                else:
                    self.outlet.feed(chunk)
            elif chunk is None:
                self.act_on_end()
            else:
                self.act(chunk)


class Latency(Stage):
    """Every chunk goes on `latency` ms after it came, give or take `jitter`, in order."""

    _held: Chunk | None = None

    def act(self, chunk: Chunk) -> None:
        delay_ms = self.toxic.attributes["latency"]
        jitter_ms = self.toxic.attributes["jitter"]
        if jitter_ms > 0:
            delay_ms += random.randrange(2 * jitter_ms) - jitter_ms
        now_s = self.loop.time()
        rest_s = delay_ms / 1000 - (now_s - chunk.at_s)
        delayed = Chunk(chunk.data, chunk.at_s + rest_s)
        if rest_s <= 0:
            self.outlet.feed(delayed)
            return
        self._held = delayed
        self.wait(now_s + rest_s, self.let_go)

    def let_go(self) -> None:
        if self._held is not None:
            chunk, self._held = self._held, None
            self.outlet.feed(chunk)


class Bandwidth(Stage):
    """At most `rate` KB/s; a large chunk goes on in pieces of 100 ms."""

    _PIECE_S: Final = 0.1
    _held: Chunk | None = None
    _debt_s = 0.0  # how long the line is still busy with what has been taken
    _due_s = 0.0

    def begin(self) -> None:
        self._debt_s = 0.0

    def act(self, chunk: Chunk) -> None:
        self._debt_s += len(chunk.data) / (self.toxic.attributes["rate"] * 1000)
        self._held = chunk
        self._due_s = self.loop.time()
        self._next()

    def _next(self) -> None:
        assert self._held is not None
        if len(self._held.data) > self.toxic.attributes["rate"] * 100:
            self._due_s += self._PIECE_S
            self.wait(self._due_s, self._piece)
        elif self._debt_s > 0:
            self._due_s += self._debt_s
            self.wait(self._due_s, self._last)
        else:
            self.let_go()

    def _piece(self) -> None:
        assert self._held is not None
        size_bytes = self.toxic.attributes["rate"] * 100
        view = memoryview(self._held.data)
        self.outlet.feed(Chunk(view[:size_bytes], self._held.at_s))
        self._held = Chunk(view[size_bytes:], self._held.at_s)
        self._debt_s -= self._PIECE_S
        self._next()

    def _last(self) -> None:
        # A timer fires a little late; the next chunk waits that much less.
        self._debt_s = min(0.0, self._due_s - self.loop.time())
        self.let_go()

    def let_go(self) -> None:
        if self._held is not None:
            chunk, self._held = self._held, None
            self.outlet.feed(chunk)


class SlowClose(Stage):
    """The end of the stream comes `delay` ms late."""

    _ending = False

    def act_on_end(self) -> None:
        self._ending = True
        self.wait(self.loop.time() + self.toxic.attributes["delay"] / 1000, self.close)

    def let_go(self) -> None:
        if self._ending:
            self._ending = False
            self.put_back_end()


class Timeout(Stage):
    """Data goes nowhere. After `timeout` ms without any the connection closes; 0 is never."""

    def begin(self) -> None:
        self._restart()

    def act(self, chunk: Chunk) -> None:
        self._restart()

    def _restart(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        timeout_ms = self.toxic.attributes["timeout"]
        if timeout_ms > 0:
            self._timer = self.loop.call_later(timeout_ms / 1000, self.close)

    def blocked(self) -> bool:
        return False  # data is taken, and dropped, while the timer runs


class ResetPeer(Stage):
    """The connection ends `timeout` ms after the first data, or the end, on this stream."""

    _doomed = False

    def act(self, chunk: Chunk) -> None:
        self.act_on_end()

    def act_on_end(self) -> None:
        self._doomed = True
        timeout_ms = self.toxic.attributes["timeout"]
        if timeout_ms <= 0:
            self.close()
        else:
            self.wait(self.loop.time() + timeout_ms / 1000, self.close)

    def interruptible(self) -> bool:
        return not self._doomed


class Slicer(Stage):
    """Data goes on in pieces of about `average_size` bytes, `delay` microseconds apart."""

    _held: Chunk | None = None
    _sizes: Sequence[int] = ()
    _sent_count = 0
    _due_s = 0.0

    def act(self, chunk: Chunk) -> None:
        average, variation = (
            self.toxic.attributes["average_size"],
            self.toxic.attributes["size_variation"],
        )
        self._sizes = slice_sizes(len(chunk.data), average, variation)
        self._sent_count = 0
        self._held = Chunk(memoryview(chunk.data), chunk.at_s)
        self._due_s = self.loop.time()
        self._send()

    def _send(self) -> None:
        # Pieces keep to a timetable: a timer is too coarse for delays of microseconds.
        delay_s = self.toxic.attributes["delay"] / 1_000_000
        for _ in range(_PIECES_AT_ONCE_MAX):
            if self._held is None or self.closed or self._due_s > self.loop.time():
                break
            size_bytes = self._sizes[self._sent_count]
            self._sent_count += 1
            data, at_s = self._held
            rest = data[size_bytes:]
            self._held = Chunk(rest, at_s) if len(rest) else None
            self._due_s += delay_s
            self.outlet.feed(Chunk(data[:size_bytes], at_s))
        if self._held is not None or self._due_s > self.loop.time():
            self.wait(self._due_s, self._send)

    def let_go(self) -> None:
        if self._held is not None:
            chunk, self._held = self._held, None
            self.outlet.feed(chunk)


class LimitData(Stage):
    """The connection ends once `bytes` have gone through; they are counted across updates."""

    _passed_bytes = 0

    def act(self, chunk: Chunk) -> None:
        rest_bytes = max(0, self.toxic.attributes["bytes"] - self._passed_bytes)
        if rest_bytes < len(chunk.data):
            chunk = Chunk(memoryview(chunk.data)[:rest_bytes], chunk.at_s)
        if len(chunk.data):
            self._passed_bytes += len(chunk.data)
            self.outlet.feed(chunk)
        if self._passed_bytes >= self.toxic.attributes["bytes"]:
            self.close()


def slice_sizes(size_bytes: int, average_bytes: int, variation_bytes: int) -> list[int]:
    """Piece sizes that add up to `size_bytes`, halved until they are near the average."""
    if size_bytes - average_bytes <= variation_bytes:
        return [size_bytes]
    middle = size_bytes // 2
    if variation_bytes > 0:
        middle += random.randrange(2 * variation_bytes) - variation_bytes
    return [
        *slice_sizes(middle, average_bytes, variation_bytes),
        *slice_sizes(size_bytes - middle, average_bytes, variation_bytes),
    ]


def _cost_bytes(chunk: Chunk | None) -> int:
    return _CHUNK_COST_BYTES + (0 if chunk is None else len(chunk.data))


STAGES: Final[dict[str, type[Stage]]] = {
    "noop": Stage,
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
}
