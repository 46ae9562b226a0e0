"""Raft's guarantees as scenarios: a fault, traffic around it, and what must hold then.

Each scenario is an async function on a `Cluster`, so that the same code judges in simulation, on
processes and in Compose. It looks at nodes through their views and waits in the cluster's own
units; invariants that hold after every single step are checked beside it (labs/raft/invariants.py).
"""

from labs.kit.grading.scenario import Scenario
from labs.raft.scenarios.table import SCENARIOS, SIM_SCENARIOS

__all__ = ["SCENARIOS", "SIM_SCENARIOS", "Scenario"]
