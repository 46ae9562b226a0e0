"""Proxies with their listeners, connections and toxics; and the collection of them.

An ApiError carries the text and the HTTP status that Toxiproxy gives for the same mistake.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Mapping
from typing import Any, Final

from nodes.cluster.embedded_proxy.stages import ToxicDefinition
from nodes.cluster.embedded_proxy.streams import Connection, Side
from nodes.cluster.toxics import TOXIC_TYPES, checked_attributes, checked_stream, checked_toxicity

_BACKLOG: Final = 512
_ACCEPT_AGAIN_S: Final = 0.1
_LOOPBACK: Final = "127.0.0.1"
_LOOPBACK_NAMES: Final = ("", _LOOPBACK, "localhost")


class ApiError(Exception):
    """A request that is refused: one line, and the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`. Raises ApiError as Toxiproxy does."""
    host, colon, port = address.rpartition(":")
    if not colon:
        raise ApiError(f"address {address}: missing port in address", 500)
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ApiError(f"address {address}: invalid port", 500)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _loopback(listen: str) -> tuple[str, int]:
    host, port = parse_address(listen)
    if host not in _LOOPBACK_NAMES:
        raise ApiError(f"the embedded proxy listens on {_LOOPBACK} only, not on {listen}", 400)
    return _LOOPBACK, port


class Proxy:
    """Listens on one address and carries each connection to one upstream, through its toxics."""

    def __init__(self, name: str, listen: str, upstream: str) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.enabled = False
        self.chains: dict[str, list[ToxicDefinition]] = {"upstream": [], "downstream": []}
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._dialing: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "toxics": [toxic_as_json(toxic) for toxic in self.toxics()],
        }

    # ------------------------------------------------------------------------------- listening

    def start(self) -> None:
        """Listens. Raises ApiError."""
        if self.enabled:
            return
        host, port = _loopback(self.listen or ":0")
        listener = socket.socket()
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            why = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise ApiError(f"listen tcp {host}:{port}: bind: {why}", 500) from None
        self.listen = f"{host}:{listener.getsockname()[1]}"
        self.enabled = True
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener))

    async def stop(self) -> None:
        """Refuses new connections and ends those that run."""
        self.enabled = False
        tasks = [*self._dialing, *([self._accepting] if self._accepting else [])]
        for task in tasks:
            task.cancel()
        # The listener is closed only when nobody waits on it any more: its number may be reused.
        await asyncio.gather(*tasks, return_exceptions=True)
        self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in tuple(self._connections):
            connection.abort()

    def differs(self, listen: str, upstream: str) -> bool:
        """Whether this is another proxy than one of these addresses. Raises ApiError."""
        host, port = _loopback(listen)
        return self.listen != f"{host}:{port}" or self.upstream != upstream

    async def update(self, listen: str, upstream: str, enabled: bool) -> None:
        """Changes addresses, which ends running connections; and goes up or down.

        Raises ApiError.
        """
        if self.differs(listen, upstream):
            await self.stop()
            self.listen, self.upstream = listen, upstream
        if enabled and not self.enabled:
            self.start()
        elif self.enabled and not enabled:
            await self.stop()

    # ----------------------------------------------------------------------------- connections

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                handle, _ = await loop.sock_accept(listener)
            except OSError:
                # Out of descriptors or memory: who waits in the backlog waits a little longer.
                await asyncio.sleep(_ACCEPT_AGAIN_S)
                continue
            task = loop.create_task(self._connect(handle))
            self._dialing.add(task)
            task.add_done_callback(self._dialing.discard)

    async def _connect(self, handle: socket.socket) -> None:
        """Reaches the upstream for a client that was accepted."""
        loop = asyncio.get_running_loop()
        client, server = Side(), Side()
        try:
            await loop.connect_accepted_socket(lambda: client, handle)
            host, port = parse_address(self.upstream)
            await loop.create_connection(lambda: server, host or _LOOPBACK, port)
        except (OSError, ApiError, UnicodeError):
            _give_up(handle, client, server)  # a node that is down: the client's connection ends
            return
        except asyncio.CancelledError:
            _give_up(handle, client, server)
            raise
        connection = Connection(client, server, self.chains, self._connections.discard)
        self._connections.add(connection)
        connection.start()

    # ---------------------------------------------------------------------------------- toxics

    def toxics(self) -> list[ToxicDefinition]:
        """All toxics: those of the stream upstream first, each chain in its order."""
        return [*self.chains["upstream"], *self.chains["downstream"]]

    def toxic(self, name: str) -> ToxicDefinition:
        """Raises ApiError when there is none of this name."""
        for toxic in self.toxics():
            if toxic.name == name:
                return toxic
        raise ApiError("toxic not found", 404)

    def add_toxic(self, toxic: ToxicDefinition) -> None:
        """Puts it at the end of its chain, on running connections as well."""
        self.chains[toxic.direction].append(toxic)
        for connection in tuple(self._connections):
            connection.streams[toxic.direction].add(toxic)

    def update_toxic(
        self, toxic: ToxicDefinition, attributes: dict[str, int], toxicity: float
    ) -> None:
        """Gives it other values where it stands."""
        toxic.attributes, toxic.toxicity = attributes, toxicity
        for connection in tuple(self._connections):
            connection.streams[toxic.direction].update(toxic)

    def remove_toxic(self, toxic: ToxicDefinition) -> None:
        """Takes it out of its chain."""
        self.chains[toxic.direction].remove(toxic)
        for connection in tuple(self._connections):
            connection.streams[toxic.direction].remove(toxic)

    def remove_all_toxics(self) -> None:
        """Leaves both chains empty."""
        for toxic in self.toxics():
            self.remove_toxic(toxic)


class ProxyCollection:
    """The proxies by name. Changes come one at a time."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.lock = asyncio.Lock()

    def get(self, name: str) -> Proxy:
        """Raises ApiError when there is none of this name."""
        proxy = self.proxies.get(name)
        if proxy is None:
            raise ApiError("proxy not found", 404)
        return proxy

    async def add(self, proxy: Proxy, enabled: bool) -> None:
        """Raises ApiError when the name is taken or it cannot listen."""
        if proxy.name in self.proxies:
            raise ApiError("proxy already exists", 409)
        if enabled:
            proxy.start()
        self.proxies[proxy.name] = proxy

    async def add_or_replace(self, proxy: Proxy, enabled: bool) -> Proxy:
        """Keeps one of the same name and addresses as it is, replaces any other of that name."""
        existing = self.proxies.get(proxy.name)
        if existing is not None:
            if not existing.differs(proxy.listen, proxy.upstream):
                return existing
            await existing.stop()
        if enabled:
            proxy.start()
        self.proxies[proxy.name] = proxy
        return proxy

    async def remove(self, name: str) -> None:
        """Raises ApiError when there is none of this name."""
        await self.get(name).stop()
        del self.proxies[name]

    async def stop(self) -> None:
        """Ends everything."""
        for proxy in self.proxies.values():
            await proxy.stop()


def _give_up(handle: socket.socket, client: Side, server: Side) -> None:
    client.abort()
    server.abort()
    if client.transport is None:
        handle.close()


def new_toxic(
    toxic_type: str, name: str, stream: str, attributes: Mapping[str, object], toxicity: object
) -> ToxicDefinition:
    """A toxic as the API takes it; attributes that the type does not have are ignored.

    Raises ApiError.
    """
    try:
        direction = checked_stream(stream)
    except ValueError:
        raise ApiError("stream was invalid, can be either upstream or downstream", 400) from None
    if toxic_type not in TOXIC_TYPES:
        raise ApiError("invalid toxic type", 400)
    toxic = ToxicDefinition(name or f"{toxic_type}_{stream}", toxic_type, stream, direction)
    toxic.attributes, toxic.toxicity = checked_values(toxic_type, attributes, toxicity)
    return toxic


def checked_values(
    toxic_type: str, attributes: Mapping[str, object], toxicity: object
) -> tuple[dict[str, int], float]:
    """Attributes and toxicity that can be carried out. Raises ApiError."""
    try:
        return checked_attributes(toxic_type, attributes), checked_toxicity(toxicity)
    except ValueError as error:
        raise ApiError(f"bad request body: {error}", 400) from None


def toxic_as_json(toxic: ToxicDefinition) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "attributes": toxic.attributes,
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
    }
