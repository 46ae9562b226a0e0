"""How calls travel over a link: the setting `transport`. Labs read it, so nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from nodes.core import Param

TransportKind: TypeAlias = Literal["unary", "stream"]
TRANSPORTS: Final[Mapping[str, TransportKind]] = {"stream": "stream", "unary": "unary"}
TRANSPORT_DEFAULT: Final[TransportKind] = "stream"


def transport_of(params: Mapping[str, Param]) -> TransportKind:
    """By the setting `transport`. Raises ValueError when it is another word."""
    value = params.get("transport", TRANSPORT_DEFAULT)
    kind = TRANSPORTS.get(str(value))
    if kind is None:
        raise ValueError(f"setting transport is {value!r}, expected {' or '.join(TRANSPORTS)}")
    return kind
