"""Atomic commit, in the words of Bernstein, Hadzilacos and Goodman. Read ledger.py first."""

from nodes.cores.commit.service import AtomicCommit

__all__ = ["AtomicCommit"]
