"""A hash tree (Merkle, 1987) over records: two nodes find what differs, and send nothing else.

Keys fall into leaves by their hash. A leaf is the XOR of the digests of its records, so that a
change costs the same however many there are; inner nodes hash their children. An empty subtree
hashes to 0. Hashes of 64 bits find accidents, not an attacker's work.
"""

from __future__ import annotations

from hashlib import blake2b

from nodes.parts.hash_ring import position

HASH_BYTES = 8


def digest_of(key: str, serialized: bytes) -> int:
    """Of one record under its key."""
    name = key.encode()
    # Without the length, ("a", "bc") and ("ab", "c") would be one record.
    return _hash(len(name).to_bytes(4) + name + serialized)


def _hash(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=HASH_BYTES).digest())


class MerkleTree:
    """`depth` levels below the root (level 0), each node with `fan_out` children.

    Inner hashes are worked out when somebody looks: many changes between two looks cost one.
    """

    def __init__(self, depth: int = 3, fan_out: int = 16) -> None:
        assert depth > 0
        assert fan_out > 1
        self.depth, self.fan_out = depth, fan_out
        self.leaf_count: int = fan_out**depth
        # By level; what is missing is 0. The last level holds the leaves.
        self._hashes: list[dict[int, int]] = [{} for _ in range(depth + 1)]
        # By level, inner nodes to be hashed anew. All ancestors of a stale node are stale.
        self._stale: list[set[int]] = [set() for _ in range(depth)]

    @property
    def root(self) -> int:
        """Equal for equal records, and 0 if there are none."""
        return self.node(0, 0)

    def leaf_of(self, key: str) -> int:
        """The index, on the last level, of the leaf that a key falls into."""
        # The low bits: keys of one node lie in stretches of the ring, which share the high ones.
        return position(key) % self.leaf_count

    def toggle(self, key: str, digest: int) -> None:
        """Adds a record that is not in, or removes one that is: a change is the old digest and the
        new."""
        index = self.leaf_of(key)
        leaves = self._hashes[self.depth]
        leaf = leaves.get(index, 0) ^ digest
        if leaf:
            leaves[index] = leaf
        else:
            leaves.pop(index, None)
        for stale in reversed(self._stale):
            index //= self.fan_out
            if index in stale:
                return
            stale.add(index)

    def children(self, level: int, index: int) -> range:
        """The indices, on the next level, of a node's children."""
        assert level < self.depth, "a leaf has no children"
        return range(index * self.fan_out, (index + 1) * self.fan_out)

    def node(self, level: int, index: int) -> int:
        """The hash of a node; 0 if nothing is below it."""
        assert 0 <= index < self.fan_out**level
        if level < self.depth and index in self._stale[level]:
            self._renew(level, index)
        return self._hashes[level].get(index, 0)

    def _renew(self, level: int, index: int) -> None:
        below = [self.node(level + 1, child) for child in self.children(level, index)]
        if any(below):
            content = b"".join(child.to_bytes(HASH_BYTES) for child in below)
            self._hashes[level][index] = _hash(content)
        else:
            self._hashes[level].pop(index, None)
        self._stale[level].discard(index)
