"""The fuzzer finds what is planted in Raft, finds nothing in Raft itself, and repeats itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from labs.kit import cli
from labs.kit.fuzz.run import Outcome, record_case, run_case
from labs.kit.fuzz.shrink import Shrunk, smallest
from labs.kit.fuzz.target import Case, load_target
from labs.kit.guide.pages import GUIDE_FOLDER
from labs.kit.schedule import Schedule
from labs.raft.mutants import MORE, MUTANTS
from tests.support.seeds import is_full, share_of_clusters

TARGET = load_target("raft")
LAB = (sys.executable, "-m", "labs.kit.cli")
FAULTS_MAX = 10
# A seed that finds the bug and is soon made small; guide/fuzzing.md has this table.
FOUND_BY = {
    "vote-not-persisted": 0,
    "vote-without-log-check": 0,
    "commit-old-terms": 30,
    "truncate-on-every-heartbeat": 1,
    "ack-before-majority": 6,
    "ack-before-fsync": 0,
    "read-from-follower": 15,
    "timer-reset-on-any-rpc": 0,
    "same-timeouts": 19,
    "commit-without-min": 19,
    "apply-before-commit": 0,
    "snapshot-without-term": 0,
    "no-dedup-in-snapshot": 13,
    "step-down-not-persisted": 1,
    "next-index-never-backs-up": 23,
}
QUICK = (
    "vote-not-persisted",
    "ack-before-fsync",
    "truncate-on-every-heartbeat",
    "read-from-follower",
)


def found(mutant: str, seed: int) -> tuple[Outcome, Shrunk]:
    """The failure of a seed, and its smallest schedule."""
    case = Case(seed, mutant)
    outcome = run_case(TARGET, case)
    assert outcome.failure is not None, f"seed {seed} finds nothing wrong with {mutant}"
    return outcome, smallest(TARGET, case, outcome.failure)


def test_raft_itself_passes() -> None:
    """No seed of the reference fails, and hardly any proves nothing."""
    outcomes = [run_case(TARGET, Case(seed)) for seed in range(share_of_clusters(80))]
    assert [one for one in outcomes if one.failure] == []
    assert sum(one.verdict == "passed" for one in outcomes) >= 0.9 * len(outcomes)


@pytest.mark.timeout(400)  # many runs of a long schedule, on a machine that may be slow
@pytest.mark.parametrize("mutant", tuple(MUTANTS) if is_full() else QUICK)
def test_planted_bug_is_found_and_made_small(mutant: str) -> None:
    """By its known seed, with the same promise broken by at most ten faults."""
    outcome, shrunk = found(mutant, FOUND_BY[mutant])
    assert outcome.failure is not None
    assert shrunk.failure.same_kind(outcome.failure)
    assert shrunk.faults <= FAULTS_MAX
    again = run_case(TARGET, shrunk.case)
    assert again.failure == shrunk.failure


def test_every_planted_bug_of_the_starter_set_is_there() -> None:
    """Fifteen, each with its seed, each told in one line."""
    assert set(MUTANTS) == set(FOUND_BY)
    assert len(MUTANTS) == 15
    assert all(core.__doc__ for core in (MUTANTS | MORE).values())


def test_the_guide_has_these_seeds() -> None:
    """The table of guide/fuzzing.md, which says where they stand."""
    text = (GUIDE_FOLDER / "fuzzing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z-]+) \| .+ \| (\d+) \|$", text, re.MULTILINE)
    assert {name: int(seed) for name, seed in rows} == FOUND_BY


def test_replay_of_the_written_schedule_is_the_same_run(tmp_path: Path) -> None:
    """Through a file and back: event for event."""
    drawn = record_case(TARGET, Case(5))
    drawn.schedule.save(tmp_path / "s.yaml")
    again = record_case(TARGET, Case(5, schedule=Schedule.load(tmp_path / "s.yaml")))
    assert again.outcome == drawn.outcome
    assert [event.to_json() for event in again.events] == [one.to_json() for one in drawn.events]


def test_nothing_happened_is_no_pass() -> None:
    """Without faults, or without time for a write, a run proves nothing and says so."""
    calm = run_case(TARGET, Case(3, schedule=Schedule()))
    assert (calm.verdict, calm.why_vacuous) == ("vacuous", "no fault acted")
    hasty = run_case(TARGET, Case(3, duration_ms=1, schedule=Schedule()))
    assert "no write was acknowledged" in hasty.why_vacuous


def lab(*words: str | Path, home: Path, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """One command, as a user gives it."""
    environment = os.environ | {"FAULTLAB_HOME": str(home), "PYTHONHASHSEED": hash_seed}
    command = [*LAB, *map(str, words)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_events_are_equal_byte_for_byte_on_any_hash_seed(tmp_path: Path) -> None:
    """Equal seeds, equal files; another seed, another file."""
    contents = []
    for hash_seed, seed in (("1", 4), ("2", 4), ("1", 6)):
        path = tmp_path / f"{hash_seed}-{seed}.jsonl"
        ran = lab(
            *("replay", "raft", "--seed", str(seed), "--duration", "10s", "--events", path),
            home=tmp_path,
            hash_seed=hash_seed,
        )
        assert ran.returncode == 0, ran.stderr
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] != contents[2]
    assert contents[0].count(b"\n") > 100


def fuzzed(tmp_path: Path, jobs: int, *words: str) -> dict[str, object]:
    """The document of `lab fuzz`, without what depends on the clock."""
    home = tmp_path / f"jobs{jobs}"
    ran = lab("fuzz", "raft", "--jobs", str(jobs), "--json", *words, home=home)
    assert ran.returncode == 1, ran.stderr
    document: dict[str, object] = json.loads(ran.stdout)
    for name in ("elapsed_s", "seeds_per_minute", "jobs"):
        del document[name]
    failure = document["failure"]
    assert isinstance(failure, dict)
    del failure["shrink_s"]
    text = json.dumps(document).replace(str(home), "HOME")
    plain: dict[str, object] = json.loads(text)
    return plain


def test_findings_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    """The same first failure, the same schedule, the same tally."""
    words = ("--mutant", "step-down-not-persisted", "--duration", "4s", "--seeds", "30")
    one, three = fuzzed(tmp_path, 1, *words), fuzzed(tmp_path, 3, *words)
    assert one == three
    first, second = sorted(tmp_path.glob("jobs*/fuzz/*.yaml"))
    assert Schedule.load(first) == Schedule.load(second)


def test_printed_command_shows_the_failure_again(tmp_path: Path) -> None:
    """Copied as it is printed; and it says when the failure is another one."""
    document = fuzzed(tmp_path, 2, "--mutant", "step-down-not-persisted", "--duration", "4s")
    failure = document["failure"]
    assert isinstance(failure, dict)
    command = str(failure["replay"]).replace("HOME", str(tmp_path / "jobs2")).split()
    assert command[:3] == ["lab", "replay", "raft"]
    ran = lab(*command[1:], home=tmp_path)
    assert ran.returncode == 1
    assert "terms never go back" in ran.stdout
    assert "in the same way" in ran.stdout
    without_bug = [word for word in command[1:] if word not in ("--mutant", document["mutant"])]
    healthy = json.loads(lab(*map(str, without_bug), "--json", home=tmp_path).stdout)
    assert (healthy["same"], healthy["promise"]) == (False, None)


def test_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    """One line, status 2, and nobody is left."""
    environment = os.environ | {"FAULTLAB_HOME": str(tmp_path)}
    command = [*LAB, "fuzz", "raft", "--seeds", "100000", "--jobs", "2"]
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert "seeds" in process.stderr.readline()  # it is under way
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(30) == 2
    assert "interrupted" in said
    assert "Traceback" not in said
    assert nobody_in(process.pid)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Nobody runs seeds for a command that is gone."""
    environment = os.environ | {"FAULTLAB_HOME": str(tmp_path)}
    command = [*LAB, "fuzz", "raft", "--seeds", "100000", "--jobs", "2"]
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.kill()
    assert nobody_in(process.pid)


def nobody_in(group: int) -> bool:
    """Whether the process group becomes empty within its patience."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["fuzz", "raft", "--mutant", "vote-not-persistet"], 2, "vote-not-persisted"),
        (["fuzz", "rafft"], 2, "no lab is called"),
        (["fuzz", "raft", "--time", "0s"], 2, "more than nothing"),
        (["fuzz", "raft", "--duration", "1 parsec"], 2, "a number with a unit"),
        (["replay", "raft"], 2, "--seed"),
        (["replay", "raft", "--seed", "1", "--schedule", "no.yaml"], 2, "cannot be read"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    words: Sequence[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the way out."""
    assert cli.run(words) == status
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_schedule_for_another_cluster_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A seed with three nodes has no n9."""
    path = tmp_path / "s.yaml"
    path.write_text("- {at: 1s, do: kill, nodes: [n9]}\n")
    assert cli.run(["replay", "raft", "--seed", "1", "--schedule", str(path)]) == 2
    assert "there is no node 'n9'" in capsys.readouterr().err


def test_planted_bugs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """By name, with what is wrong with them."""
    assert cli.run(["fuzz", "raft", "--mutant", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {*MUTANTS, *MORE}
