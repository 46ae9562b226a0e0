"""A node of PySyncObj for a benchmark, with nothing in it but that.

    python -m tests.benchmarks.pysyncobj_node PARENT_PID TIMES_MS OWN_ADDRESS OTHERS...

It takes commands as JSON lines on stdin and responds with JSON lines: so the writes of a load are
calls inside the leader's process, which is how PySyncObj is used.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from pysyncobj import SyncObj, SyncObjConf
from pysyncobj.batteries import ReplDict

from nodes.lifeline import tie_to_parent

PUT_S_MAX = 10.0
RECONNECT_S = 0.1
ATTEMPT_EVERY_S = 0.01
FIRST_WRITE_S_MAX = 30.0


class Node:
    """A PySyncObj with a dictionary, driven by commands."""

    def __init__(self, times_ms: dict[str, int], own: str, others: list[str]) -> None:
        self._dict = ReplDict()
        conf = SyncObjConf(
            autoTickPeriod=times_ms["tick"] / 1000,
            appendEntriesPeriod=times_ms["heartbeat"] / 1000,
            raftMinTimeout=times_ms["election_min"] / 1000,
            raftMaxTimeout=times_ms["election_max"] / 1000,
            appendEntriesUseBatch=False,
            # By default 5 s: a node that came back would still lack links at the next kill.
            connectionRetryTime=RECONNECT_S,
        )
        self._raft = SyncObj(own, others, consumers=[self._dict], conf=conf)

    def leads(self, _command: dict[str, Any]) -> dict[str, Any]:
        """Whether this node is the leader."""
        leader = self._raft._getLeader()
        return {"leads": leader is not None and leader == self._raft.selfNode}

    def attempt(self, _command: dict[str, Any]) -> dict[str, Any]:
        """Overlapping writes, a new one every 10 ms, until one is acknowledged."""
        acknowledged = threading.Event()

        def done(_result: object, error: object) -> None:
            if not error:
                acknowledged.set()

        deadline = time.monotonic() + FIRST_WRITE_S_MAX
        while not acknowledged.is_set() and time.monotonic() < deadline:
            self._dict.set("first", b"x", callback=done)
            acknowledged.wait(ATTEMPT_EVERY_S)
        return {"acknowledged": acknowledged.is_set()}

    def load(self, work: dict[str, Any]) -> dict[str, Any]:
        """Writes, so many at a time, for so long or so many."""
        times_ms: list[float] = []
        write = self._serial if work["clients"] == 1 else self._window
        began = time.monotonic()
        failed = write(work, began, times_ms)
        return {"times_ms": times_ms, "elapsed_s": time.monotonic() - began, "failed": failed}

    def _serial(self, work: dict[str, Any], began: float, times_ms: list[float]) -> int:
        value, failed, number = b"x" * work["value_bytes"], 0, 0
        while (sent := time.monotonic()) - began < work["seconds"] and number != work["writes"]:
            number += 1
            try:
                self._dict.set(key(work, number), value, sync=True, timeout=PUT_S_MAX)
                times_ms.append((time.monotonic() - sent) * 1000)
            except Exception:  # whatever it raises, the write was not acknowledged
                failed += 1
        return failed

    def _window(self, work: dict[str, Any], began: float, times_ms: list[float]) -> int:
        value, failed, number = b"x" * work["value_bytes"], [0], 0
        free = threading.Semaphore(work["clients"])

        def write(number: int) -> None:
            sent = time.monotonic()

            def done(_result: object, error: object) -> None:
                if error:
                    failed[0] += 1
                else:
                    times_ms.append((time.monotonic() - sent) * 1000)
                free.release()

            self._dict.set(key(work, number), value, callback=done)

        while time.monotonic() - began < work["seconds"] and number != work["writes"]:
            if free.acquire(timeout=PUT_S_MAX):
                write(number)
                number += 1
        for _ in range(work["clients"]):  # those under way
            free.acquire(timeout=PUT_S_MAX)
        return failed[0]


def key(work: dict[str, Any], number: int) -> str:
    """As every contender has it."""
    return f"k{number % work['keys']}"


def main(times_ms: dict[str, int], own: str, others: list[str]) -> None:
    """Obeys until its standard input ends."""
    node = Node(times_ms, own, others)
    acts = {"leads": node.leads, "attempt": node.attempt, "load": node.load}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(acts[command.pop("do")](command)), flush=True)


if __name__ == "__main__":
    tie_to_parent(int(sys.argv[1]))
    main(json.loads(sys.argv[2]), sys.argv[3], sys.argv[4:])
