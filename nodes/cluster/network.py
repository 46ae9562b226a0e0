"""The network between the nodes: one proxy a directed link, and what is wrong with each.

A proxy `a->b` carries the connections that a opens to b; clients have `client->b`. Whatever is set
here is read back from the proxy server before it counts as done.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from nodes.cluster.api import CLIENT, Link, LinkState, RuntimeFailure
from nodes.cluster.proxy_server import ProxyKind, ProxyServer, start_proxy_server
from nodes.cluster.toxics import checked_attributes
from nodes.cluster.toxiproxy import ProxyRecord, ToxicRecord, ToxiproxyClient, one_line
from nodes.core import NodeId

__all__ = ["Network", "ProxyKind", "ProxyServer", "links_between", "start_proxy_server"]

_PORT_TRIES: Final = 5
_LOWEST_PORT: Final = 10_000


def links_between(nodes: tuple[NodeId, ...]) -> tuple[Link, ...]:
    """Every directed link of a cluster, in a fixed order: between nodes, then from clients."""
    pairs = [Link(source, target) for source in nodes for target in nodes if source != target]
    return (*pairs, *(Link(CLIENT, node) for node in nodes))


class RunningProxy(Protocol):
    """A proxy server, whoever runs it."""

    @property
    def address(self) -> str:
        """Of its API, as `host:port`."""

    def alive(self) -> bool:
        """Whether it still runs."""

    def why_silent(self) -> str | None:
        """Why it cannot answer, when it has ended; else None."""


class Network:
    """The links of one cluster, as proxies of one server.

    `addresses` says where each node listens, as `host:port`. `listen` says where the proxies are to
    listen; without it they get free ports on loopback. Every coroutine raises RuntimeFailure when
    the proxy server is gone or does not do as told.
    """

    def __init__(
        self,
        server: RunningProxy,
        addresses: Mapping[NodeId, str],
        listen: Mapping[Link, str] | None = None,
    ) -> None:
        self._server = server
        self._listen = listen
        self._client = ToxiproxyClient(server.address, server.why_silent)
        self._addresses = dict(addresses)
        self._links = links_between(tuple(addresses))
        self._records: dict[Link, ProxyRecord] = {}
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Makes the proxies; from here on `link_address` knows every link."""
        for last in (False,) * (_PORT_TRIES - 1) + (True,):
            listen = self._listen or _loopback(self._links)
            proxies = [
                (link.name, listen[link], self._addresses[link.target]) for link in self._links
            ]
            try:
                await self._client.populate(proxies)
                break
            except RuntimeFailure as failure:
                # Another program took one of the ports since it was found free.
                if last or "in use" not in str(failure):
                    raise
        self._records = await self._read()

    def link_address(self, link: Link) -> str:
        """Where the link's proxy listens, as `host:port` on its server's machine. Raises
        RuntimeFailure."""
        record = self._records.get(link)
        if record is None:
            raise RuntimeFailure(f"there is no link {one_line(link.name)} in this cluster")
        return record.listen

    async def move(self, node: NodeId, address: str) -> None:
        """The node came back on another port: every link to it leads there from now on."""
        async with self._lock:
            self._addresses[node] = address
            inbound = [link for link in self._links if link.target == node]
            await _all(self._client.update_proxy(link.name, upstream=address) for link in inbound)
            self._records = await self._read()
            for link in inbound:
                if self._records[link].upstream != address:
                    raise RuntimeFailure(
                        f"link {link.name} leads to {self._records[link].upstream} instead of"
                        f" {address}; `lab down` and start again"
                    )

    async def set_links(self, wanted: Mapping[Link, LinkState]) -> None:
        """Makes every link as wanted; links that are not named become clean.

        Raises ValueError for a toxic that makes no sense, before anything is changed.
        """
        for link in wanted:
            self.link_address(link)
        goal = {link: _Goal(wanted.get(link, LinkState())) for link in self._links}
        async with self._lock:
            await self._bring_about(goal)
            differing = self._differing(goal)
            if differing:
                # Somebody else may have changed a proxy: what was just read is the truth now.
                await self._bring_about(goal, tolerant=False)
                differing = self._differing(goal)
            if differing:
                link = differing[0]
                raise RuntimeFailure(
                    f"link {link.name} is {_Goal.of(self._records[link])} instead of {goal[link]};"
                    f" try `lab fault heal`"
                )

    async def links(self) -> list[dict[str, Any]]:
        """Every link as the proxy server has it now, in the shape of `lab status --json`."""
        records = await self._read()
        return [
            {
                "from": link.source,
                "to": link.target,
                "enabled": records[link].enabled,
                "toxics": [
                    {
                        "type": toxic.type,
                        "stream": toxic.stream,
                        "attributes": dict(toxic.attributes),
                    }
                    for toxic in records[link].toxics
                ],
            }
            for link in self._links
        ]

    async def close(self) -> None:
        """Lets go of the server's API; the server, and so the links, go on until it is stopped."""
        await self._client.close()

    # ------------------------------------------------------------------------------------- details

    async def _bring_about(self, goal: Mapping[Link, _Goal], *, tolerant: bool = True) -> None:
        changes = (
            self._change(link, self._records[link], goal[link]) for link in self._differing(goal)
        )
        try:
            await _all(changes)
        except RuntimeFailure:
            if not tolerant or not self._server.alive():
                raise
        self._records = await self._read()

    def _differing(self, goal: Mapping[Link, _Goal]) -> list[Link]:
        return [link for link in self._links if not goal[link].holds(self._records[link])]

    async def _change(self, link: Link, record: ProxyRecord, goal: _Goal) -> None:
        # A link goes down before its toxics change and comes up after, so that nothing slips by.
        if record.enabled and not goal.enabled:
            await self._client.update_proxy(link.name, enabled=False)
        present = {toxic.name: toxic for toxic in record.toxics}
        for name, toxic in present.items():
            same_place = goal.toxics.get(name)
            if same_place is None or not _same_place(same_place, toxic):
                await self._client.remove_toxic(link.name, name)
        for name, toxic in goal.toxics.items():
            there = present.get(name)
            if there is None or not _same_place(there, toxic):
                await self._client.add_toxic(link.name, toxic)
            elif there != toxic:
                await self._client.update_toxic(link.name, toxic)
        if goal.enabled and not record.enabled:
            await self._client.update_proxy(link.name, enabled=True)

    async def _read(self) -> dict[Link, ProxyRecord]:
        found = await self._client.proxies()
        missing = [link.name for link in self._links if link.name not in found]
        if missing:
            raise RuntimeFailure(
                f"the proxy of link {missing[0]} is gone from the proxy server; end the lab with"
                f" `lab down` and start it again"
            )
        return {link: found[link.name] for link in self._links}


class _Goal:
    """How a link's proxy should be listed by the server."""

    def __init__(self, state: LinkState) -> None:
        self.enabled = state.enabled
        self.toxics: dict[str, ToxicRecord] = {}
        for toxic in state.toxics:
            if toxic.name in self.toxics:
                raise ValueError(f"two toxics of type {toxic.type} on one stream of a link")
            attributes = checked_attributes(toxic.type, toxic.attributes)
            self.toxics[toxic.name] = ToxicRecord(toxic.name, toxic.type, toxic.stream, attributes)

    @classmethod
    def of(cls, record: ProxyRecord) -> _Goal:
        """What is there, to be shown in the words of what should be."""
        goal = cls(LinkState(enabled=record.enabled))
        goal.toxics = {toxic.name: toxic for toxic in record.toxics}
        return goal

    def holds(self, record: ProxyRecord) -> bool:
        """Whether the proxy is like this; the order of toxics does not count."""
        there = {toxic.name: toxic for toxic in record.toxics}
        return self.enabled == record.enabled and self.toxics == there

    def __str__(self) -> str:
        words = [] if self.enabled else ["disabled"]
        for toxic in self.toxics.values():
            values = ", ".join(f"{name}={value}" for name, value in toxic.attributes.items())
            words.append(one_line(f"{toxic.type}({values}) {toxic.stream}"))
        return " and ".join(words) or "clean"


def _same_place(one: ToxicRecord, other: ToxicRecord) -> bool:
    return (one.type, one.stream) == (other.type, other.stream)


async def _all(coroutines: Any) -> None:
    """Awaits all, also after a failure, so that nothing is under way any more; raises the first."""
    outcomes = await asyncio.gather(*coroutines, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _loopback(links: tuple[Link, ...]) -> dict[Link, str]:
    ports = _ports_to_keep(len(links))
    return {link: f"127.0.0.1:{port}" for link, port in zip(links, ports, strict=True)}


def _ports_to_keep(count: int) -> list[int]:
    """Free ports outside the range from which the system takes ports for outgoing connections.

    A proxy that is disabled gives up its port, and must get it back when it is enabled.
    """
    lowest, highest = _ephemeral_range()
    candidates = [*range(_LOWEST_PORT, lowest), *range(highest + 1, 65_536)]
    random.shuffle(candidates)
    ports: list[int] = []
    for port in candidates:
        if len(ports) == count:
            break
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    # Where there is no such range, the server picks; 0 asks it to.
    return ports if len(ports) == count else [0] * count


def _ephemeral_range() -> tuple[int, int]:
    try:
        lowest, highest = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        return int(lowest), int(highest)
    except (OSError, ValueError):
        return 49_152, 65_535
