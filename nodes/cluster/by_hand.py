"""What `docker compose up` without a conductor needs: the links, and a small client.

    docker compose exec n1 python -m nodes.cluster.by_hand put KEY VALUE
    docker compose exec n1 python -m nodes.cluster.by_hand get KEY
    docker compose exec n1 python -m nodes.cluster.by_hand status

Run inside a container of docker-compose.yml: the environment there says which nodes there are.
`links` makes Toxiproxy's proxies; the service of that name runs it once. It uses the standard
library alone, like everything that the nodes' image holds besides gRPC.

Exit status: 0 done, 1 nobody served, 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

from google.protobuf.message import Message

from nodes.cluster.api import CLIENT, Indeterminate, Link, Refused
from nodes.cluster.rpc_client import Channels, RpcClient
from nodes.core import NodeId
from nodes.host.container import NODE_PORT, PROXY_HOST, link_port, numbered_nodes
from nodes.host.rpc import load_protos, methods_of
from nodes.host.text import printable
from protos import kv_pb2 as kv

API: Final = f"http://{PROXY_HOST}:8474"
API_S_MAX: Final = 30.0
CALL_MS_MAX: Final = 2_000
SERVED_S_MAX: Final = 10.0
LOOK_AGAIN_S: Final = 0.2
USAGE: Final = "usage: python -m nodes.cluster.by_hand links | status | get KEY | put KEY VALUE"


def proxies(nodes: tuple[NodeId, ...]) -> list[dict[str, Any]]:
    """One proxy a directed link, as Toxiproxy's API takes them."""
    links = [Link(a, b) for a in (CLIENT, *nodes) for b in nodes if a != b]
    return [
        {
            "name": link.name,
            "listen": f"0.0.0.0:{link_port(link.source, link.target)}",
            "upstream": f"{link.target}:{NODE_PORT}",
            "enabled": True,
        }
        for link in links
    ]


def make_links(nodes: tuple[NodeId, ...]) -> str:
    """Tells Toxiproxy of every link, as soon as it answers. Raises OSError when it does not."""
    body = json.dumps(proxies(nodes)).encode()
    request = urllib.request.Request(
        f"{API}/populate", body, {"Content-Type": "application/json", "User-Agent": "faultlab"}
    )
    deadline = time.monotonic() + API_S_MAX
    while True:
        try:
            with urllib.request.urlopen(request, timeout=API_S_MAX) as response:
                return f"{len(json.load(response)['proxies'])} links are there"
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"Toxiproxy refuses the links: {error.read()!r:.300}") from error
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_AGAIN_S)  # it tells nobody when it is ready


class Client:
    """Asks the nodes, over the clients' links."""

    def __init__(self, nodes: tuple[NodeId, ...], session: str) -> None:
        self.nodes = nodes
        self._channels = Channels()
        protos = load_protos(os.environ["FAULTLAB_PROTOS"].split(","))
        self._rpc = RpcClient(
            session,
            methods_of(protos),
            self._channels,
            lambda node: f"{PROXY_HOST}:{link_port(CLIENT, node)}",
        )

    async def ask(self, node: NodeId, request: Message) -> Any:
        """Raises Refused or Indeterminate."""
        return await self._rpc.call(node, request, timeout_ms=CALL_MS_MAX)

    async def pursue(self, request: Message) -> tuple[NodeId, Any]:
        """Whoever serves, following hints. Raises Indeterminate at once when the outcome is open:
        without a client session a second attempt might take effect twice."""
        deadline, turn, node = time.monotonic() + SERVED_S_MAX, 0, self.nodes[0]
        while True:
            try:
                return node, await self.ask(node, request)
            except Refused as refused:
                if time.monotonic() > deadline:
                    raise
                turn += 1
                hint = refused.hint if refused.hint in self.nodes else None
                node = hint or self.nodes[turn % len(self.nodes)]
                await asyncio.sleep(LOOK_AGAIN_S)

    async def look(self, node: NodeId) -> str:
        """One line about a node, for people."""
        try:
            await self.ask(node, kv.GetRequest(key="?", consistency=kv.LINEARIZABLE))
        except Refused as refused:
            return f"{node}  {refused.reason}"
        except Indeterminate as unknown:
            return f"{node}  {unknown.reason}"
        return f"{node}  serves"

    async def close(self) -> None:
        """Closes all connections."""
        await self._channels.close()


async def run(arguments: list[str]) -> int:
    """One command of the client. Returns the exit status."""
    session = os.environ["FAULTLAB_SESSION"]
    client = Client(numbered_nodes(os.environ["FAULTLAB_NODES"]), session)
    try:
        match arguments:
            case ["status"]:
                for line in await asyncio.gather(*map(client.look, client.nodes)):
                    print(printable(line))
            case ["get", key]:
                _, got = await client.pursue(kv.GetRequest(key=key, consistency=kv.LINEARIZABLE))
                if not got.found:
                    print(f"there is no {printable(key)}", file=sys.stderr)
                    return 1
                print(got.value.decode("utf-8", "backslashreplace"))
            case ["put", key, value]:
                node, _ = await client.pursue(kv.PutRequest(key=key, value=value.encode()))
                print(f"done by {node}")
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except Refused as refused:
        print(f"nobody served: {printable(refused.reason)}", file=sys.stderr)
        return 1
    except Indeterminate as unknown:
        print(f"it may have happened: {printable(unknown.reason)}", file=sys.stderr)
        return 1
    finally:
        await client.close()
    return 0


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    try:
        if arguments == ["links"]:
            print(make_links(numbered_nodes(os.environ["FAULTLAB_NODES"])))
            return 0
        return asyncio.run(run(arguments))
    except KeyError as missing:
        print(f"{missing} is not set: run this in a container of the lab", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(printable(str(error)), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
