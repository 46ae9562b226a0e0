"""A client of Toxiproxy's HTTP API: https://github.com/Shopify/toxiproxy#http-api

It knows proxies and toxics, not nodes and links. Requests run concurrently over a few kept
connections. Every failure, of the connection or of the server, is a RuntimeFailure of one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

import aiohttp
from yarl import URL

from nodes.cluster.api import RuntimeFailure

_CONNECTIONS_MAX: Final = 8
_TIMEOUT_S: Final = 15.0
_ERROR_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class ToxicRecord:
    """A toxic as the server lists it; `attributes` are Toxiproxy's own names and units."""

    name: str
    type: str
    stream: str
    attributes: Mapping[str, int]
    toxicity: float = 1.0


@dataclass(frozen=True, slots=True)
class ProxyRecord:
    """A proxy as the server lists it; addresses are `host:port`."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[ToxicRecord, ...] = ()


class ToxiproxyClient:
    """One server's API, at `address` (`host:port`).

    `explain` is asked for a better reason when the server does not answer, for instance that its
    process has ended. Every coroutine here raises RuntimeFailure.
    """

    def __init__(self, address: str, explain: Callable[[], str | None] = lambda: None) -> None:
        self.address = address
        self._explain = explain
        self._session: aiohttp.ClientSession | None = None

    async def version(self) -> str:
        """The server's own version, for instance `2.12.0`."""
        return str((await self._call("GET", "/version"))["version"])

    async def populate(self, proxies: Sequence[tuple[str, str, str]]) -> list[ProxyRecord]:
        """Creates proxies of (name, listen, upstream); one that exists otherwise is replaced."""
        body = [
            {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
            for name, listen, upstream in proxies
        ]
        answered = await self._call("POST", "/populate", body)
        return [self._proxy(record) for record in answered.get("proxies") or ()]

    async def proxies(self) -> dict[str, ProxyRecord]:
        """Every proxy of the server by its name."""
        answered = await self._call("GET", "/proxies")
        return {name: self._proxy(record) for name, record in answered.items()}

    async def update_proxy(
        self, name: str, *, upstream: str | None = None, enabled: bool | None = None
    ) -> ProxyRecord:
        """Changes where a proxy leads, or whether it accepts connections; ends running ones."""
        body: dict[str, object] = {}
        if upstream is not None:
            body["upstream"] = upstream
        if enabled is not None:
            body["enabled"] = enabled
        return self._proxy(await self._call("POST", f"/proxies/{_quoted(name)}", body))

    async def delete_proxy(self, name: str) -> None:
        """Removes a proxy with its connections."""
        await self._call("DELETE", f"/proxies/{_quoted(name)}")

    async def add_toxic(self, proxy: str, toxic: ToxicRecord) -> ToxicRecord:
        """Adds a toxic at the end of its stream's chain, on running connections as well."""
        body = {
            "name": toxic.name,
            "type": toxic.type,
            "stream": toxic.stream,
            "toxicity": toxic.toxicity,
            "attributes": dict(toxic.attributes),
        }
        path = f"/proxies/{_quoted(proxy)}/toxics"
        return self._toxic(await self._call("POST", path, body))

    async def update_toxic(self, proxy: str, toxic: ToxicRecord) -> ToxicRecord:
        """Changes the attributes and toxicity of a toxic where it stands in the chain."""
        body = {"toxicity": toxic.toxicity, "attributes": dict(toxic.attributes)}
        path = f"/proxies/{_quoted(proxy)}/toxics/{_quoted(toxic.name)}"
        return self._toxic(await self._call("POST", path, body))

    async def remove_toxic(self, proxy: str, name: str) -> None:
        """Takes a toxic out of the chain; what it held back flows on."""
        await self._call("DELETE", f"/proxies/{_quoted(proxy)}/toxics/{_quoted(name)}")

    async def close(self) -> None:
        """Closes the connections to the server; the server itself goes on."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # ------------------------------------------------------------------------------------- details

    async def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        url = URL(f"http://{self.address}{path}", encoded=True)
        try:
            async with self._open_session().request(method, url, json=body) as response:
                text = (await response.read()).decode("utf-8", "backslashreplace")
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RuntimeFailure(self._unreachable(error)) from error
        if status >= 400:
            raise RuntimeFailure(f"the proxy server refused {method} {path}: {_reason(text)}")
        if not text:
            return {}
        try:
            answered = json.loads(text)
        except ValueError:
            answered = None
        if not isinstance(answered, dict):
            raise RuntimeFailure(
                f"what listens at {self.address} is no Toxiproxy server: {method} {path} brought"
                f" {one_line(text)!r}"
            )
        return cast(dict[str, Any], answered)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                headers={"User-Agent": "faultlab"},
            )
        return self._session

    def _unreachable(self, error: BaseException) -> str:
        why = self._explain()
        if why is None:
            # aiohttp's TimeoutError carries no text of its own.
            detail = one_line(str(error)) or f"no response within {_TIMEOUT_S:g} s"
            why = f"the proxy server at {self.address} does not answer ({detail})"
        return f"{why}; end the lab with `lab down` and start it again"

    def _proxy(self, record: Mapping[str, Any]) -> ProxyRecord:
        try:
            return ProxyRecord(
                name=record["name"],
                listen=record["listen"],
                upstream=record["upstream"],
                enabled=record["enabled"],
                toxics=tuple(self._toxic(toxic) for toxic in record.get("toxics") or ()),
            )
        except (KeyError, TypeError) as error:
            raise self._not_understood(record, error) from None

    def _toxic(self, record: Mapping[str, Any]) -> ToxicRecord:
        try:
            return ToxicRecord(
                name=record["name"],
                type=record["type"],
                stream=record["stream"],
                attributes=dict(record.get("attributes") or {}),
                toxicity=float(record.get("toxicity", 1.0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._not_understood(record, error) from None

    def _not_understood(self, record: object, error: Exception) -> RuntimeFailure:
        return RuntimeFailure(
            f"the proxy server at {self.address} described a proxy or toxic in a way that"
            f" Toxiproxy 2.12 does not: {one_line(repr(record))} ({one_line(repr(error))})"
        )


def one_line(text: str) -> str:
    """The text with everything that does not print escaped, cut to a readable length."""
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text.strip()
    )
    if len(escaped) > _ERROR_CHARACTERS_MAX:
        return escaped[: _ERROR_CHARACTERS_MAX - 3] + "..."
    return escaped


def _reason(text: str) -> str:
    try:
        return one_line(str(json.loads(text)["error"]))
    except (ValueError, KeyError, TypeError):
        return one_line(text) or "no reason given"


def _quoted(name: str) -> str:
    return quote(name, safe="")
