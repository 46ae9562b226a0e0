"""The store's guarantees as scenarios: a fault, traffic around it, and what must hold then.

Each scenario is an async function on a `Cluster`, so that the same code judges in simulation, on
processes and in Compose. It looks at nodes through what clients may ask and through their views.
"""

from labs.kit.grading.scenario import Scenario
from labs.quorum_store.scenarios.table import SCENARIOS

__all__ = ["SCENARIOS", "Scenario"]
