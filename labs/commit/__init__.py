"""Atomic commit: all participants of a transaction commit, or none."""
