"""Labs as data: found by folder, settings checked before anything starts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from labs.kit.cli import run
from labs.kit.errors import LabError
from labs.kit.registry import all_labs, lab_id, lab_names, load_lab
from labs.kit.settings import make_plan
from labs.raft.lab import LAB, lagging, leader, log_length, ready, validate


def plan_error(*assignments: str, nodes: int | None = None) -> str:
    with pytest.raises(LabError) as caught:
        make_plan(LAB, nodes=nodes, assignments=assignments, seed=0)
    assert caught.value.status == 2
    assert "\n" not in caught.value.message
    return caught.value.message


def test_found_by_folder() -> None:
    """A lab is found by its folder, and its id is the folder's name."""
    assert "raft" in lab_names()
    assert load_lab("raft") is LAB
    assert LAB in all_labs()


@pytest.mark.parametrize("name", ["rft", "RAFT", "../raft", "raft/../raft", "", "a" * 40, "kit"])
def test_unknown_lab(name: str) -> None:
    """A name that is no lab is refused in one line, whatever it looks like."""
    with pytest.raises(LabError, match="no lab is called"):
        load_lab(name)


def test_a_name_may_be_shortened() -> None:
    """As long as only one lab begins so; a whole name is never taken for the beginning of
    another."""
    known = ("quorum-store", "quota", "raft", "raft-joint")
    assert lab_id("quor", known) == "quorum-store"
    assert lab_id("raft-", known) == "raft-joint"
    assert lab_id("raft", known) == "raft"
    assert load_lab("raf") is LAB
    with pytest.raises(LabError, match=r"^'quo' may be quorum-store or quota; write more"):
        lab_id("quo", known)


def test_commands_store_and_print_the_whole_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a user shortens: what follows, progress for instance, goes by one name."""
    assert run(["list", "raf", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "raft"
    assert run(["list", "rift"]) == 2
    assert capsys.readouterr().err == "lab: no lab is called 'rift'; did you mean raft?\n"


def test_loading_labs_is_cheap() -> None:
    """Listing labs loads no core, no proto and no gRPC."""
    code = (
        "import sys, labs.kit.registry as r; r.all_labs();"
        "print([m for m in ('grpc', 'google.protobuf', 'aiohttp', 'nodes.core') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("assignment", "cause"),
    [
        ("heartbeat_ms", "expected KEY=VALUE"),
        ("=5", "expected KEY=VALUE"),
        ("hartbeat_ms=5", "did you mean heartbeat_ms"),
        ("heartbeat_ms=fast", "expected a whole number"),
        ("heartbeat_ms=0", "expected 1 to"),
        ("heartbeat_ms=-1", "expected 1 to"),
        ("heartbeat_ms=1e3", "expected a whole number"),
        ("fsync=maybe", "expected one of on, off"),
        ("reads=", "expected one of readindex"),
        ("heartbeat_ms=300", "must be less than election_timeout_ms_min"),
        ("election_timeout_ms_max=200", "is more than election_timeout_ms_max=200"),
        ("members=6", "more than the 5 nodes"),
    ],
)
def test_refused_settings(assignment: str, cause: str) -> None:
    """A setting that makes no sense is refused with its name and what is allowed."""
    assert cause in plan_error(assignment)


def test_setting_given_twice() -> None:
    """Two values for one setting are refused: nobody knows which was meant."""
    assert "given twice" in plan_error("heartbeat_ms=5", "heartbeat_ms=6")


@pytest.mark.parametrize("nodes", [-1, 0, 8, 1000])
def test_node_count(nodes: int) -> None:
    """A number of nodes that the lab cannot run with is refused with its bounds."""
    assert "1 to 7 nodes" in plan_error(nodes=nodes)


@pytest.mark.parametrize(
    ("assignment", "nodes", "warning"),
    [
        ("election_timeout_ms_max=300", None, "without randomness"),
        ("heartbeat_ms=200", None, "one late heartbeat"),
        ("heartbeat_ms=75", 4, "survive no more failures than 3"),
        ("members=2", None, "survive no more failures than 1"),
    ],
)
def test_warned_settings(assignment: str, nodes: int | None, warning: str) -> None:
    """A setting that is legal but unwise is taken with a warning."""
    plan = make_plan(LAB, nodes=nodes, assignments=[assignment], seed=0)
    assert any(warning in one for one in plan.warnings)


def test_defaults_pass_their_own_checks() -> None:
    """The defaults of a lab give neither errors nor warnings."""
    for lab in all_labs():
        verdict = lab.validate(lab.defaults(), lab.nodes_default)
        assert (verdict.errors, verdict.warnings) == ((), ())
    assert validate(LAB.defaults(), 5).errors == ()


def test_every_core_setting_is_offered() -> None:
    """What the core reads from its settings is what the lab offers."""
    from random import Random

    from nodes.core import Env
    from nodes.cores.raft import Raft

    env = Env("n1", ("n2", "n3"), Random(0), LAB.defaults())
    assert Raft(env).view() is not None


def test_leader_and_readiness() -> None:
    """Of two that claim to lead, the higher term is right; ready is what the leader says."""
    old = {"role": "leader", "term": 3, "ready": True}
    new = {"role": "leader", "term": 4, "ready": False}
    views = {"n1": old, "n2": new, "n3": {"role": "follower", "term": 4}}
    assert leader(views) == "n2"
    assert not ready(views, ("n1", "n2", "n3"))
    assert ready({"n2": {**new, "ready": True}}, ("n2",))
    assert leader({}) is None


def test_log_length() -> None:
    """The log's length leaves out what the snapshot replaced, and says so."""
    assert log_length({"first_log_index": 1, "last_log_index": 7}) == "7"
    assert log_length({"first_log_index": 8, "last_log_index": 7, "snapshot_index": 7}) == "0 (+7)"


def test_who_lags() -> None:
    """Voters that follow another leader or none, do not answer, or have applied less than was
    committed lag; one that is no voter does not; without a leader that serves all do."""
    follower = {"role": "follower", "leader_id": "n1", "last_applied": 5, "commit_index": 5}
    first = {"role": "leader", "ready": True, "last_applied": 5, "voters": ["n1", "n2", "n3"]}
    nodes = ("n1", "n2", "n3", "n4")
    then = {"n2": follower}
    settled = {"n1": first, "n2": follower, "n3": follower}
    assert lagging(then, settled, nodes) == ()
    assert lagging(then, {**settled, "n2": {**follower, "leader_id": ""}}, nodes) == ("n2",)
    assert lagging(then, {**settled, "n2": {**follower, "last_applied": 4}}, nodes) == ("n2",)
    assert lagging(then, {"n1": first, "n2": follower}, nodes) == ("n3",)
    assert lagging(then, {**settled, "n1": {**first, "ready": False}}, nodes) == nodes
