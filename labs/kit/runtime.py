"""Which runtime a lab runs in, and what the conductor needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from labs.kit.engine import ask_engine
from labs.kit.errors import LabError, nearest

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from nodes.cluster.api import ClusterSpec, NodeState
    from nodes.cluster.faults import Faults

CHOICES = ("auto", "compose", "local")


class ManagedCluster(Protocol):
    """A cluster that the conductor starts, watches and ends: `Cluster` of nodes/cluster/api.py,
    with what it takes to own one."""

    @property
    def spec(self) -> ClusterSpec: ...
    @property
    def runtime(self) -> str: ...
    @property
    def nodes(self) -> tuple[str, ...]: ...
    @property
    def faults(self) -> Faults: ...
    def now_ms(self) -> int: ...
    async def sleep(self, ms: int) -> None: ...
    async def start(self, progress: Callable[[str], None] = ...) -> None: ...
    async def close(self) -> None: ...
    def node_state(self, node: str) -> NodeState: ...
    def how_it_ended(self, node: str) -> str | None:
        """Exit status and last words of a node that is down by itself or by a fault."""

    async def both_views(self, node: str) -> tuple[Message, Message] | None:
        """What the node believes and how its process is doing; None when it does not answer."""

    async def call(self, node: str, request: Message, *, timeout_ms: int) -> Message: ...
    async def links(self) -> Sequence[Mapping[str, Any]]: ...
    def log_path(self, node: str) -> Path: ...
    def events_path(self, node: str) -> Path: ...
    def process_ids(self) -> Sequence[int]:
        """Of the processes on this machine that run now: nodes, and the proxy server."""


ClusterFactory = Callable[["ClusterSpec", Path], ManagedCluster]


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """The runtime taken, and why."""

    name: str
    why: str

    def sentence(self) -> str:
        """For people."""
        return f"runtime {self.name}: {self.why}"


def choose_runtime(requested: str) -> RuntimeChoice:
    """Decides for one runtime. Raises LabError when the one that was asked for cannot be had."""
    if requested not in CHOICES:
        raise LabError(f"--runtime {requested}: {nearest(requested, CHOICES)}")
    if requested == "local":
        return RuntimeChoice("local", "as asked")
    missing = _why_no_compose()
    if missing is None:
        why = "a Docker engine answers" if requested == "auto" else "as asked"
        return RuntimeChoice("compose", why)
    if requested == "compose":
        raise LabError(
            f"the compose runtime cannot be used: {missing}; `--runtime local` needs no Docker"
        )
    return RuntimeChoice("local", missing)


def _why_no_compose() -> str | None:
    return ask_engine().why_not or None


def begin_early(runtime: str, spec: ClusterSpec) -> None:
    """What nodes need can be loaded while we still load what we need ourselves."""
    if runtime == "local":
        from nodes.cluster.forkserver import modules_of, start_early

        start_early(modules_of(spec))


def cluster_factory(runtime: str) -> ClusterFactory:
    """How a cluster of this runtime is made. Imports the runtime, which takes a moment."""
    module, name = {
        "local": ("nodes.cluster.local", "LocalCluster"),
        "compose": ("nodes.cluster.compose", "ComposeCluster"),
    }[runtime]
    cluster_type = getattr(import_module(module), name)

    def make(spec: ClusterSpec, folder: Path) -> ManagedCluster:
        cluster: ManagedCluster = cluster_type(spec, folder=folder)
        return cluster

    return make
