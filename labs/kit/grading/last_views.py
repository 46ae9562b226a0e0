"""What each node showed when a check failed."""

from __future__ import annotations

import asyncio

from labs.kit.lab import Lab
from labs.kit.text import visible
from labs.kit.views import view_to_json
from nodes.cluster.api import Cluster
from nodes.core import NodeId

CHARACTERS_MAX = 60  # of a column: a view may hold anything


async def last_views(lab: Lab, cluster: Cluster) -> tuple[str, ...]:
    """A line for each node, with the columns of the lab's live table."""
    width = max(map(len, cluster.nodes), default=0)
    lines = await asyncio.gather(*(_line(lab, cluster, node) for node in cluster.nodes))
    return tuple(f"{node:{width}}  {line}" for node, line in zip(cluster.nodes, lines, strict=True))


async def _line(lab: Lab, cluster: Cluster, node: NodeId) -> str:
    try:
        message = await cluster.view(node)
        if message is None:
            return f"shows nothing: it is {cluster.node_state(node)}"
        view = view_to_json(message)
        columns = ((column.title, column.value(view)) for column in lab.view_columns)
        cells = [lab.role_of(view), *(f"{title} {value}" for title, value in columns)]
    except Exception as error:  # It is shown beside a failure, which must not be lost for it.
        return f"its view cannot be read: {type(error).__name__}"
    return ", ".join(visible(cell)[:CHARACTERS_MAX] for cell in cells if cell)
