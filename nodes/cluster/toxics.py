"""Toxics that make sense: every value is checked before a proxy sees it.

Toxiproxy accepts values that do nothing, and some that kill it (a slicer with an average size of 0
recurses for ever). There are two levels here. `checked_attributes` refuses what is impossible, and
is what the embedded proxy accepts over its API. The constructors (`latency`, `timeout`, ...) also
refuse what is possible but senseless, such as a delay of nothing. No input or output happens here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nodes.cluster.api import Stream, Toxic

STREAMS: Final[tuple[Stream, ...]] = ("upstream", "downstream")
DURATION_MS_MAX: Final = 24 * 3600 * 1000
_DURATION_US_MAX: Final = 1000 * DURATION_MS_MAX
_INT64_MAX: Final = 2**63 - 1

# Every type with its attributes: the default that Toxiproxy has, smallest and largest value.
_ATTRIBUTES: Final[Mapping[str, Mapping[str, tuple[int, int, int]]]] = {
    "noop": {},
    "latency": {"latency": (0, 0, DURATION_MS_MAX), "jitter": (0, 0, DURATION_MS_MAX)},
    "bandwidth": {"rate": (0, 1, 10**9)},
    "slow_close": {"delay": (0, 0, DURATION_MS_MAX)},
    "timeout": {"timeout": (0, 0, DURATION_MS_MAX)},
    "reset_peer": {"timeout": (0, 0, DURATION_MS_MAX)},
    "slicer": {
        "average_size": (0, 1, 10**9),
        "size_variation": (0, 0, 10**9),
        "delay": (0, 0, _DURATION_US_MAX),
    },
    "limit_data": {"bytes": (0, 0, _INT64_MAX)},
}
TOXIC_TYPES: Final = tuple(_ATTRIBUTES)


# ------------------------------------------------------------------------------------ constructors


def latency(stream: Stream, latency_ms: int, jitter_ms: int = 0) -> Toxic:
    """Delays all data by `latency_ms`, give or take up to `jitter_ms`. Raises ValueError."""
    if _whole("latency", latency_ms) == 0 and _whole("jitter", jitter_ms) == 0:
        raise ValueError("a delay of 0 ms changes nothing; give a delay, as in 200ms")
    toxic = _toxic("latency", stream, latency=latency_ms, jitter=jitter_ms)
    if jitter_ms > latency_ms:
        raise ValueError(
            f"jitter of {jitter_ms} ms is more than the delay of {latency_ms} ms;"
            f" data cannot arrive before it was sent"
        )
    return toxic


def bandwidth(stream: Stream, rate_kilobytes_per_s: int) -> Toxic:
    """Lets at most `rate_kilobytes_per_s` through. Raises ValueError."""
    return _toxic("bandwidth", stream, rate=rate_kilobytes_per_s)


def slow_close(stream: Stream, delay_ms: int) -> Toxic:
    """Delays the closing of a connection, not its data, by `delay_ms`. Raises ValueError."""
    if _whole("delay", delay_ms) == 0:
        raise ValueError("a close delayed by 0 ms changes nothing; give a delay, as in 200ms")
    return _toxic("slow_close", stream, delay=delay_ms)


def timeout(stream: Stream, timeout_ms: int = 0) -> Toxic:
    """Stops all data; closes the connection after `timeout_ms` without any, never when it is 0.

    Raises ValueError.
    """
    return _toxic("timeout", stream, timeout=timeout_ms)


def reset_peer(stream: Stream, timeout_ms: int = 0) -> Toxic:
    """Resets a connection `timeout_ms` after the first data on it. Raises ValueError."""
    return _toxic("reset_peer", stream, timeout=timeout_ms)


def slicer(
    stream: Stream, average_size_bytes: int, size_variation_bytes: int = 0, delay_us: int = 0
) -> Toxic:
    """Cuts data into pieces of about `average_size_bytes`, `delay_us` apart. Raises ValueError."""
    return _toxic(
        "slicer",
        stream,
        average_size=average_size_bytes,
        size_variation=size_variation_bytes,
        delay=delay_us,
    )


def limit_data(stream: Stream, limit_bytes: int) -> Toxic:
    """Closes a connection once it has carried `limit_bytes`. Raises ValueError."""
    return _toxic("limit_data", stream, bytes=limit_bytes)


# ------------------------------------------------------------------------------------------ checks


def checked_attributes(toxic_type: str, attributes: Mapping[str, object]) -> dict[str, int]:
    """All attributes of this toxic type, those that are missing at Toxiproxy's default.

    Raises ValueError for an unknown type or attribute, a value that is no whole number, and a value
    that no proxy can carry out.
    """
    if toxic_type not in _ATTRIBUTES:
        raise ValueError(f"unknown toxic type {toxic_type!r}{_nearest(toxic_type, TOXIC_TYPES)}")
    known = _ATTRIBUTES[toxic_type]
    for name in attributes:
        if name not in known:
            raise ValueError(f"{toxic_type} has no attribute {name!r}{_nearest(name, known)}")
    values = {}
    for name, (default, smallest, largest) in known.items():
        value = _whole(f"{toxic_type} {name}", attributes.get(name, default))
        if not smallest <= value <= largest:
            bound = f"at least {smallest}" if value < smallest else f"at most {largest}"
            raise ValueError(f"{toxic_type} {name} is {value}, but must be {bound}")
        values[name] = value
    if toxic_type == "slicer" and values["size_variation"] >= values["average_size"]:
        raise ValueError(
            f"slicer size_variation is {values['size_variation']}, but must be less than"
            f" average_size, which is {values['average_size']}"
        )
    return values


def checked_stream(stream: object) -> Stream:
    """The stream's name, in whichever case it was written. Raises ValueError."""
    name = stream.lower() if isinstance(stream, str) else stream
    if name not in STREAMS:
        raise ValueError(f"stream is {stream!r}, but must be upstream or downstream")
    return name


def checked_toxicity(toxicity: object) -> float:
    """The share of connections that a toxic hits, 0 to 1. Raises ValueError."""
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float):
        raise ValueError(f"toxicity is {toxicity!r}, but must be a number from 0 to 1")
    if not 0 <= toxicity <= 1:  # also refuses NaN, which compares false
        raise ValueError(f"toxicity is {toxicity}, but must be from 0 to 1")
    return float(toxicity)


# --------------------------------------------------------------------------------------- durations

_UNITS_US: Final = {"us": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6}
_DURATION: Final = re.compile(
    r"([+-]?)(\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})\s*(us|ms|s|m|h)", re.ASCII
)


def parse_duration_us(text: str, *, negative_allowed: bool = False) -> int:
    """A duration as people write it (`200ms`, `1.5s`, `250us`), in microseconds.

    Raises ValueError for anything else, for more than 24 hours, and for a negative one unless
    `negative_allowed`.
    """
    stripped = text.strip()
    if stripped in ("0", "+0", "-0"):
        return 0
    match = _DURATION.fullmatch(stripped)
    if match is None:
        if re.fullmatch(r"[+-]?[\d.]+", stripped, re.ASCII):
            raise ValueError(f"{text!r} has no unit; write {stripped}ms or {stripped}s")
        raise ValueError(f"{text!r} is no duration; write it like 200ms, 1.5s or 2m")
    sign, amount, unit = match.groups()
    microseconds = round(float(amount) * _UNITS_US[unit])
    if microseconds > _DURATION_US_MAX or not math.isfinite(microseconds):
        raise ValueError(f"{text!r} is more than 24 hours")
    if sign == "-" and microseconds and not negative_allowed:
        raise ValueError(f"{text!r} is negative; a duration here is at least 0")
    return -microseconds if sign == "-" else microseconds


def parse_duration_ms(text: str, *, negative_allowed: bool = False) -> int:
    """A duration as people write it (`200ms`, `1.5s`), in milliseconds.

    Raises ValueError as `parse_duration_us` does, and for what is not whole milliseconds.
    """
    microseconds = parse_duration_us(text, negative_allowed=negative_allowed)
    if microseconds % 1000:
        raise ValueError(f"{text!r} is not in whole milliseconds")
    return microseconds // 1000


# ----------------------------------------------------------------------------------------- details


def _toxic(toxic_type: str, stream: Stream, **attributes: int) -> Toxic:
    # The embedded proxy only checks, and loads nothing of the cluster: it starts sooner so.
    from nodes.cluster.api import Toxic

    return Toxic(toxic_type, checked_stream(stream), checked_attributes(toxic_type, attributes))


def _whole(what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what} is {value!r}, but must be a whole number")
    return value


def _nearest(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(known)}" if known else ""
