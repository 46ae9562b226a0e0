"""What all faults have in common; see `nodes.cluster.faults`."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, TypeAlias

from nodes.cluster.api import CLIENT
from nodes.core import NodeId

Nodes: TypeAlias = tuple[NodeId, ...]


class FaultRefused(ValueError):
    """A fault that makes no sense or cannot act now; one line that says why. Nothing changed."""


@dataclass(frozen=True)
class Fault:
    """Base of all faults."""

    kind: ClassVar[str]

    def check(self, nodes: Nodes) -> None:
        """Raises FaultRefused unless the fault makes sense in a cluster of these nodes."""

    def sentence(self, nodes: Nodes = ()) -> str:
        """What was done, for people; says more when it is told all nodes of the cluster."""
        raise NotImplementedError

    def watch_for(self, nodes: Nodes = ()) -> str:
        """One line on what to look for."""
        raise NotImplementedError

    def named(self) -> Nodes:
        """The nodes that the fault is about, in order, each once."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """As in a schedule, without the fields that have their default."""
        plain: dict[str, Any] = {"do": self.kind}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                plain[field.name] = _plain(value)
        return plain


def listed(nodes: Nodes) -> str:
    """Names as people list them: `n1`, `n1 and n2`, `n1, n2 and n3`."""
    if len(nodes) < 2:
        return "".join(nodes)
    return f"{', '.join(nodes[:-1])} and {nodes[-1]}"


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The end of a message about an unknown name."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known) or 'none'}"


def check_node(node: NodeId, nodes: Nodes) -> None:
    """Raises FaultRefused unless it is one of the nodes; says which one may be meant."""
    if node == CLIENT:
        raise FaultRefused("client is no node; it may be an end of cut, sever, delay and the like")
    if node not in nodes:
        raise FaultRefused(f"there is no node {node!r}{nearest(node, nodes)}")


def _plain(value: object) -> object:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
