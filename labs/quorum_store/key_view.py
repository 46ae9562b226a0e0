"""`lab status --key KEY`: the preference list of a key, and what each node holds of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from labs.kit.operations import ServedCluster
from labs.kit.text import bytes_to_json
from labs.quorum_store.ring_picture import Held, Holdings, RingState, fit, key_lines, short
from labs.quorum_store.ring_status import ring_in
from nodes.cluster.api import Indeterminate, Refused, RuntimeFailure
from protos import quorum_store_pb2 as pb

PATIENCE_MS: Final = 1000
VALUE_SHOWN: Final = 24


class RecordView:
    """Asks each node for its own record: no node asks another, and nothing is repaired by it."""

    async def look(self, cluster: ServedCluster, key: str) -> dict[str, Any]:
        """What each node answered."""
        asked = (self._ask(cluster, node, key) for node in cluster.nodes)
        return {"key": key, "nodes": list(await asyncio.gather(*asked))}

    async def _ask(self, cluster: ServedCluster, node: str, key: str) -> dict[str, Any]:
        try:
            request = pb.InspectRequest(key=key)
            response = await cluster.call(node, request, timeout_ms=PATIENCE_MS)
        except (Refused, Indeterminate, RuntimeFailure) as failure:
            return {"id": node, "answers": False, "error": str(failure)}
        assert isinstance(response, pb.InspectResponse)
        return {
            "id": node,
            "answers": True,
            "error": None,
            "siblings": [sibling_json(one) for one in response.record.siblings],
            "context": {dot.actor: dot.counter for dot in response.record.context.entries},
            "hints": [
                {
                    "home": hint.home,
                    "since_ms": hint.since_ms,
                    "siblings": [sibling_json(one) for one in hint.record.siblings],
                }
                for hint in response.hints
            ],
            "preference_list": list(response.preference_list),
        }

    def lines(self, status: Mapping[str, Any]) -> Sequence[str]:
        """The picture of the key, and who sees other replicas than most."""
        looked = status["key"]
        ring = ring_of(status)
        if ring is None:
            return ["no node says who is in the ring"]
        lines = key_lines(ring, looked["key"], holdings(status))
        lists: dict[tuple[str, ...], list[str]] = {}
        for one in _answered(status):
            lists.setdefault(tuple(one["preference_list"]), []).append(one["id"])
        if len(lists) > 1:
            lines += [f"  {', '.join(who)}: on {', '.join(at)}" for at, who in lists.items()]
        return fit(lines)


def ring_of(status: Mapping[str, Any]) -> RingState | None:
    """The ring that the nodes of a status speak of."""
    views = {one["id"]: one["view"] for one in status["nodes"] if one["answers"]}
    return ring_in(views, status["settings"])


def _answered(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in status["key"]["nodes"] if one["answers"]]


def holdings(status: Mapping[str, Any]) -> Holdings:
    """What the nodes answered of the key of a status, in words."""
    # Where stamps decide, a dot only tells writes apart.
    name = "dot" if status["settings"]["versions"] == "siblings" else "stamp"
    return {
        str(one["id"]): Held(
            tuple(sibling_words(sibling, name) for sibling in one["siblings"]),
            tuple(
                f"hint for {hint['home']}: {sibling_words(sibling, name)}"
                for hint in one["hints"]
                for sibling in hint["siblings"]
            ),
        )
        for one in _answered(status)
    }


def sibling_json(sibling: pb.Sibling) -> dict[str, Any]:
    """A version as data: its value, or that it is a deletion, and what it is known by."""
    stamp = sibling.stamp
    return {
        **({"value": None} if sibling.deleted else bytes_to_json(sibling.value)),
        "deleted": sibling.deleted,
        "dot": f"{sibling.dot.actor}:{sibling.dot.counter}" if sibling.dot.actor else None,
        "stamp": f"{stamp.time}.{stamp.logical}@{stamp.writer}" if stamp.writer else None,
    }


def sibling_words(sibling: Mapping[str, Any], name: str = "dot") -> str:
    """`"milk"  n1#0:4`, or `deleted  1700000000000.0@n1`."""
    value = "deleted" if sibling["deleted"] else f'"{short(str(sibling["value"]), VALUE_SHOWN)}"'
    return f"{value}  {sibling[name] or ''}".rstrip()
