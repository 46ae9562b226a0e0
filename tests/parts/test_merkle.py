"""Hash trees."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.parts import merkle
from nodes.parts.merkle import MerkleTree, digest_of

contents = st.dictionaries(st.text(max_size=6), st.binary(max_size=6), max_size=30)


def tree_of(records: dict[str, bytes], *, depth: int = 3, fan_out: int = 16) -> MerkleTree:
    """A tree over records by key."""
    tree = MerkleTree(depth, fan_out)
    for key, serialized in records.items():
        tree.toggle(key, digest_of(key, serialized))
    return tree


def differing_leaves(one: MerkleTree, other: MerkleTree) -> tuple[list[int], int]:
    """By descent from the roots, as nodes do it; and how many nodes were compared."""
    level_nodes, compared = [0], 1
    for level in range(one.depth):
        differ = [at for at in level_nodes if one.node(level, at) != other.node(level, at)]
        level_nodes = [child for at in differ for child in one.children(level, at)]
        compared += len(level_nodes)
    bottom = one.depth
    return [at for at in level_nodes if one.node(bottom, at) != other.node(bottom, at)], compared


@given(contents, contents)
def test_roots_are_equal_exactly_if_the_contents_are(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    """That is what comparing two hashes instead of all records rests on."""
    assert (tree_of(one).root == tree_of(other).root) == (one == other)
    assert tree_of(one).root == tree_of(dict(one)).root


@given(contents, st.randoms())
def test_the_order_does_not_matter(records: dict[str, bytes], random: Random) -> None:
    """Replicas receive the same records in different orders."""
    shuffled = list(records.items())
    random.shuffle(shuffled)
    assert tree_of(dict(shuffled)).root == tree_of(records).root


@given(contents, contents, st.lists(st.booleans(), min_size=60, max_size=60))
def test_a_tree_that_was_changed_equals_one_made_anew(
    before: dict[str, bytes], after: dict[str, bytes], looks: list[bool]
) -> None:
    """However often somebody looked at it in between."""
    tree = tree_of(before)
    for look, key in zip(looks, sorted({*before, *after}), strict=False):
        if key in before:
            tree.toggle(key, digest_of(key, before[key]))
        if look:
            assert tree.root == tree.node(0, 0)
        if key in after:
            tree.toggle(key, digest_of(key, after[key]))
    fresh = tree_of(after)
    for level in range(3):
        for index in {tree.leaf_of(key) // 16 ** (3 - level) for key in {*before, *after}}:
            assert tree.node(level, index) == fresh.node(level, index)


@given(contents)
def test_what_is_empty_hashes_to_nothing(records: dict[str, bytes]) -> None:
    """Also after everything was removed."""
    tree = tree_of(records)
    assert (tree.root == 0) == (not records)
    for key, serialized in records.items():
        tree.toggle(key, digest_of(key, serialized))
    assert tree.root == 0
    assert differing_leaves(tree, MerkleTree()) == ([], 1)


@given(contents, st.text(max_size=6), st.binary(min_size=7, max_size=8))
def test_one_change_is_found_along_one_path(
    records: dict[str, bytes], key: str, value: bytes
) -> None:
    """depth + 1 nodes differ, so that 1 + depth * fan_out are compared of thousands."""
    one, other = tree_of(records), tree_of({**records, key: value})
    assert differing_leaves(one, other) == ([one.leaf_of(key)], 1 + 3 * 16)
    path = [one.leaf_of(key) // 16 ** (3 - level) for level in range(4)]
    for level, index in enumerate(path):
        assert one.node(level, index) != other.node(level, index)


@given(contents, contents)
def test_descent_finds_exactly_the_leaves_of_what_differs(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    """In a small tree, too, where records share leaves."""
    trees = tree_of(one, depth=2, fan_out=4), tree_of(other, depth=2, fan_out=4)
    differ = {key for key in {*one, *other} if one.get(key) != other.get(key)}
    assert differing_leaves(*trees)[0] == sorted({trees[0].leaf_of(key) for key in differ})


@given(st.text(max_size=6), st.binary(max_size=6), st.text(max_size=6), st.binary(max_size=6))
def test_a_digest_is_of_the_key_as_well(
    key: str, serialized: bytes, other_key: str, other: bytes
) -> None:
    """Two records that swapped their keys, or of which one ends where the other's key does, are
    told apart."""
    same = (key, serialized) == (other_key, other)
    assert (digest_of(key, serialized) == digest_of(other_key, other)) == same
    assert 0 < digest_of(key, serialized) < 2**64


def test_where_the_key_ends_matters() -> None:
    """The same bytes in a row, cut elsewhere, are another record."""
    assert digest_of("a", b"bc") != digest_of("ab", b"c")


def test_only_what_changed_is_hashed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look after a change hashes one inner node a level, and a second look none."""
    tree = tree_of({f"key {number}": b"value" for number in range(100)})
    hashed, plain = [], merkle._hash

    def counting(content: bytes) -> int:
        hashed.append(content)
        return plain(content)

    monkeypatch.setattr(merkle, "_hash", counting)
    assert tree.root == tree.root
    hashed.clear()
    assert tree.root
    assert len(hashed) == 0
    for number in range(5):
        tree.toggle("key 7", number + 1)
    assert len(hashed) == 0
    assert tree.root
    assert len(hashed) == tree.depth
