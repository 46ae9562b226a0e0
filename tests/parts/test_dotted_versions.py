"""Dotted version vectors, against a model that writes every causal history out."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.dotted_versions import (
    Context,
    Dot,
    Versions,
    covers,
    descends,
    join,
    merge,
    write,
)

REPLICAS = 3
CLIENTS = 3
History = frozenset[Dot]
"""Names of all writes that somebody has seen, or that lead to one."""


@dataclass
class Store:
    """Replicas and clients of one key, twice: as version vectors, and as sets of writes."""

    held: list[Versions[str]] = field(default_factory=lambda: [Versions() for _ in range(REPLICAS)])
    known: list[History] = field(default_factory=lambda: [frozenset()] * REPLICAS)
    contexts: list[Context] = field(default_factory=lambda: [{} for _ in range(CLIENTS)])
    seen: list[History] = field(default_factory=lambda: [frozenset()] * CLIENTS)
    past: dict[Dot, History] = field(
        default_factory=dict
    )  # of each write: what its writer had seen
    counters: list[int] = field(default_factory=lambda: [0] * REPLICAS)

    def get(self, client: int, replicas: list[int]) -> Versions[str]:
        """The client reads some replicas, and sees what they hold together."""
        read: Versions[str] = Versions()
        for replica in replicas:
            read = merge(read, self.held[replica])
            self.seen[client] |= self.known[replica]
        self.contexts[client] = join(self.contexts[client], read.context)
        return read

    def put(self, client: int, replica: int, skipped: int) -> Dot:
        """The client writes through a replica, whose counter other keys use as well."""
        self.counters[replica] += 1 + skipped
        dot = (f"n{replica}", self.counters[replica])
        self.past[dot] = self.seen[client]
        self.held[replica] = write(self.held[replica], self.contexts[client], dot, str(dot))
        self.known[replica] |= self.past[dot] | {dot}
        return dot

    def sync(self, source: int, target: int) -> None:
        """The target learns what the source holds."""
        self.held[target] = merge(self.held[target], self.held[source])
        self.known[target] |= self.known[source]

    def not_overwritten(self, known: History) -> set[Dot]:
        """By the model: writes of which no known write's writer had seen them."""
        return {dot for dot in known if not any(dot in self.past[other] for other in known)}


replica = st.integers(0, REPLICAS - 1)
client = st.integers(0, CLIENTS - 1)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("get"), client, st.lists(replica, min_size=1, unique=True)),
        st.tuples(st.just("put"), client, replica, st.integers(0, 2)),
        st.tuples(st.just("sync"), replica, replica),
    ),
    max_size=25,
)


def after(script: list[tuple[object, ...]]) -> Store:
    """The store once everything in the script was done, the model being checked at each step."""
    store = Store()
    for name, *arguments in script:
        before = deepcopy(store.held)
        held = list(store.held)
        getattr(store, str(name))(*arguments)
        assert held == before, "an argument was changed"
        for versions, known in zip(store.held, store.known, strict=True):
            assert set(versions.siblings) == store.not_overwritten(known)
            assert {dot for dot in store.past if covers(versions.context, dot)} == known
        for context, seen in zip(store.contexts, store.seen, strict=True):
            assert {dot for dot in store.past if covers(context, dot)} == seen
    return store


@given(actions)
def test_siblings_are_what_causal_histories_say(script: list[tuple[object, ...]]) -> None:
    """A vector with one dot a write says as much as the set of all writes seen: after each step,
    a replica holds exactly the writes that no write known to it replaces."""
    after(script)


@given(actions, st.data())
def test_merge_is_a_least_upper_bound(
    script: list[tuple[object, ...]], data: st.DataObject
) -> None:
    """Commutative, associative and idempotent: in whatever order, however often, replicas hear of
    each other, they come to the same."""
    held = after(script).held
    a, b, c = (data.draw(st.sampled_from(held)) for _ in range(3))
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
    assert merge(a, Versions()) == a
    assert merge(merge(a, b), b) == merge(a, b)


@given(actions, client, replica)
def test_no_write_vanishes_that_nobody_had_seen(
    script: list[tuple[object, ...]], writer: int, through: int
) -> None:
    """Of all writes, each is still held, or a client that had seen it wrote again."""
    store = after(script)
    dot = store.put(writer, through, 0)
    everything: Versions[str] = Versions()
    for versions in store.held:
        everything = merge(everything, versions)
    assert everything.siblings[dot] == str(dot)
    for lost in store.past.keys() - everything.siblings.keys():
        assert any(lost in past for past in store.past.values())


def test_two_who_saw_the_same_leave_two_siblings_and_a_third_replaces_both() -> None:
    """Two clients write on the same replica with the same context; a plain version vector would
    take the second write for a successor of the first."""
    start = write(Versions(), {}, ("n1", 1), "old")
    one = write(start, start.context, ("n1", 2), "one")
    both = write(one, start.context, ("n1", 3), "other")
    assert both.siblings == {("n1", 2): "one", ("n1", 3): "other"}
    assert write(both, both.context, ("n2", 1), "new").siblings == {("n2", 1): "new"}


contexts_of = st.dictionaries(st.sampled_from("abc"), st.integers(1, 4))


@given(contexts_of, contexts_of, contexts_of)
def test_join_is_the_smallest_that_descends_from_all(
    one: Context, other: Context, third: Context
) -> None:
    """And covers exactly what one of them does."""
    joined = join(one, other)
    assert descends(joined, one)
    assert descends(joined, other)
    if descends(third, one) and descends(third, other):
        assert descends(third, joined)
    for dot in ((actor, counter) for actor in "abc" for counter in range(1, 6)):
        assert covers(joined, dot) == (covers(one, dot) or covers(other, dot))
    assert join() == {}


@given(contexts_of, contexts_of)
def test_to_descend_is_to_cover_everything(one: Context, other: Context) -> None:
    """Each from each means equal."""
    dots = [(actor, counter) for actor in "abc" for counter in range(1, 6)]
    assert descends(one, other) == all(covers(one, dot) for dot in dots if covers(other, dot))
    assert (descends(one, other) and descends(other, one)) == (one == other)
