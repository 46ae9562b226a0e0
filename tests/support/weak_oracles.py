"""Judges of the weaker levels that try every order, and random histories for them: replicas that
lag behind, where every value is written once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from random import Random
from typing import Any

from labs.kit.history import Entry, Operation, operations


def replicated_history(
    rng: Random, *, steps: int = 7, sessions: int = 3, keys: int = 2
) -> list[Entry]:
    """Sessions that write unique values and read any that was written, mostly a recent one."""
    entries: list[Entry] = []
    written: dict[str, list[int | None]] = {f"k{number}": [None] for number in range(keys)}
    alive = list(range(sessions))
    fresh = sessions
    for number in range(1, steps + 1):
        session, key = rng.choice(alive), rng.choice(sorted(written))
        kind = rng.choice(["read", "read", "write", "cas"])
        argument: Any = None
        result: Any = None
        if kind == "read":
            result = rng.choice(written[key][-3:] + written[key][-1:])
        elif kind == "write":
            argument = result = number
        else:
            argument = result = [rng.choice(written[key][-2:]), number]
        entries.append(Entry(session, "invoke", kind, argument, key))
        if kind != "read":
            written[key].append(number)
        if rng.random() < 0.1:
            entries.append(Entry(session, "info", kind, argument, key))
            alive[alive.index(session)] = fresh
            fresh += 1
        else:
            entries.append(Entry(session, "ok", kind, result, key))
    return entries


def sequential_by_trying(entries: Sequence[Entry]) -> bool:
    """Every interleaving of the sessions, with every subset of what got no response."""
    return any(_legal_interleaving(sessions) for sessions in _choices(entries))


def causal_by_trying(entries: Sequence[Entry]) -> bool:
    """For some subset of what got no response: for every process, every order of its operations and
    everyone's writes that keeps the causal order."""
    for sessions in _choices(entries):
        everything = [one for session in sessions for one in session]
        order = _causal_pairs(sessions)
        if order is None:
            continue
        if all(_memory_of(session, everything, order) for session in sessions):
            return True
    return False


def session_by_trying(entries: Sequence[Entry], consistency: str) -> bool:
    """Every order of the writes of every key in which each session's writes keep theirs, unless the
    level is writes-follow-reads or monotonic-writes, which are about orders that were observed."""
    for sessions in _choices(entries):
        if all(
            _key_in_some_order(sessions, key, consistency)
            for key in {one.key for session in sessions for one in session}
        ):
            return True
    return False


def _choices(entries: Sequence[Entry]) -> Iterator[list[list[Operation]]]:
    found = [one for one in operations(entries) if one.outcome != "info" or one.f != "read"]
    lost = [one for one in found if one.outcome == "info"]
    for count in range(len(lost) + 1):
        for kept in combinations(lost, count):
            sessions: dict[int, list[Operation]] = {}
            for one in found:
                if one.outcome == "ok" or one in kept:
                    sessions.setdefault(one.process, []).append(one)
            yield list(sessions.values())


def _read_of(one: Operation) -> tuple[bool, Any]:
    if one.f == "read":
        return True, one.result
    return (True, one.argument[0]) if one.f == "cas" else (False, None)


def _apply(state: dict[str | None, Any], one: Operation, *, reads: bool = True) -> bool:
    is_read, value = _read_of(one)
    if reads and is_read and state.get(one.key) != value:
        return False
    if one.f == "write":
        state[one.key] = one.argument
    elif one.f == "cas":
        state[one.key] = one.argument[1]
    return True


def _legal_interleaving(sessions: list[list[Operation]]) -> bool:
    def go(positions: tuple[int, ...], state: dict[str | None, Any]) -> bool:
        if all(at == len(session) for at, session in zip(positions, sessions, strict=True)):
            return True
        for number, at in enumerate(positions):
            if at < len(sessions[number]):
                after = dict(state)
                if _apply(after, sessions[number][at]) and go(
                    (*positions[:number], at + 1, *positions[number + 1 :]), after
                ):
                    return True
        return False

    return go((0,) * len(sessions), {})


def _causal_pairs(sessions: list[list[Operation]]) -> set[tuple[int, int]] | None:
    """The causal order as pairs of numbers; None if it goes in a circle or a read saw nothing."""
    everything = [one for session in sessions for one in session]
    pairs = {(a.number, b.number) for session in sessions for a, b in combinations(session, 2)}
    for reader in everything:
        is_read, value = _read_of(reader)
        if is_read and value is not None:
            writers = [one for one in everything if one.key == reader.key and _wrote(one) == value]
            if not writers:
                return None
            pairs.add((writers[0].number, reader.number))
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            break
        pairs |= more
    return None if any(a == b for a, b in pairs) else pairs


def _wrote(one: Operation) -> Any:
    if one.f == "write":
        return one.argument
    return one.argument[1] if one.f == "cas" else None


def _memory_of(
    session: list[Operation], everything: list[Operation], order: set[tuple[int, int]]
) -> bool:
    own = {one.number for one in session}
    mine = [one for one in everything if one.number in own or one.f != "read"]

    def go(done: frozenset[int], state: dict[str | None, Any]) -> bool:
        if len(done) == len(mine):
            return True
        for one in mine:
            if one.number in done:
                continue
            if any(
                (other.number, one.number) in order and other.number not in done for other in mine
            ):
                continue
            after = dict(state)
            if _apply(after, one, reads=one.number in own) and go(done | {one.number}, after):
                return True
        return False

    return go(frozenset(), {})


def _key_in_some_order(sessions: list[list[Operation]], key: str | None, consistency: str) -> bool:
    writes = [
        _wrote(one) for session in sessions for one in session if one.key == key and one.f != "read"
    ]
    lanes = [[one for one in session if one.key == key] for session in sessions]
    return any(_keeps(lanes, order, consistency) for order in permutations(writes))


def _keeps(lanes: list[list[Operation]], order: Sequence[Any], consistency: str) -> bool:
    rank: dict[Any, int] = {None: -1, **{value: at for at, value in enumerate(order)}}
    for lane in lanes:
        own = [rank[_wrote(one)] for one in lane if one.f != "read"]
        if own != sorted(own):
            return False
        latest_own = latest_seen = -1
        for one in lane:
            is_read, value = _read_of(one)
            if is_read:
                if value not in rank:
                    return False
                if consistency == "read-your-writes" and rank[value] < latest_own:
                    return False
                if consistency == "monotonic-reads" and rank[value] < latest_seen:
                    return False
                latest_seen = rank[value]
            if one.f != "read":
                latest_own = rank[_wrote(one)]
    return True
