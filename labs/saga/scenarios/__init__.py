"""The shop's guarantees as scenarios: a fault, orders around it, and what must hold then.

Each scenario is an async function on a `Cluster`, so that the same code judges in simulation, on
processes and in Compose. It looks at nodes through what clients may ask and through their views.
"""

from labs.kit.grading.scenario import Scenario
from labs.saga.scenarios.table import SCENARIOS

__all__ = ["SCENARIOS", "Scenario"]
