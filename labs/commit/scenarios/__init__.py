"""The bank's guarantees as scenarios: a fault, transactions around it, and what must hold then.

Each scenario is an async function on a `Cluster`, so that the same code judges in simulation, on
processes and in Compose; those that crash a node at every place of a transaction need a simulation.
They look at nodes through what clients may ask, and through their views.
"""

from labs.commit.scenarios.table import SCENARIOS
from labs.kit.grading.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario"]
