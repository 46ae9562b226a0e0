"""A learner's file on real processes."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from labs.kit.cli import run
from nodes.cluster.local import LocalCluster
from nodes.host.limits import LIMITS
from tests.kit.grading.test_check_command import CHECK, written
from tests.support.sim_bench import raft_spec

pytestmark = pytest.mark.real


def test_passes_and_fails_as_in_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written up to part 1, with the rest from the reference: the check passes on processes. With a
    core that raises in its first step it fails, and the grader goes on."""
    file = written(tmp_path / "works", first_blank=2)
    words = ["check", "raft", "--runtime", "local", "--check", CHECK, "--json"]
    assert run([*words, "--file", str(file)]) == 0
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["verdict"], check["runtime"], check["seeds"]) == ("pass", "local", 1)
    broken = written(tmp_path / "broken", first_blank=2)
    broken.write_text(broken.read_text().replace("self.current_term += 1", "raise OSError"))
    assert run([*words, "--file", str(broken)]) == 1
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["verdict"] == "fail"


async def test_nodes_of_a_file_are_limited(tmp_path: Path) -> None:
    """Address space, files and the like, of each process that runs somebody's own core."""
    file = written(tmp_path / "mine", first_blank=7)
    spec = raft_spec(3, seed=1)
    nodes = tuple(replace(node, core=f"{file}:MyRaft") for node in spec.nodes)
    spec = replace(spec, nodes=nodes)
    async with LocalCluster(spec, folder=tmp_path / "lab") as cluster:
        for node in cluster.nodes:
            for what, most in LIMITS:
                assert resource.prlimit(cluster.pid(node), what)[1] <= most
