"""Hash trees over what a node shares with each peer, kept up to date with every record (4.7)."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.core import Env, NodeId
from nodes.cores.quorum_store.handoff import Handoff
from nodes.parts.merkle import MerkleTree
from protos import quorum_store_pb2 as pb


class Trees(Handoff):
    """One tree for each peer, over the keys that both shall hold by either reading of the ring."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.trees = {peer: MerkleTree() for peer in env.peers}
        self.own_by_leaf: dict[int, dict[str, None]] = {}  # keys that we own; leaves are all trees'

    # ------------------------------------------------------------------------------------- keeping

    def on_record_changed(self, key: str, before: int, after: int) -> None:
        super().on_record_changed(key, before, after)
        if before == after:
            return
        owners = self.owner_ids(key)
        if self.env.node_id not in owners:
            return
        for owner in owners:
            if owner in self.trees:
                self.toggle(owner, key, before)
                self.toggle(owner, key, after)
        self.index(key, held=bool(after))

    def on_ring_changed(self) -> None:
        super().on_ring_changed()
        self.trees = {peer: MerkleTree() for peer in self.env.peers}
        self.own_by_leaf = {}
        for key, digest in self.digests.items():
            owners = self.owner_ids(key)
            if self.env.node_id in owners:
                for owner in owners:
                    if owner in self.trees:
                        self.toggle(owner, key, digest)
                self.index(key, held=True)

    def toggle(self, peer: NodeId, key: str, digest: int) -> None:
        """A record comes into a tree, or leaves it."""
        if digest:
            self.trees[peer].toggle(key, digest)

    def index(self, key: str, *, held: bool) -> None:
        """Under which leaf a key is found again."""
        leaf = next(iter(self.trees.values()), MerkleTree()).leaf_of(key)
        if held:
            self.own_by_leaf.setdefault(leaf, {})[key] = None
        elif leaf in self.own_by_leaf:
            self.own_by_leaf[leaf].pop(key, None)
            if not self.own_by_leaf[leaf]:
                del self.own_by_leaf[leaf]

    # ------------------------------------------------------------------------------------- looking

    def shared_keys(self, peer: NodeId, leaves: Iterable[int]) -> list[str]:
        """The keys that both shall hold and we do, in these leaves."""
        keys = [key for leaf in leaves for key in self.own_by_leaf.get(leaf, ())]
        return sorted(key for key in keys if self.owns(peer, key))

    def nodes_at(self, peer: NodeId, level: int, indices: Iterable[int]) -> list[pb.TreeNode]:
        """Our hashes of some nodes of the tree."""
        tree = self.trees[peer]
        return [pb.TreeNode(index=index, hash=tree.node(level, index)) for index in indices]

    def differing(self, peer: NodeId, level: int, theirs: Iterable[pb.TreeNode]) -> list[int]:
        """Which of these nodes we have another hash for. A peer's nonsense differs from nothing."""
        tree = self.trees[peer]
        size = tree.fan_out**level if level <= tree.depth else 0
        return [
            one.index
            for one in theirs
            if one.index < size and tree.node(level, one.index) != one.hash
        ]

    def children_of(self, peer: NodeId, level: int, indices: Iterable[int]) -> list[int]:
        """The indices, one level down, of all children of these nodes."""
        tree = self.trees[peer]
        return [child for index in indices for child in tree.children(level, index)]
