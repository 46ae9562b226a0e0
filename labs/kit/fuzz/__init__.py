"""Fuzzing: random schedules of faults against a simulated lab, and the smallest one that fails.

`target` is what a lab offers, `run` runs one seed as a pure function of it, `campaign` runs many on
several processes, `shrink` makes a failure small, `findings` keeps it.
"""
