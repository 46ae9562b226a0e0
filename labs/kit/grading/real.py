"""A check on real processes, or on containers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from nodes.cluster.api import Cluster, ClusterSpec
from nodes.timeline import TimelineEvent


async def on_processes(
    runtime: str,
    spec: ClusterSpec,
    program: Callable[[Cluster], Coroutine[Any, Any, None]],
    take: Callable[[Sequence[TimelineEvent]], None],
) -> None:
    """Runs the program on a cluster of its own, which has ended when this returns or raises.
    `take` gets what the nodes have recorded."""
    from labs.kit.experiment.worlds import TrialEnded
    from labs.kit.experiment.worlds import on_processes as run_trial

    folder = Path(tempfile.mkdtemp(prefix="faultlab-check-"))
    try:
        take(
            await run_trial(
                runtime,
                spec,
                program,
                folder=folder / "cluster",
                logs=folder / "logs",
                happened=tuple,
            )
        )
    except TrialEnded as ended:
        take(ended.events)
        raise ended.error from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
