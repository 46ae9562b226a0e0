"""How long replicas of the quorum store take to agree again, and how many bytes that costs.

One node of five is cut off while keys are overwritten; repair by reads is off, so that only
anti-entropy is left. Run it: python -m tests.benchmarks.anti_entropy [--keys N] [--changed N].
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from labs.quorum_store.lab import LAB
from nodes.cluster.api import ClusterSpec, Indeterminate, NodeSpec, Refused
from nodes.cluster.local import LocalCluster
from nodes.core import Param
from protos import quorum_store_pb2 as pb

NODES = 5
CLIENTS = 20
VALUE_BYTES = 100
CUT_S = 30.0
# The machine that measures is busy with the measurement: replicas are given time to answer.
PARAMS: dict[str, Param] = {
    "read_repair": "off",
    "replica_timeout_ms": 1000,
    "request_timeout_ms": 3000,
}


def spec() -> ClusterSpec:
    """Five nodes with the lab's settings, but for those above."""
    nodes = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, NODES + 1))
    return ClusterSpec(LAB.id, LAB.protos, nodes, LAB.defaults() | PARAMS, seed=1)


async def write(
    cluster: LocalCluster, coordinators: tuple[str, ...], keys: range, value: bytes, took_s: float
) -> None:
    """Writes all keys, over at least so many seconds. Raises SystemExit when one cannot be."""
    began_s, waiting = time.monotonic(), iter(keys)

    async def client(coordinator: str) -> None:
        for key in waiting:
            await asyncio.sleep(took_s * (key / len(keys)) - (time.monotonic() - began_s))
            for _ in range(20):
                try:
                    request = pb.PutRequest(key=f"key{key}", value=value)
                    await cluster.call(coordinator, request, timeout_ms=5000)
                    break
                except (Refused, Indeterminate):
                    continue
            else:
                raise SystemExit(f"key{key} could not be written by {coordinator}")

    await asyncio.gather(*(client(coordinators[n % len(coordinators)]) for n in range(CLIENTS)))


async def views(cluster: LocalCluster) -> dict[str, pb.QuorumStoreView]:
    """What every node shows. Raises SystemExit when one does not answer."""
    found = {}
    for node in cluster.nodes:
        view = await cluster.view(node)
        if not isinstance(view, pb.QuorumStoreView):
            raise SystemExit(f"{node} does not answer")
        found[node] = view
    return found


async def agree(cluster: LocalCluster) -> bool:
    """Each two nodes hold the same of what both shall hold."""
    shown = await views(cluster)
    return all(
        shown[peer].shared[node] == root
        for node, view in shown.items()
        for peer, root in view.shared.items()
    )


async def inspect(cluster: LocalCluster, node: str, key: int) -> pb.InspectResponse:
    """What a node holds of a key, and who shall hold it."""
    request = pb.InspectRequest(key=f"key{key}")
    response = await cluster.call(node, request, timeout_ms=5000)
    assert isinstance(response, pb.InspectResponse)
    return response


async def held(cluster: LocalCluster, key: int) -> pb.Record:
    """The record as the largest of the replicas that were not cut off has it."""
    _, *others = cluster.nodes
    found = [(await inspect(cluster, node, key)).record for node in others]
    return max(found, key=lambda record: record.ByteSize())


async def measure(keys: int, changed: int, folder: Path) -> None:
    """Prints what came of it."""
    async with LocalCluster(spec(), folder=folder, events=False) as cluster:
        await cluster.until("all answer", lambda: agree(cluster), within_ms=60_000)
        await write(cluster, cluster.nodes, range(keys), b"a" * VALUE_BYTES, 0)
        await cluster.until("all agree", lambda: agree(cluster), within_ms=300_000)
        before = await views(cluster)
        cut, *others = cluster.nodes
        await cluster.faults.isolate(cut)
        await write(cluster, tuple(others), range(changed), b"b" * VALUE_BYTES, CUT_S)
        owned = needed = 0
        for key in range(changed):
            response = await inspect(cluster, others[0], key)
            if cut in response.preference_list:
                owned += 1
                needed += pb.KeyRecord(key=f"key{key}", record=await held(cluster, key)).ByteSize()
        await cluster.faults.heal()
        healed_s = time.monotonic()
        await cluster.until("all agree", lambda: agree(cluster), within_ms=300_000)
        took_s = time.monotonic() - healed_s
        after = await views(cluster)
    sent = sum(after[node].exchanged_bytes - before[node].exchanged_bytes for node in after)
    records = sum(after[node].exchanged_records - before[node].exchanged_records for node in after)
    whole = needed / owned * sum(view.keys for view in after.values())
    print(
        f"{keys} keys, {changed} written in {CUT_S:.0f} s while {cut} was cut off, "
        f"{owned} of them its own: agreed {took_s:.1f} s after the heal"
    )
    print(
        f"anti-entropy sent {sent:,} bytes and {records} records: {sent / needed:.1f} times the "
        f"records that differed, {sent / whole:.1%} of all records"
    )


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(options.keys, options.changed, Path(folder)))


if __name__ == "__main__":
    main()
