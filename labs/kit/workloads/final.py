"""What everyone holds at the end: without it, a run cannot tell what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from labs.kit.workloads.clients import Sample, Workload
from labs.kit.workloads.generators import Operation
from nodes.cluster.api import Cluster, Indeterminate, Refused
from nodes.core import NodeId
from protos import kv_pb2 as kv


@dataclass(slots=True)
class FinalReads:
    """By key: what a linearizable read returned, and what each node holds itself."""

    values: dict[str, Any] = field(default_factory=dict)
    at_nodes: dict[NodeId, dict[str, Any]] = field(default_factory=dict)

    def missing(self, nodes: Iterable[NodeId], keys: Iterable[str]) -> list[str]:
        """What was not read; one clause each."""
        found = [f"no final read of {key}" for key in keys if key not in self.values]
        return found + [f"no final read on {node}" for node in nodes if node not in self.at_nodes]

    def differing(self) -> list[NodeId]:
        """The nodes that hold something else than the final reads returned."""
        return [node for node, held in self.at_nodes.items() if held != self.values]

    def lost_appends(self, samples: Iterable[Sample]) -> int:
        """How many acknowledged appends are in no list any more."""
        kept = {(key, item) for key, items in self.values.items() for item in items or ()}
        return sum(
            sample.ok and sample.f == "append" and (sample.key, sample.argument) not in kept
            for sample in samples
        )


async def final_reads(cluster: Cluster, workload: Workload, *, within_ms: int) -> FinalReads:
    """Reads every key, linearizably and in the history; and on every node by itself. Waits until
    the nodes agree, or as long as it may: what they hold then is returned either way."""
    found = FinalReads()
    for key in workload.generator.keys:

        async def read(key: str = key) -> Sample | None:
            sample = await workload.once(Operation("read", key), kv.LINEARIZABLE)
            return sample if sample.ok else None

        answer = await cluster.until(f"a final read of {key}", read, within_ms=within_ms)
        found.values[key] = answer.result

    async def agree() -> bool:
        shown = await asyncio.gather(*(_held(cluster, workload, node) for node in cluster.nodes))
        found.at_nodes = {
            node: held for node, held in zip(cluster.nodes, shown, strict=True) if held is not None
        }
        return all(held == found.values for held in shown)

    try:
        await cluster.until("all nodes agree", agree, within_ms=within_ms)
    except TimeoutError:
        return found
    return found


async def _held(cluster: Cluster, workload: Workload, node: NodeId) -> dict[str, Any] | None:
    held = {}
    for key in workload.generator.keys:
        request = workload.dialect.held(key)
        try:
            response = await cluster.call(node, request, timeout_ms=1000)
        except (Refused, Indeterminate):
            return None
        held[key] = workload.dialect.holding(response, workload.generator.result)
    return held
