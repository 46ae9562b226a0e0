"""A leaderless store after Dynamo (2007). Read records.py first, then the layers in its order."""

from nodes.cores.quorum_store.service import QuorumStore

__all__ = ["QuorumStore"]
