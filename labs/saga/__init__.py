"""Sagas: an order as a chain of local transactions that can be compensated."""
