"""From what the user wrote after `--set` and `--nodes` to a cluster that can be started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labs.kit.errors import LabError, nearest
from labs.kit.lab import Lab, Value
from nodes.cluster.api import ClusterSpec, NodeSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """A lab with everything decided that it takes to start it."""

    lab: Lab
    node_ids: tuple[str, ...]
    settings: dict[str, Value]
    seed: int
    warnings: tuple[str, ...]

    def cluster_spec(self) -> ClusterSpec:
        """The cluster to start."""
        return ClusterSpec(
            lab=self.lab.id,
            protos=self.lab.protos,
            nodes=tuple(NodeSpec(node, self.lab.core) for node in self.node_ids),
            params=self.settings,
            seed=self.seed,
        )


def make_plan(lab: Lab, *, nodes: int | None, assignments: Sequence[str], seed: int) -> Plan:
    """Checks number of nodes and settings against the lab.

    Raises LabError naming the setting, what is allowed, and for an unknown name the nearest ones.
    """
    node_count = lab.nodes_default if nodes is None else nodes
    if not lab.nodes_min <= node_count <= lab.nodes_max:
        raise LabError(
            f"--nodes {node_count}: {lab.id} runs with {lab.nodes_min} to {lab.nodes_max} nodes"
        )
    settings = {**lab.defaults(), **parse_assignments(lab, assignments)}
    verdict = lab.validate(settings, node_count)
    if verdict.errors:
        raise LabError("; ".join(verdict.errors))
    node_ids = tuple(f"n{number}" for number in range(1, node_count + 1))
    return Plan(lab, node_ids, settings, seed, verdict.warnings)


def parse_assignments(lab: Lab, assignments: Sequence[str]) -> dict[str, Value]:
    """`KEY=VALUE`s as a dictionary. Raises LabError on the first that makes no sense."""
    values: dict[str, Value] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise LabError(f"--set {assignment}: expected KEY=VALUE, e.g. --set heartbeat_ms=50")
        setting = lab.setting(name)
        if setting is None:
            known = [known.name for known in lab.settings]
            raise LabError(f"--set {assignment}: {lab.id} has no such setting; "
                           f"{nearest(name, known)}")  # fmt: skip
        if name in values:
            raise LabError(f"--set {name} was given twice")
        try:
            values[name] = setting.parse(text)
        except ValueError as error:
            raise LabError(f"--set {error} ({setting.doc})") from None
    return values
