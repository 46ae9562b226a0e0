"""The conductor's API on loopback. GET looks, POST acts."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any

from aiohttp import web

from labs.kit.errors import LabError, nearest
from labs.kit.http_guard import OPERATION_BODY_BYTES_MAX, guard, harden, read_json
from labs.kit.logs import LINES_MAX, read_log

if TYPE_CHECKING:
    from labs.kit.conductor import Conductor

EVENTS_WAIT_MS_MAX = 20_000


class HttpApi:
    """Serves one conductor on a free port of 127.0.0.1. `port` is known after `start`."""

    def __init__(self, conductor: Conductor, token: str) -> None:
        self._conductor = conductor
        self.port = 0
        app = web.Application(middlewares=[guard(token, lambda: self.port)])
        app.on_response_prepare.append(harden)
        app.router.add_get("/v1/status", self._status, allow_head=False)
        app.router.add_get("/v1/events", self._events, allow_head=False)
        app.router.add_get("/v1/logs", self._logs, allow_head=False)
        app.router.add_post("/v1/fault", self._fault)
        app.router.add_post("/v1/operation", self._operation)
        app.router.add_post("/v1/down", self._down)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.2
        )

    async def start(self) -> None:
        """Listens. Raises LabError when loopback cannot be listened on."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        try:
            await site.start()
        except OSError as error:
            raise LabError(f"cannot listen on 127.0.0.1: {error.strerror or error}") from None
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Ends all connections."""
        await self._runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(await self._conductor.status(request.query.get("key")))

    async def _events(self, request: web.Request) -> web.Response:
        after = _number(request, "after", 0, 2**53)
        wait_ms = _number(request, "wait_ms", 0, EVENTS_WAIT_MS_MAX)
        lines = await self._conductor.events_after(after, wait_ms / 1000)
        return web.json_response(
            {"events": [line.to_json() for line in lines], "seq": self._conductor.last_event_seq()}
        )

    async def _logs(self, request: web.Request) -> web.Response:
        node = self._conductor.known_node(request.query.get("node", ""))
        lines = _number(request, "lines", 1, LINES_MAX, default=50)
        after = _number(request, "after", -1, 2**62, default=-1)
        path = self._conductor.log_path(node)
        text, offset = await asyncio.to_thread(
            read_log, path, lines=lines, after=None if after < 0 else after
        )
        return web.json_response({"node": node, "lines": text, "offset": offset})

    async def _fault(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        fault = body.get("fault")
        if not isinstance(fault, dict):
            raise LabError('expected {"fault": {"do": KIND, ...}}')
        return web.json_response(await self._conductor.inject(fault))

    async def _operation(self, request: web.Request) -> web.Response:
        body = await read_json(request, OPERATION_BODY_BYTES_MAX)
        outcome = await self._conductor.operate(
            verb=_text(body, "verb"),
            key=_text(body, "key"),
            value=_bytes(body, "value_base64") or b"",
            expected=_bytes(body, "expected_base64"),
            node=_text(body, "node") if body.get("node") is not None else None,
            timeout_ms=_whole(body, "timeout_ms"),
            consistency=str(body.get("consistency", "default")),
            r=_whole(body, "r") or 0,
            w=_whole(body, "w") or 0,
            context=_text(body, "context") if body.get("context") is not None else "",
        )
        return web.json_response(outcome)

    async def _down(self, request: web.Request) -> web.Response:
        await read_json(request)
        self._conductor.request_stop("lab down")
        return web.json_response({"stopping": True})


def _number(request: web.Request, name: str, low: int, high: int, default: int = 0) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise LabError(f"{name}={text[:30]}: expected a number from {low} to {high}")
    return number


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise LabError(f"expected {name!r} to be text")
    return value


def _bytes(body: dict[str, Any], name: str) -> bytes | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        return base64.b64decode(_text(body, name), validate=True)
    except (binascii.Error, ValueError):
        raise LabError(f"expected {name!r} to be base64") from None


def _whole(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise LabError(f"expected {name!r} to be a whole number")
    return value


def unknown_node(node: str, nodes: tuple[str, ...]) -> LabError:
    """Names the nearest."""
    return LabError(f"no node is called {node!r}; {nearest(node, nodes)}")
