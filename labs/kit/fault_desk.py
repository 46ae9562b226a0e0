"""From names as users write them to a fault that acts, or a refusal that changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from labs.kit.crash_points import check_point
from labs.kit.errors import LabError
from labs.kit.lab import Lab
from labs.kit.runtime import ManagedCluster
from nodes.cluster.api import RuntimeFailure
from nodes.cluster.fault_kinds import FAULTS, CallFault, Fault
from nodes.cluster.faults import FaultRefused, fault_from_dict
from nodes.cluster.targets import Resolved, RoleClaim, resolve, resolve_one

# Fields of a fault that name nodes: how many, and whether clients may be meant as well.
_ONE_NODE = ("node", "peer")
_ONE_ENDPOINT = ("a", "b")
_SEVERAL = ("nodes",)
_GROUPS = ("groups",)


class FaultDesk:
    """Takes faults for one cluster, in the words of its lab."""

    def __init__(self, cluster: ManagedCluster, lab: Lab, seed: int) -> None:
        self._cluster = cluster
        self._lab = lab
        # Apart from the generator of the faults themselves, so that naming a node at random does
        # not change what a fault draws.
        self._rng = Random(f"targets {seed}")

    async def inject(
        self, raw: Mapping[str, Any], roles: Mapping[str, RoleClaim]
    ) -> dict[str, Any]:
        """Resolves and injects. Raises LabError, with nothing changed, when it cannot be done."""
        phrases: list[str] = []
        try:
            fault = fault_from_dict(self._resolve_all(raw, roles, phrases))
            check_point(fault, self._lab.id, self._lab.crash_points)
            injected = await self._cluster.faults.inject(fault)
        except FaultRefused as refused:
            raise LabError(str(refused)) from None
        except (RuntimeFailure, ValueError) as failure:
            raise LabError(str(failure)) from None
        return {
            "fault": fault.to_dict(),
            "resolved": phrases,
            "sentence": injected.sentence,
            "watch_for": injected.watch_for,
        }

    def _resolve_all(
        self, raw: Mapping[str, Any], roles: Mapping[str, RoleClaim], phrases: list[str]
    ) -> dict[str, Any]:
        def names(how: Callable[..., Resolved], text: object, *, client: bool = False) -> list[str]:
            if not isinstance(text, str):
                raise FaultRefused(f"{text!r} is no name of a node")
            found = how(
                text,
                self._cluster.nodes,
                roles,
                self._rng,
                role_names=self._lab.roles,
                client_allowed=client,
            )
            if found.phrase:
                phrases.append(found.phrase)
            return list(found.nodes)

        # A client calls, too, and so do its calls get lost.
        kind = FAULTS.get(str(raw.get("do")), Fault)
        client = issubclass(kind, CallFault)

        def several(texts: object) -> list[str]:
            if not isinstance(texts, list):
                raise FaultRefused(f"{texts!r} is no list of nodes")
            return [node for text in texts for node in names(resolve, text, client=client)]

        plain = dict(raw)
        for field, value in raw.items():
            if field in _ONE_NODE and value is not None:
                [plain[field]] = names(resolve_one, value)
            elif field in _ONE_ENDPOINT:
                [plain[field]] = names(resolve_one, value, client=True)
            elif field in _SEVERAL:
                plain[field] = several(value)
            elif field in _GROUPS and isinstance(value, list):
                plain[field] = [several(group) for group in value]
        return plain
