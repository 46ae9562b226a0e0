"""Messages as arrows: few enough to be read, and the picture says how many each one stands for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Final

from labs.kit.svg import title as tooltip
from labs.kit.timeline import palette
from labs.kit.timeline.model import Message
from labs.kit.timeline.sheet import BAND_HEIGHT, PLOT_WIDTH, Sheet, staying, time_text

# What comes all the time: so many, or fewer that are a large share of all.
ROUTINE_COUNT, ROUTINE_COUNT_MIN, ROUTINE_SHARE_MIN = 120, 40, 0.2
# How many arrows there may be, and how close they may be in pixels before they are drawn as one.
ARROWS_MAX, ARROWS_MAX_FINE = 1500, 5000
APART_PX, APART_PX_FINE = 3.0, 0.4
RARE_MAX = 400  # messages of kinds that are not routine are all drawn as long as there are no more
OPEN_SHARE, LOST_SHARE = 0.3, 0.45  # of the way; then it ends
_HEAD_DOWN, _HEAD_UP = "<path d='M0 0l-3-7h6z'/>", "<path d='M0 0l-3 7h6z'/>"
_CROSS: Final = "<path d='M-4-4l8 8m0-8l-8 8' stroke-width='2' fill='none'/>"


@dataclass(slots=True)
class Bundle:
    """Messages of one kind on one way at about one time. Sums are of milliseconds."""

    first: Message
    count: int = 0
    sent_sum: float = 0.0
    received_sum: float = 0.0
    last_ms: float = 0.0

    def take(self, message: Message) -> None:
        """One more."""
        self.count += 1
        self.sent_sum += message.at_ms
        received = message.received_ms
        self.received_sum += message.at_ms if received is None else received
        self.last_ms = max(self.last_ms, message.at_ms)

    @property
    def sent_ms(self) -> float:
        """In the middle."""
        return self.sent_sum / self.count

    @property
    def received_ms(self) -> float:
        """In the middle."""
        return self.received_sum / self.count


@dataclass(frozen=True, slots=True)
class Bundles:
    """What is drawn, for how many messages, with which kinds faded."""

    bundles: Sequence[Bundle]
    messages: int
    routine: frozenset[str]
    kinds: tuple[tuple[str, int], ...]  # with their counts, the most frequent first

    def remark(self) -> str:
        """Says so when arrows stand for several messages."""
        if len(self.bundles) == self.messages:
            return ""
        return (
            f"{self.messages:,} messages in {len(self.bundles):,} arrows: "
            "a thicker one stands for several of one kind at about the same time"
        )


def bundled(messages: Sequence[Message], sheet: Sheet, *, fine: bool) -> Bundles:
    """Merges what is too close, more and more of it until there are few enough."""
    crossing = [
        one
        for one in messages
        if one.source != one.target and {one.source, one.target} <= sheet.lanes.keys()
    ]
    counts = Counter(message.kind for message in crossing)
    routine = frozenset(
        kind
        for kind, count in counts.items()
        if count > ROUTINE_COUNT
        or (count > ROUTINE_COUNT_MIN and count > ROUTINE_SHARE_MIN * len(crossing))
    )
    rare = [message for message in crossing if message.kind not in routine]
    apart = APART_PX_FINE if fine else APART_PX
    limit = ARROWS_MAX_FINE if fine else ARROWS_MAX
    rare_apart = 0.0 if len(rare) <= RARE_MAX else apart
    often = [message for message in crossing if message.kind in routine]
    bundles = _merge(rare, sheet, rare_apart) + _merge(often, sheet, apart)
    while len(bundles) > limit and apart < PLOT_WIDTH:
        apart *= 2
        rare_apart = apart if len(rare) > RARE_MAX else 0.0
        bundles = _merge(rare, sheet, rare_apart) + _merge(often, sheet, apart)
    return Bundles(bundles, len(crossing), routine, tuple(counts.most_common()))


def _merge(messages: Sequence[Message], sheet: Sheet, apart_px: float) -> list[Bundle]:
    found: dict[tuple[object, ...], Bundle] = {}
    for number, message in enumerate(messages):
        place = number if apart_px == 0 else int(sheet.x(message.at_ms) / apart_px)
        way = (message.source, message.target, message.kind, message.is_response)
        key = (*way, message.fate, message.sent_ms is None, place)
        found.setdefault(key, Bundle(message)).take(message)
    return list(found.values())


def draw_arrows(sheet: Sheet, bundles: Bundles) -> None:
    """Routine first, so that what is rare lies on top, and what got lost on top of all."""
    colours = palette.kind_colours([kind for kind, _ in bundles.kinds], bundles.routine)

    def layer(bundle: Bundle) -> int:
        return 2 if bundle.first.fate == "lost" else int(bundle.first.kind not in bundles.routine)

    by_style: dict[tuple[int, str], list[Bundle]] = {}
    for bundle in bundles.bundles:
        lost = bundle.first.fate == "lost"
        colour = palette.FAULT if lost else colours[bundle.first.kind]
        by_style.setdefault((layer(bundle), colour), []).append(bundle)
    for (level, colour), several in sorted(by_style.items()):
        faded = " opacity='0.5'" if level == 0 else ""
        sheet.add(f"<g stroke='{colour}' fill='{colour}'{faded}>")
        for bundle in several:
            sheet.add(_arrow(sheet, bundle))
        sheet.add("</g>")


def _arrow(sheet: Sheet, bundle: Bundle) -> str:
    message = bundle.first
    source, target = sheet.lanes[message.source], sheet.lanes[message.target]
    down = target > source
    begin_y = source + (BAND_HEIGHT / 2 if down else -BAND_HEIGHT / 2)
    end_y = target - (BAND_HEIGHT / 2 if down else -BAND_HEIGHT / 2)
    begin_x, end_x = sheet.x(bundle.sent_ms), sheet.x(bundle.received_ms)
    end = staying(end_x, end_y, _HEAD_DOWN if down else _HEAD_UP)
    dashes = " stroke-dasharray='4 3'" if message.is_response else ""
    if message.fate == "lost":
        end_y = _beside_bands(sheet, begin_y + (end_y - begin_y) * LOST_SHARE, down)
        end_x = begin_x
        end = staying(end_x, end_y, _CROSS)
    elif message.fate == "open":
        end_y = begin_y + (end_y - begin_y) * OPEN_SHARE
        end_x, end, dashes = begin_x, "", " stroke-dasharray='1 3'"
    elif message.sent_ms is None:
        begin_x, begin_y = end_x, end_y - (16 if down else -16)
    width = f" stroke-width='{1 + log2(bundle.count) / 2:.1f}'" if bundle.count > 1 else ""
    return (
        f"<g>{tooltip(_describe(bundle))}<line x1='{begin_x:.1f}' y1='{begin_y:.1f}' "
        f"x2='{end_x:.1f}' y2='{end_y:.1f}'{dashes}{width}/>{end}</g>"
    )


def _beside_bands(sheet: Sheet, y: float, down: bool) -> float:
    """A cross behind the band of a node in between would not be seen: it moves before the band."""
    room = BAND_HEIGHT / 2 + 7
    for lane in sheet.lanes.values():
        if abs(y - lane) < room:
            return lane - room if down else lane + room
    return y


def _describe(bundle: Bundle) -> str:
    message = bundle.first
    what = f"{message.kind} {'response' if message.is_response else 'request'}"
    way = f"{message.source} to {message.target}"
    why = f" ({message.why})" if message.why else ""
    fate = {"lost": f", lost{why}", "open": ", not known whether it arrived", "arrived": ""}
    if bundle.count > 1:
        times = f"{time_text(message.at_ms)} to {time_text(bundle.last_ms)}"
        return f"{bundle.count} {what}s {way}, {times}{fate[message.fate]}"
    if message.fate != "arrived" or message.received_ms is None:
        return f"{what} {way}, sent at {time_text(message.at_ms)}{fate[message.fate]}"
    if message.sent_ms is None:
        return f"{what} {way}, received at {time_text(message.received_ms)}"
    took = f"after {message.received_ms - message.sent_ms:.2f} ms"
    return f"{what} {way}, sent at {time_text(message.sent_ms)}, received {took}"
