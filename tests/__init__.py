"""Proof that the project keeps its promises."""
