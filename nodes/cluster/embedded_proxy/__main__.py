"""Starts the embedded proxy, and ends it with whoever started it.

Prints one JSON line, {"api": "127.0.0.1:PORT"}, once the API answers. Ends when its standard input
does, on SIGTERM or SIGINT, and when its parent dies.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from nodes.lean import without_openssl
from nodes.lifeline import tie_to_parent

with without_openssl():
    import asyncio

    from aiohttp import web

    from nodes.cluster.embedded_proxy.http_api import make_application
    from nodes.cluster.embedded_proxy.proxies import ProxyCollection


def main() -> int:
    """Reads the arguments and serves until told to end."""
    parser = argparse.ArgumentParser(
        prog="python -m nodes.cluster.embedded_proxy",
        description="A fault-injecting TCP proxy on loopback with Toxiproxy's HTTP API.",
    )
    parser.add_argument("--port", type=int, default=0, help="of the API; 0 picks a free one")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="pid to die with")
    arguments = parser.parse_args()
    tie_to_parent(arguments.parent)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", arguments.port))
    except (OSError, OverflowError) as error:
        listener.close()
        print(f"cannot listen on 127.0.0.1:{arguments.port}: {error}", file=sys.stderr)
        return 2
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(listener))
    return 0


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed, since it halves what the proxy adds to a message; None for
    asyncio's own loop, which FAULTLAB_PROXY_LOOP=asyncio asks for."""
    if os.environ.get("FAULTLAB_PROXY_LOOP") == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(listener: socket.socket) -> None:
    collection = ProxyCollection()
    runner = web.AppRunner(make_application(collection), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_report)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    try:
        # asyncio tries as many accepts at once as the backlog says, also when all of them fail.
        await web.SockSite(runner, listener, backlog=16).start()
        host, port = listener.getsockname()
        print(json.dumps({"api": f"{host}:{port}"}), flush=True)
        threading.Thread(target=_watch_input, args=(loop, ended), daemon=True).start()
        await ended.wait()
    finally:
        await collection.stop()
        await runner.cleanup()


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One line, not a page, for what goes wrong outside of any request."""
    print(
        f"embedded proxy: {context.get('message')}: {context.get('exception')!r}", file=sys.stderr
    )


def _watch_input(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    # A thread, since not every kind of standard input (a file, /dev/null) can be polled.
    with contextlib.suppress(OSError):  # closed, which ends it as well
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: we are ending already
        loop.call_soon_threadsafe(ended.set)


if __name__ == "__main__":
    sys.exit(main())
