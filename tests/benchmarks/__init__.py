"""Measurements, run by hand: figures with their spread, never pass or fail."""
