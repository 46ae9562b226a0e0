"""Settings of the host, which every lab has: a core does not know them."""

from __future__ import annotations

from typing import Final

from labs.kit.lab import Setting
from nodes.host.transports import TRANSPORT_DEFAULT, TRANSPORTS

HOST_SETTINGS: Final = (
    Setting(
        "fsync",
        "on",
        "off: a write counts as durable before it is synced, so that a power cut loses it",
        choices=("on", "off"),
    ),
    Setting(
        "transport",
        TRANSPORT_DEFAULT,
        "of real processes: all calls of a link on one stream, or each call a gRPC call of its own",
        choices=tuple(TRANSPORTS),
    ),
)
