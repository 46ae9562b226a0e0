"""The exercise file is the reference with holes: fresh, fit to work in, and whole when filled."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from labs.kit.grading.inspection import inspect
from labs.kit.grading.skeleton import Unfit, exercise_path, marked_methods, skeleton
from labs.raft.checks import COURSE
from nodes.core import Core, NotWritten, exercise, on_timer
from nodes.cores.raft import Raft
from nodes.loading import load_core
from nodes.sim.cluster import SimCluster, simulate
from tests.support.source_rules import ROOT

PARTS = range(1, 8)  # blank from this part on; 7 is blank nowhere
NAMES = {method.name: method.exercise.part for method in marked_methods(Raft)}
COLUMNS = 100


def test_the_committed_file_is_fresh() -> None:
    """Learners begin with what the reference says today."""
    committed = exercise_path(COURSE).read_text(encoding="utf-8")
    assert committed == skeleton(COURSE), "labs/raft/exercise.py is stale: `lab reset raft`"


def test_one_reference_one_text() -> None:
    """Another process, which hashes strings differently, makes the same bytes."""
    program = (
        "from labs.kit.grading.skeleton import skeleton; from labs.raft.checks import COURSE; "
        "print(skeleton(COURSE, 3), end='')"
    )
    for seed in ("0", "4242"):
        ran = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert ran.stdout == skeleton(COURSE, 3)


def test_every_part_has_some_methods_and_not_too_many() -> None:
    """Enough to learn the protocol, and no busywork."""
    for part in COURSE.parts:
        count = sum(number == part.number for number in NAMES.values())
        assert 2 <= count <= 6, f"part {part.number} has {count} methods"


@pytest.mark.parametrize("first_blank", PARTS)
def test_parts_from_the_given_one_on_are_blank(first_blank: int) -> None:
    """The others are filled in, and nothing in the file is forbidden to a learner."""
    found = inspect(skeleton(COURSE, first_blank), "exercise.py", "MyRaft", frozenset(NAMES))
    assert found.problems == ()
    assert set(found.blanks) == {name for name, part in NAMES.items() if part >= first_blank}


@pytest.mark.parametrize("first_blank", PARTS)
def test_the_file_passes_the_linter(first_blank: int) -> None:
    """Whoever writes a part does not begin with complaints about the file."""
    text = skeleton(COURSE, first_blank)
    ruff = Path(sysconfig.get_path("scripts")) / "ruff"
    named = ["--stdin-filename", "labs/raft/exercise.py"]
    for words in (["check", "--no-cache", *named, "-"], ["format", "--check", *named, "-"]):
        ran = subprocess.run(
            [ruff, *words], cwd=ROOT, input=text, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert max(map(len, text.splitlines())) <= COLUMNS


def test_the_file_passes_the_type_checker(tmp_path: Path) -> None:
    """Blank, half filled and whole."""
    files = []
    for first_blank in (3, 7):  # the blank one is checked where it is committed
        files.append(tmp_path / f"filled_before_{first_blank}.py")
        files[-1].write_text(skeleton(COURSE, first_blank), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", f"--cache-dir={tmp_path}", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_blank_methods_say_which_they_are() -> None:
    """Each says its TODO, and raises NotWritten when it is called."""
    text = skeleton(COURSE)
    assert text.count("        # TODO: ") == len(NAMES)
    for name, part in NAMES.items():
        assert text.count(f'        raise NotWritten({part}, "{name}")\n') == 1
    with pytest.raises(NotWritten, match="part 2 is not written yet: advance_commit"):
        raise NotWritten(2, "advance_commit")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_filled_file_behaves_as_the_reference(tmp_path: Path, seed: int) -> None:
    """To the last step, in a check that uses all parts."""
    file = tmp_path / "whole.py"
    file.write_text(skeleton(COURSE, 7), encoding="utf-8")
    check = COURSE.check("changes-survive-crashing-leaders")

    async def program(cluster: SimCluster) -> tuple[int, str]:
        await check.function(cluster)
        return cluster.steps, cluster.digest

    spec = COURSE.spec_of(check, COURSE.reference, seed, True)
    reference, whole = (
        simulate(
            spec,
            program,
            options=COURSE.options_of(seed),
            cores=dict.fromkeys(spec.node_ids, load_core(name)),
        )
        for name in (COURSE.reference, f"{file}:MyRaft")
    )
    assert reference == whole


class Layer(Core):
    """A reference of two layers, with methods that cannot be exercises."""

    @exercise(part=1, brief="wind it")
    @on_timer("clock")
    def wind(self) -> None:
        """Overridden below."""

    @exercise(part=1, brief="tick")
    def tick(self) -> None:
        """Calls what is above."""
        super().view()


class Overridden(Layer):
    """Has another `wind`."""

    def wind(self) -> None:
        """The learner's would replace this one, without what the reference's adds."""


def test_an_unfit_exercise_is_refused() -> None:
    """A method that calls super(), or that a later layer overrides, would not mean the same in the
    learner's class."""
    with pytest.raises(Unfit, match=r"tick calls super\(\)"):
        marked_methods(Layer)
    with pytest.raises(Unfit, match="wind is not the last word"):
        marked_methods(Overridden)
