"""Benchmarks: systems measured in turn, in one run, so that the noise of the day falls on all."""
