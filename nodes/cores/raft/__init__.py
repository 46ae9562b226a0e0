"""Raft, in the words of Ongaro's thesis. Read state.py first, then the layers in its order."""

from nodes.cores.raft.service import Raft

__all__ = ["Raft"]
