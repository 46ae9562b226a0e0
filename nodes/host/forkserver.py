"""Forks nodes off a process that has imported already what every node needs: what
`python -m nodes.host.forkserver` runs. Linux only.

Python, gRPC and a core take a third of a second to import, in each node anew; a fork of a process
that has imported them takes a few milliseconds and shares their memory. Nothing of gRPC may have
started before a fork (no channel, no server, no thread), and here nothing has.

Standard input is a Unix socket that keeps the bounds of messages. Each one is a JSON object:

    to us    {"fork": node}       with three descriptors: the node's stdin, stdout and stderr
    from us  {"forked": pid}      with one: a pidfd of it; the node speaks nodes/host/program.py
    from us  {"ended": pid, "status"}    negative: the signal that ended it

The arguments are the parent's pid and the modules to import. The end of the socket ends all nodes
and then us; the end of our parent ends us, and with us the nodes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Final

from nodes.lean import without_openssl
from nodes.lifeline import tie_to_parent

MESSAGE_BYTES_MAX: Final = 4096
_PR_SET_NAME: Final = 15
_NAME_BYTES_MAX: Final = 15  # of the kernel


class ForkServer:
    """Serves one socket: `serve` returns once in this process, and once in every node."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._nodes: dict[int, int] = {}  # pids by pidfd

    def serve(self) -> bool:
        """True in a node that was forked, False when there is nobody to serve any more."""
        while True:
            for descriptor, _events in self._poll.poll():
                if descriptor in self._nodes:
                    self._bury(descriptor)
                    continue
                message, descriptors, _, _ = socket.recv_fds(self._connection, MESSAGE_BYTES_MAX, 3)
                if not message:
                    self._end_all()
                    return False
                if self._fork(json.loads(message)["fork"], descriptors):
                    return True

    def _fork(self, node: str, descriptors: Sequence[int]) -> bool:
        pid = os.fork()
        if pid == 0:
            become(node, descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        # Nobody but us can wait for it, so its pid is not another's yet.
        watch = os.pidfd_open(pid)
        self._nodes[watch] = pid
        self._poll.register(watch, select.POLLIN)
        self._say({"forked": pid}, watch)
        return False

    def _end_all(self) -> None:
        """Of nodes that nobody ended before the end of the socket."""
        for pid in self._nodes.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self._nodes.values():
            os.waitpid(pid, 0)

    def _bury(self, watch: int) -> None:
        pid = self._nodes.pop(watch)
        self._poll.unregister(watch)
        os.close(watch)
        _, status = os.waitpid(pid, 0)
        self._say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, object], *descriptors: int) -> None:
        with contextlib.suppress(BrokenPipeError):  # read as the end of the socket next
            socket.send_fds(self._connection, [json.dumps(message).encode()], descriptors)


def become(node: str, descriptors: Sequence[int]) -> None:
    """Makes a process that was just forked one that looks as if it had been executed: a session,
    standard streams and a name of its own, and nothing else open."""
    os.setsid()
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    os.closerange(len(descriptors), os.sysconf("SC_OPEN_MAX"))
    name = f"node {node}".encode()[:_NAME_BYTES_MAX]
    ctypes.CDLL(None).prctl(_PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: of the server, or of a node."""
    parent, *modules = arguments
    tie_to_parent(int(parent))
    with without_openssl():
        from nodes.host import program

        for module in modules:
            # What cannot be imported is told by the node that needs it.
            with contextlib.suppress(Exception):
                importlib.import_module(module)
    gc.freeze()  # a collection in a node would write to, and so copy, every page that is shared
    connection = socket.socket(fileno=0)
    if ForkServer(connection).serve():
        connection.detach()  # its descriptor is the node's standard input now
        return program.main([])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
