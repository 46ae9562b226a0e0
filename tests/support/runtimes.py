"""One suite for both worlds: the same test on processes and on containers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import pytest

from nodes.cluster.api import ClusterSpec
from nodes.cluster.compose import ComposeCluster
from nodes.cluster.local import LocalCluster
from tests.support.seeds import is_full

T = TypeVar("T")

ON_LOCAL = pytest.mark.real
ON_COMPOSE = pytest.mark.docker
RUNTIMES = [
    pytest.param("local", marks=ON_LOCAL),
    pytest.param("compose", marks=ON_COMPOSE),
]


def cluster_of(
    runtime: str, spec: ClusterSpec, folder: Path, *, events: bool = True
) -> LocalCluster | ComposeCluster:
    """A cluster of that runtime, not started: `async with cluster_of(...) as cluster`."""
    if runtime == "compose":
        return ComposeCluster(spec, folder=folder, events=events)
    return LocalCluster(spec, folder=folder, events=events)


def on_runtimes(values: Iterable[T], few: Iterable[str]) -> list[object]:
    """Parameters (runtime, value): on processes and on containers those whose `id` is among `few`,
    one of each kind. In CI (FAULTLAB_SEEDS=full) every one on processes, since they take minutes;
    with FAULTLAB_COMPOSE=all every one on containers, too."""
    wanted, everything = set(few), os.environ.get("FAULTLAB_COMPOSE") == "all"
    found: list[object] = []
    for value in values:
        name = str(getattr(value, "id", value))
        if is_full() or name in wanted:
            found.append(pytest.param("local", value, marks=ON_LOCAL, id=name))
        if everything or name in wanted:
            found.append(pytest.param("compose", value, marks=ON_COMPOSE, id=f"compose-{name}"))
        wanted.discard(name)
    assert not wanted, f"no such test: {', '.join(sorted(wanted))}"
    return found
