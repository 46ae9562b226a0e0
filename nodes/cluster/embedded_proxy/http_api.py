"""Toxiproxy's HTTP API: the same paths, JSON shapes, status codes and error bodies.

Only programs on this machine may use it: web pages are kept out by more than their user agent,
which a page can change.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from aiohttp import web

from nodes.cluster.embedded_proxy.proxies import (
    ApiError,
    Proxy,
    ProxyCollection,
    checked_values,
    new_toxic,
    toxic_as_json,
)
from nodes.cluster.embedded_proxy.stages import ToxicDefinition
from nodes.cluster.toxics import checked_attributes

# The API that is followed, and who follows it.
VERSION: Final = "2.12.0-faultlab"

_BODY_BYTES_MAX: Final = 1024 * 1024
_LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_MISSING: Final = object()


def make_application(collection: ProxyCollection) -> web.Application:
    """The API over these proxies."""
    api = _Api(collection)
    application = web.Application(middlewares=[_guarded], client_max_size=_BODY_BYTES_MAX)
    one_proxy, its_toxics = "/proxies/{proxy}", "/proxies/{proxy}/toxics"
    one_toxic = its_toxics + "/{toxic}"
    application.add_routes(
        [
            web.get("/version", api.version, allow_head=False),
            web.post("/reset", api.reset),
            web.post("/populate", api.populate),
            web.get("/proxies", api.list_proxies, allow_head=False),
            web.post("/proxies", api.create_proxy),
            web.get(one_proxy, api.show_proxy, allow_head=False),
            web.post(one_proxy, api.update_proxy),
            web.patch(one_proxy, api.update_proxy),
            web.delete(one_proxy, api.delete_proxy),
            web.get(its_toxics, api.list_toxics, allow_head=False),
            web.post(its_toxics, api.create_toxic),
            web.get(one_toxic, api.show_toxic, allow_head=False),
            web.post(one_toxic, api.update_toxic),
            web.patch(one_toxic, api.update_toxic),
            web.delete(one_toxic, api.delete_toxic),
        ]
    )
    return application


class _Api:
    def __init__(self, collection: ProxyCollection) -> None:
        self._collection = collection

    async def version(self, _request: web.Request) -> web.Response:
        return _json({"version": VERSION})

    async def reset(self, _request: web.Request) -> web.Response:
        async with self._collection.lock:
            for proxy in self._collection.proxies.values():
                proxy.start()
                proxy.remove_all_toxics()
        return web.Response(status=204)

    async def populate(self, request: web.Request) -> web.Response:
        added: list[Proxy] = []
        failure: ApiError | None = None
        try:
            wanted = self._wanted(await _body(request))
            async with self._collection.lock:
                for proxy, enabled in wanted:
                    added.append(await self._collection.add_or_replace(proxy, enabled))
        except ApiError as error:
            failure = error
        answered: dict[str, Any] = {}
        if failure is not None:
            answered |= {"error": failure.message, "status": failure.status}
        # Toxiproxy's list is null, not empty, when there is nothing in it.
        answered["proxies"] = [proxy.as_json() for proxy in added] or None
        return _json(answered, 201 if failure is None else failure.status)

    @staticmethod
    def _wanted(body: object) -> list[tuple[Proxy, bool]]:
        if not isinstance(body, list):
            raise ApiError("bad request body: a list of proxies is expected", 400)
        wanted = []
        for number, item in enumerate(body, 1):
            fields = _fields(item)
            name, upstream = _text(fields, "name", ""), _text(fields, "upstream", "")
            for field, value in (("name", name), ("upstream", upstream)):
                if not value:
                    raise ApiError(f"missing required field: {field} at proxy {number}", 400)
            proxy = Proxy(name, _text(fields, "listen", ""), upstream)
            wanted.append((proxy, _flag(fields, "enabled", True)))
        return wanted

    async def list_proxies(self, _request: web.Request) -> web.Response:
        proxies = self._collection.proxies
        return _json({name: proxy.as_json() for name, proxy in sorted(proxies.items())})

    async def create_proxy(self, request: web.Request) -> web.Response:
        fields = _fields(await _body(request))
        name, upstream = _text(fields, "name", ""), _text(fields, "upstream", "")
        enabled = _flag(fields, "enabled", True)
        listen = _text(fields, "listen", "")
        for field, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise ApiError(f"missing required field: {field}", 400)
        proxy = Proxy(name, listen, upstream)
        async with self._collection.lock:
            await self._collection.add(proxy, enabled)
        return _json(proxy.as_json(), 201)

    async def show_proxy(self, request: web.Request) -> web.Response:
        return _json(self._proxy(request).as_json())

    async def update_proxy(self, request: web.Request) -> web.Response:
        self._proxy(request)  # one that is not there is said before a bad body is
        fields = _fields(await _body(request))
        async with self._collection.lock:
            proxy = self._proxy(request)
            await proxy.update(
                _text(fields, "listen", proxy.listen),
                _text(fields, "upstream", proxy.upstream),
                _flag(fields, "enabled", proxy.enabled),
            )
        return _json(proxy.as_json())

    async def delete_proxy(self, request: web.Request) -> web.Response:
        async with self._collection.lock:
            await self._collection.remove(request.match_info["proxy"])
        return web.Response(status=204)

    async def list_toxics(self, request: web.Request) -> web.Response:
        return _json([toxic_as_json(toxic) for toxic in self._proxy(request).toxics()])

    async def create_toxic(self, request: web.Request) -> web.Response:
        self._proxy(request)
        fields = _fields(await _body(request))
        proxy = self._proxy(request)
        toxic_type, stream = _text(fields, "type", ""), _text(fields, "stream", "downstream")
        toxicity = _number(fields, "toxicity", 1.0)
        try:
            attributes = _known_attributes(toxic_type, fields.get("attributes"))
        except ValueError:
            attributes = {}  # the type is unknown; that is said below
        toxic = new_toxic(toxic_type, _text(fields, "name", ""), stream, attributes, toxicity)
        if any(other.name == toxic.name for other in proxy.toxics()):
            raise ApiError("toxic already exists", 409)
        proxy.add_toxic(toxic)
        return _json(toxic_as_json(toxic))

    async def show_toxic(self, request: web.Request) -> web.Response:
        return _json(toxic_as_json(self._toxic(request)))

    async def update_toxic(self, request: web.Request) -> web.Response:
        self._toxic(request)
        fields = _fields(await _body(request))
        toxic = self._toxic(request)
        given = _known_attributes(toxic.type, fields.get("attributes"))
        attributes, toxicity = checked_values(
            toxic.type, toxic.attributes | given, _number(fields, "toxicity", toxic.toxicity)
        )
        self._proxy(request).update_toxic(toxic, attributes, toxicity)
        return _json(toxic_as_json(toxic))

    async def delete_toxic(self, request: web.Request) -> web.Response:
        self._proxy(request).remove_toxic(self._toxic(request))
        return web.Response(status=204)

    def _proxy(self, request: web.Request) -> Proxy:
        return self._collection.get(request.match_info["proxy"])

    def _toxic(self, request: web.Request) -> ToxicDefinition:
        return self._proxy(request).toxic(request.match_info["toxic"])


# ------------------------------------------------------------------------- who may ask, and errors


@web.middleware
async def _guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
    refusal = _refusal(request)
    if refusal:
        return _plain(f"{refusal}\n", 403)
    try:
        return await handler(request)
    except ApiError as error:
        text = json.dumps({"error": error.message, "status": error.status})
        return _plain(f"{text}\n", error.status)
    except web.HTTPNotFound:
        return _plain("404 page not found\n", 404)
    except web.HTTPMethodNotAllowed:
        return web.Response(status=405)


def _refusal(request: web.Request) -> str | None:
    if request.headers.get("User-Agent", "").startswith("Mozilla/"):
        return "User agent not allowed"
    if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
        return "requests from web pages are not allowed"
    host = request.headers.get("Host", "").lower()
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name not in _LOOPBACK_HOSTS:
        return "the Host header must name this machine's loopback address"
    return None


def _plain(text: str, status: int) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, status=status, headers=headers)


def _json(value: object, status: int = 200) -> web.Response:
    text = json.dumps(value, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")


# ------------------------------------------------------------ reading bodies the way Toxiproxy does


async def _body(request: web.Request) -> Any:
    try:
        text = (await request.read()).decode("utf-8", "replace")
    except web.HTTPRequestEntityTooLarge:
        raise ApiError("bad request body: too large", 400) from None
    if not text.strip():
        raise ApiError("bad request body: EOF", 400)
    try:
        # As in Toxiproxy, what follows the first JSON value is not looked at.
        return json.JSONDecoder(parse_constant=_no_constant).raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError) as error:
        raise ApiError(f"bad request body: {error}", 400) from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number in JSON")


def _fields(body: object) -> Mapping[str, Any]:
    """The fields by lower-case name (case does not count), without those that are null."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise ApiError("bad request body: a JSON object is expected", 400)
    return {name.lower(): value for name, value in body.items() if value is not None}


def _text(fields: Mapping[str, Any], name: str, default: str) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise ApiError(f"bad request body: {name} must be a string", 400)
    return value


def _flag(fields: Mapping[str, Any], name: str, default: bool) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise ApiError(f"bad request body: {name} must be true or false", 400)
    return value


def _number(fields: Mapping[str, Any], name: str, default: float) -> float:
    value = fields.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ApiError(f"bad request body: {name} must be a number", 400)
    return value


def _known_attributes(toxic_type: str, given: object) -> dict[str, object]:
    """The attributes that the type has. Raises ValueError when there is no such type."""
    fields = _fields(given)
    known = checked_attributes(toxic_type, _HARMLESS.get(toxic_type, {}))
    return {name: value for name, value in fields.items() if name in known}


# What makes the defaults of these types possible values.
_HARMLESS: Final[Mapping[str, Mapping[str, int]]] = {
    "bandwidth": {"rate": 1},
    "slicer": {"average_size": 1},
}
