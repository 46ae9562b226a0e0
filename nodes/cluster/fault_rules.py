"""Rules of faults that need no runtime: how faults add up on links, and what may follow what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nodes.cluster import fault_kinds as kinds
from nodes.cluster.api import Link, LinkState, NodeState, RuntimeFailure, Toxic
from nodes.cluster.fault_base import Nodes, listed
from nodes.cluster.link_faults import LinkFault
from nodes.cluster.node_faults import NodeFault
from nodes.core import NodeId


def wanted_links(faults: Sequence[LinkFault], nodes: Nodes) -> tuple[dict[Link, LinkState], str]:
    """How all these faults together want the links; and where the last one overrules earlier ones.

    Toxics of different types add up. Of one type there can be one on a stream: the later fault's.
    """
    disabled: set[Link] = set()
    chosen: dict[Link, dict[str, Toxic]] = {}
    replaced: dict[str, None] = {}
    for position, fault in enumerate(faults, 1):
        for link, toxic in fault.link_effects(nodes):
            toxics = chosen.setdefault(link, {})
            if toxic is None:
                disabled.add(link)
                continue
            if position == len(faults) and toxics.get(toxic.name, toxic) != toxic:
                replaced[link.name] = None
            toxics[toxic.name] = toxic
    wanted = {
        link: LinkState(link not in disabled, tuple(toxics.values()))
        for link, toxics in chosen.items()
    }
    return wanted, listed(tuple(replaced))


def state_refusal(fault: NodeFault, node: NodeId, state: NodeState) -> str | None:
    """Why this fault cannot hit a node in this state; None when it can."""
    match fault:
        case kinds.Kill() | kinds.PowerCut() if state is NodeState.DOWN:
            return f"{node} is down already; `lab fault restart {node}` starts it"
        case kinds.Pause() if state is NodeState.DOWN:
            return f"{node} is down; start it first with `lab fault restart {node}`"
        case kinds.Pause() if state is NodeState.PAUSED:
            return f"{node} is paused already; `lab fault resume {node}` lets it go on"
        case kinds.CrashAt() if state is NodeState.PAUSED:
            return f"{node} is paused; `lab fault resume {node}` lets it go on first"
        case kinds.Resume() if state is not NodeState.PAUSED:
            return f"{node} is {state}, not paused; there is nothing to resume"
    return None


def raise_all(outcomes: Mapping[str, object], lead: str = "") -> None:
    """Raises what went wrong as one RuntimeFailure of one line; nothing when nothing did."""
    failed = {what: error for what, error in outcomes.items() if isinstance(error, BaseException)}
    for error in failed.values():
        if not isinstance(error, Exception):
            raise error
    if failed:
        told = "; ".join(f"{what}: {error}" for what, error in failed.items())
        raise RuntimeFailure(f"{lead}{told}") from next(iter(failed.values()))
