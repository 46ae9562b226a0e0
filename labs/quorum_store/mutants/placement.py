"""Planted bugs on the ring."""

from __future__ import annotations

from itertools import islice

from nodes.core import NodeId
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.ring import Owner
from nodes.parts.hash_ring import HashRing
from protos import quorum_store_pb2 as pb


class CountsTokensNotNodes(QuorumStore):
    """Takes the owners of the next tokens, also when two of them are the same node's."""

    def preference_list(self, ring: HashRing, key: str) -> list[NodeId]:
        return list(islice(ring.clockwise(key), self.replication))


class NeighboursByName(QuorumStore):
    """Takes the first owner from the ring, and the nodes after it by name."""

    def preference_list(self, ring: HashRing, key: str) -> list[NodeId]:
        first = ring.members.index(ring.owner(key))
        count = min(self.replication, len(ring.members))
        return [ring.members[(first + step) % len(ring.members)] for step in range(count)]


class CoordinatorKeepsACopy(QuorumStore):
    """Takes the coordinator for an owner of whatever it is asked for."""

    def owners(self, key: str) -> list[Owner]:
        owners = super().owners(key)
        if all(owner.node != self.env.node_id for owner in owners):
            owners[-1] = Owner(self.env.node_id, read=True, other=True)
        return owners


class OwnersStandIn(QuorumStore):
    """Lets an owner stand in for another: two of the replicas are one then."""

    def fallbacks(self, key: str) -> list[NodeId]:
        return [node for node in self.read_ring.walk(key) if not self.seems_down(node)]


class StandsInByName(QuorumStore):
    """Lets the last node by name stand in, wherever it is on the ring."""

    def fallbacks(self, key: str) -> list[NodeId]:
        return sorted(super().fallbacks(key), reverse=True)


class RingOfEveryone(QuorumStore):
    """Gives keys also to nodes that are not members of the ring."""

    def ring_of(self, memberships: tuple[pb.Membership, ...]) -> HashRing:
        return HashRing((self.env.node_id, *self.env.peers), self.tokens)
