"""Who may talk to the conductor: this user's own commands, and no web page, whatever its origin.

Each check stops something that another one does not: the Host header stops DNS rebinding, Origin
and Sec-Fetch-Site stop other web pages, the JSON content type stops forms, and the token stops
other users of this machine. Responses carry no CORS header, so that no page may read them.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from labs.kit.errors import LabError

TOKEN_HEADER = "X-Lab-Token"
BODY_BYTES_MAX = 1 << 20
# A cas carries two values of 1 MiB each, in base64; nothing else needs as much.
OPERATION_BODY_BYTES_MAX = 3 << 20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def error_response(status: int, message: str, *, exit_status: int = 2) -> web.Response:
    """Every refusal has this form."""
    return web.json_response({"error": message, "status": exit_status}, status=status)


def guard(token: str, port: Callable[[], int]) -> Any:
    """The middleware through which every request passes, those for unknown paths included."""
    expected = token.encode("ascii")

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = {f"{name}:{port()}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if request.headers.get("Host", "").lower() not in hosts:
            return error_response(403, "this Host is not served here")
        if "Origin" in request.headers:
            return error_response(403, "web pages are not served here")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return error_response(403, "web pages are not served here")
        given = request.headers.get(TOKEN_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return error_response(401, f"the {TOKEN_HEADER} header is missing or wrong")
        return await _answer(request, handler)

    return check


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return error_response(error.status, error.reason)
    except LabError as error:
        return error_response(400, error.message, exit_status=error.status)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as error:
        # One request that fails must not take the lab down; its cause belongs to the user.
        return error_response(500, f"{type(error).__name__}: {error}")


async def harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every response."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers.pop("Server", None)


async def read_json(request: web.Request, bytes_max: int = BODY_BYTES_MAX) -> dict[str, Any]:
    """The body of a POST as a JSON object. Raises LabError, or HTTPException for its form."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="expected Content-Type: application/json")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise web.HTTPUnsupportedMediaType(reason="compressed bodies are not read")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise web.HTTPRequestEntityTooLarge(bytes_max, reason="the body is too large")
    return parse_json_object(bytes(body))


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Strict JSON. Raises LabError when it is none: too deep, NaN, or not an object."""
    try:
        value = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise LabError("the request is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise LabError(f"the request is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise LabError("the request must be a JSON object")
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number
