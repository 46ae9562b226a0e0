"""A core in a process of its own is the core that it is anywhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from labs.kit.grading.learner_error import LearnerError
from labs.kit.grading.player import Player
from labs.raft.checks import BY_ID, COURSE
from labs.raft.lab import LAB
from nodes.core import Core, CrashPoint, Effect, Event, NodeId, Save, SaveAll
from nodes.cores.raft import Raft
from nodes.sim.cluster import SimCluster, simulate
from protos import raft_pb2 as pb
from tests.kit.grading.players import BASE, ended, on_timeout, played, player, spec, written

PLAIN = "class MyRaft(Raft): pass"


def digest(check: str, seed: int, cores: dict[NodeId, type[Core]]) -> tuple[str, int]:
    """Of a run of the check."""
    scenario = BY_ID[check]
    found: list[SimCluster] = []

    async def program(cluster: SimCluster) -> None:
        found.append(cluster)
        await scenario.function(cluster)

    simulate(
        scenario.spec(seed, simulated=True),
        program,
        options=replace(COURSE.options_of(seed), digest=True),
        cores=cores,
        observers=COURSE.observers(COURSE.checks[-1]),
    )
    return found[0].digest, found[0].steps


@pytest.mark.parametrize(
    "check", ["churn-with-lost-calls-loses-nothing", "crashed-follower-gets-snapshot"]
)
def test_the_same_seed_tells_the_same_tale(tmp_path: Path, check: str) -> None:
    """Every event of a run is what it is when the core is stepped on the spot: elections by its own
    dice, restarts from disk, calls that fail, snapshots, membership."""
    with player(written(tmp_path, PLAIN)) as one:
        for seed in (1, 2):
            run = BY_ID[check].spec(seed, simulated=True)
            inside = digest(check, seed, dict.fromkeys(run.node_ids, Raft))
            assert digest(check, seed, one.cores(run)) == inside


def test_a_module_is_found_by_its_name() -> None:
    """It is read as a file, and never imported here."""
    with Player("labs.raft.invariants", "X", protos=LAB.protos, base=BASE) as one:
        error = ended(one)
    assert error is not None
    assert error.kind == "cannot load"
    with pytest.raises(LookupError):
        Player("labs.raft.no_such_module", "X", protos=LAB.protos, base=BASE)


def test_served_requests_are_the_references(tmp_path: Path) -> None:
    """What a world asks of the class is answered without the process."""
    with player(written(tmp_path, PLAIN)) as one:
        for core in one.cores(spec()).values():
            assert core.served_requests() == Raft.served_requests()


def test_methods_of_later_parts_are_given(tmp_path: Path) -> None:
    """They are taken from the reference although the file has them blank."""
    file = written(
        tmp_path,
        """
        from nodes.core import NotWritten

        class MyRaft(Raft):
            def campaign(self, *, leadership_transfer=False):
                raise NotWritten(1, "campaign")
        """,
    )
    error, _ = played(file)
    assert error is not None
    assert (error.kind, error.where) == ("not written", "exercise.py:7")
    assert error.message == "part 1 is not written yet: campaign"
    given = Player(
        str(file), "MyRaft", protos=LAB.protos, base=BASE, fallback=["campaign"], label="mine.py"
    )
    with given as one:
        assert ended(one) is None


def test_the_learners_methods_are_used(tmp_path: Path) -> None:
    """Those that replace a handler serve what it served, without its decorators."""
    file = written(
        tmp_path,
        """
        class MyRaft(Raft):
            def request_vote(self, request, caller):
                print("asked")
                return super().request_vote(request, caller)
        """,
    )
    error, printed = played(file)
    assert error is None
    assert "asked" in printed


def test_messages_are_copied(tmp_path: Path) -> None:
    """What a core changes after it was handed over changes nothing."""
    code = """
    from protos import raft_pb2 as pb
    vote = pb.Vote(current_term=self.current_term)
    self.save("other", vote)
    vote.current_term = 77
    """
    with player(on_timeout(tmp_path, code)) as one:
        seen: list[str] = []

        async def program(cluster: SimCluster) -> None:
            await cluster.sleep(1000)

        def observe(
            cluster: SimCluster, node: str, event: Event, effects: Sequence[Effect]
        ) -> None:
            seen.extend(str(effect) for effect in effects if "other" in str(effect))

        simulate(spec(), program, cores=one.cores(spec()), observers=[observe])
    assert seen
    assert not any("77" in effect for effect in seen)


def test_saves_at_once_and_crash_points_arrive(tmp_path: Path) -> None:
    """As the effects that they are in a core of this process; nothing to save is no effect."""
    code = """
    from protos import raft_pb2 as pb
    self.save_all({})
    self.save_all({"a": pb.Vote(current_term=1), "b": pb.Vote(current_term=2)})
    self.crash_point("saved")
    """
    with player(on_timeout(tmp_path, code)) as one:
        seen: list[Effect] = []

        async def program(cluster: SimCluster) -> None:
            await cluster.sleep(1000)

        def observe(
            cluster: SimCluster, node: str, event: Event, effects: Sequence[Effect]
        ) -> None:
            seen.extend(one for one in effects if isinstance(one, SaveAll | CrashPoint))

        simulate(spec(), program, cores=one.cores(spec()), observers=[observe])
    both = SaveAll((Save("a", pb.Vote(current_term=1)), Save("b", pb.Vote(current_term=2))))
    assert seen[:2] == [both, CrashPoint("saved")]
    assert all(one in (both, CrashPoint("saved")) for one in seen)


def test_an_error_ends_the_run_at_once(tmp_path: Path) -> None:
    """And stays: no core of that run is stepped again."""
    with player(on_timeout(tmp_path, "1 / 0")) as one:
        cores = one.cores(spec())
        with pytest.raises(LearnerError, match="ZeroDivisionError"):
            simulate(spec(), _sleeps, cores=cores)
        with pytest.raises(LearnerError, match="ZeroDivisionError"):
            simulate(spec(), _sleeps, cores=cores)


def test_a_label_names_the_file(tmp_path: Path) -> None:
    """As the learner knows it."""
    file = on_timeout(tmp_path, "1 / 0")
    labelled = Player(str(file), "MyRaft", protos=LAB.protos, base=BASE, label="labs/x/mine.py")
    with labelled as one:
        error = ended(one)
    assert error is not None
    assert error.where == "labs/x/mine.py:5"


def test_dataclasses_and_odd_names_load(tmp_path: Path) -> None:
    """The file need not be called as a module could be."""
    folder = tmp_path / "mit Leerzeichen ü"
    folder.mkdir()
    file = folder / "my räft 2.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from nodes.cores.raft import Raft\n"
        "@dataclass(frozen=True)\n"
        "class Pair:\n"
        "    left: int\n"
        "class MyRaft(Raft):\n"
        "    def election_timed_out(self):\n"
        "        raise ValueError(Pair(1))\n",
        encoding="utf-8",
    )
    error, _ = played(file)
    assert error is not None
    assert error.where == "my räft 2.py:9"
    assert error.message == "election_timed_out: ValueError: Pair(left=1)"


def test_one_process_serves_many_runs(tmp_path: Path) -> None:
    """It is started once, and its descriptors are closed with it."""
    before = len(os.listdir("/dev/fd"))
    with player(on_timeout(tmp_path, "import os\nprint(os.getpid())")) as one:
        pids = set()
        for seed in (1, 2, 3):
            assert ended(one, seed) is None
            pids.update(one.output.split())
        assert len(pids) == 1
    assert len(os.listdir("/dev/fd")) == before


def test_a_saved_file_is_read_anew(tmp_path: Path) -> None:
    """Whoever watches it need not start another player."""
    with player(on_timeout(tmp_path, "1 / 0")) as one:
        assert ended(one) is not None
        file = written(tmp_path, PLAIN)
        assert ended(one) is None
        file.unlink()
        error = ended(one)
        assert error is not None
        assert (error.kind, error.message) == (
            "cannot load",
            "the file cannot be read: No such file or directory",
        )
        written(tmp_path, PLAIN)
        assert ended(one) is None


def test_a_core_may_use_any_names(tmp_path: Path) -> None:
    """What the player keeps with a core is in nobody's way."""
    code = "self.reply = self.types = self.calls = self.turn = self.player = None"
    error, _ = played(on_timeout(tmp_path, code))
    assert error is None


async def _sleeps(cluster: SimCluster) -> None:
    await cluster.sleep(2000)
