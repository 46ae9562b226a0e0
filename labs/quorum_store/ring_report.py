"""The ring in the report of a run: as it was at its end, with one key and who holds what of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.kit.pictures import Pictures
from labs.quorum_store.key_view import holdings, ring_of
from labs.quorum_store.ring_svg import ring_svg


def ring_pictures(status: Mapping[str, Any]) -> Pictures:
    """None while no node says who is in the ring; without a key when no client asked for one."""
    ring = ring_of(status)
    if ring is None:
        return {}
    key = status.get("key")
    if key is None:
        return {"The ring at the end": ring_svg(ring)}
    return {
        "The ring at the end, and the key that was asked for most": ring_svg(
            ring, key["key"], holdings(status)
        )
    }
