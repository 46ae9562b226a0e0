"""Learners' files as tests write them, and a run of each."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from labs.kit.grading.learner_error import LearnerError
from labs.kit.grading.player import Player
from labs.raft.lab import LAB
from nodes.cluster.api import ClusterSpec, NodeSpec
from nodes.sim.cluster import SimCluster, simulate
from protos import raft_pb2 as pb

BASE = "nodes.cores.raft:Raft"
HEAD = "from nodes.cores.raft import Raft\n"


def spec(seed: int = 1, nodes: int = 3) -> ClusterSpec:
    """A cluster of the Raft lab."""
    names = tuple(NodeSpec(f"n{number}", LAB.core) for number in range(1, nodes + 1))
    return ClusterSpec(LAB.id, LAB.protos, names, LAB.defaults(simulated=True), seed)


def player(file: Path, *, cpu_s: float = 0.5, wall_s: float = 5.0) -> Player:
    """A player of the file's MyRaft, less patient than the usual."""
    return Player(
        str(file), "MyRaft", protos=LAB.protos, base=BASE, step_cpu_s=cpu_s, step_wall_s=wall_s
    )


def written(folder: Path, text: str) -> Path:
    """An exercise file with this in it."""
    file = folder / "exercise.py"
    file.write_text(HEAD + dedent(text), encoding="utf-8")
    return file


def on_timeout(folder: Path, code: str, *, head: str = "") -> Path:
    """A Raft that does this before each of its elections; the code begins in line 5, or later by
    as much as `head` has lines."""
    text = (
        f"{head}\n"
        "class MyRaft(Raft):\n"
        "    def election_timed_out(self):\n"
        f"{indent(dedent(code).strip(), '        ')}\n"
        "        super().election_timed_out()\n"
    )
    return written(folder, text)


async def elects(cluster: SimCluster) -> None:
    """Waits for a leader."""

    async def leader() -> bool:
        views = [await cluster.view(node) for node in cluster.nodes]
        return any(isinstance(view, pb.RaftView) and view.role == pb.LEADER for view in views)

    await cluster.until("a leader", leader, within_ms=5000)


def ended(one: Player, seed: int = 1) -> LearnerError | None:
    """How a run of it ends: None when it elects a leader."""
    try:
        simulate(spec(seed), elects, cores=one.cores(spec(seed)))
    except LearnerError as error:
        return error
    return None


def played(
    file: Path, *, cpu_s: float = 0.5, wall_s: float = 5.0
) -> tuple[LearnerError | None, str]:
    """How a run of the file ends, and what it printed."""
    with player(file, cpu_s=cpu_s, wall_s=wall_s) as one:
        error = ended(one)
        return error, one.output
