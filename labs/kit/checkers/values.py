"""JSON values as states and dictionary keys: frozen, and as people write them."""

from __future__ import annotations

import json
from collections.abc import Hashable
from enum import Enum
from typing import Any, Final

SHOWN_MAX: Final = 60  # characters of a value in a sentence or a picture


class Truth(Enum):
    """true and false of JSON: Python's own are equal to 1 and 0, which would hide a violation."""

    TRUE = True
    FALSE = False


def freeze(value: Any) -> Hashable:
    """The same value for equal JSON, and something that a dictionary can hold."""
    if type(value) is int or type(value) is str:
        return value
    match value:
        case bool():
            return Truth(value)
        case list() | tuple():
            return tuple([freeze(item) for item in value])
        case dict():
            return frozenset((name, freeze(item)) for name, item in value.items())
    frozen: Hashable = value
    return frozen


def show(frozen: Hashable) -> str:
    """A frozen value as JSON, shortened in the middle, where it is long."""
    text = json.dumps(_thaw(frozen), ensure_ascii=False, sort_keys=True)
    if len(text) <= SHOWN_MAX:
        return text
    half = SHOWN_MAX // 2 - 2
    return f"{text[:half]} .. {text[-half:]}"


def _thaw(frozen: Any) -> Any:
    match frozen:
        case Truth():
            return frozen.value
        case tuple():
            return [_thaw(item) for item in frozen]
        case frozenset():
            return {name: _thaw(item) for name, item in frozen}
    return frozen
