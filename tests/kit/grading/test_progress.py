"""What is remembered of a learner: checks, hints, predictions; and what can go wrong with it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.kit.grading.progress import FILE_NAME, SEEDS_KEPT, Progress, Verdict

CHECK = "one-leader-is-elected"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `.lab` that does not exist yet."""
    return tmp_path / "lab"


def saved(folder: Path) -> Any:
    """What the file says."""
    return json.loads((folder / FILE_NAME).read_text())


def test_what_is_recorded_is_there_again(folder: Path) -> None:
    """Verdict, points, seeds, times and hints come back, from a file of this user's own."""
    progress = Progress.load(folder)
    progress.record("raft", CHECK, "fail", 0, [7, 3], 1.5)
    progress.record("raft", "other", "pass", 4, [], 0.25)
    assert [progress.hint_taken("raft", CHECK) for _ in range(4)] == [1, 2, 3, 3]
    progress.add_prediction("raft", "leader-crash", "how long?", "long", right=True)
    progress.add_prediction("raft", f"check:{CHECK}", "who?", "n1", right=False)
    progress.save()
    again = Progress.load(folder)
    assert again.failed_seeds("raft", CHECK) == [7, 3]
    assert again.expected_s("raft") == {CHECK: 1.5, "other": 0.25}
    assert again.check("raft", CHECK).hints == 3
    assert again.points("raft") == 4
    assert again.predictions("raft") == (1, 2)
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    document = saved(folder)
    assert document["version"] == 1
    made = document["labs"]["raft"]["predictions"]
    assert [one.get("experiment") for one in made] == ["leader-crash", None]
    assert made[1]["check"] == CHECK


def test_nothing_is_known_at_first(folder: Path) -> None:
    """Without a file there is no progress, and looking makes no file."""
    progress = Progress.load(folder)
    assert not progress.known("raft")
    assert (progress.points("raft"), progress.predictions("raft")) == (0, (0, 0))
    assert (progress.failed_seeds("raft", CHECK), progress.expected_s("raft")) == ([], {})
    progress.save()
    assert not folder.exists()


def test_points_follow_the_last_grade(folder: Path) -> None:
    """A check that fails again loses its points, and still says when it first passed."""
    progress = Progress.load(folder)
    progress.record("raft", CHECK, "pass", 3, [], 1)
    first = progress.check("raft", CHECK).passed_at
    assert first is not None
    progress.record("raft", CHECK, "fail", 0, [5], 1)
    entry = progress.check("raft", CHECK)
    assert (entry.points, entry.attempts, entry.passed_at) == (0, 2, first)


def test_both_worlds_have_to_pass(folder: Path) -> None:
    """A pass on real nodes hides no failure in simulation, nor the other way round, until the
    simulation begins anew."""
    progress = Progress.load(folder)
    history: list[tuple[str, Verdict, Verdict]] = [
        ("sim", "fail", "fail"),
        ("local", "pass", "fail"),
        ("sim", "pass", "pass"),
        ("local", "fail", "fail"),
        ("local", "pass", "pass"),
        ("compose", "unknown", "unknown"),
        ("sim", "pass", "pass"),
    ]
    for runtime, verdict, after in history:
        progress.record("raft", CHECK, verdict, 3, [], 1, runtime)
        assert progress.check("raft", CHECK).verdict == after
        assert progress.points("raft") == (3 if after == "pass" else 0)


def test_seeds_stay_until_the_check_passes(folder: Path) -> None:
    """A grade that tried nothing forgets no seed; real nodes have none; a pass clears them."""
    progress = Progress.load(folder)
    progress.record("raft", CHECK, "fail", 0, [1, 2], 1)
    progress.record("raft", CHECK, "unknown", 0, [], 1)
    progress.record("raft", CHECK, "fail", 0, [-1], 1, "local")
    assert progress.failed_seeds("raft", CHECK) == [1, 2]
    progress.record("raft", CHECK, "fail", 0, [9, 1, *range(100, 200)], 1)
    kept = progress.failed_seeds("raft", CHECK)
    assert kept[:3] == [9, 1, 100]
    assert len(kept) == SEEDS_KEPT
    progress.record("raft", CHECK, "pass", 3, [], 1)
    assert progress.failed_seeds("raft", CHECK) == []


def test_commands_side_by_side_lose_nothing(folder: Path) -> None:
    """Each of two that loaded the same file brings in its own news, and sees the other's."""
    one, other = Progress.load(folder), Progress.load(folder)
    one.record("raft", "a", "pass", 1, [], 1)
    other.record("raft", "b", "pass", 2, [], 1)
    one.save()
    other.save()
    assert other.points("raft") == Progress.load(folder).points("raft") == 3
    other.save()
    assert Progress.load(folder).check("raft", "b").attempts == 1
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '{"version": 2, "labs": {}}', '{"version": 1}', '{"labs": {}}',
        '{"version": 1, "labs": []}', '{"version": 1, "labs": {"raft": {}}}', "[" * 100_000,
        '{"version": 1, "labs": {"raft": {"checks": {"a": 1}, "predictions": []}}}',
        '{"version": 1, "labs": {"raft": {"checks": {}, "predictions": [{"at": 1}]}}}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_kept_aside(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown version, or nonsense: one line, the file is still there, and it goes on."""
    folder.mkdir()
    (folder / FILE_NAME).write_text(text)
    progress = Progress.load(folder)
    assert not progress.known("raft")
    (aside,) = folder.glob("progress-*.json")
    assert aside.read_text() == text
    (line,) = capsys.readouterr().err.splitlines()
    assert aside.name in line
    progress.record("raft", CHECK, "pass", 3, [], 1)
    progress.save()
    assert Progress.load(folder).points("raft") == 3


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A grade goes on, and what was recorded still counts in it."""
    (tmp_path / "lab").write_text("no folder")
    progress = Progress.load(tmp_path / "lab")
    for _ in range(2):
        progress.record("raft", CHECK, "pass", 3, [], 1)
        progress.save()
    assert progress.points("raft") == 3
    assert len(capsys.readouterr().err.splitlines()) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["fail", "unknown", "pass"]), st.integers(0, 30)), max_size=8
    )
)
def test_a_check_is_worth_its_points_or_none(history: list[tuple[Verdict, int]]) -> None:
    """Whatever happened before, points and verdict are those of the last grade."""
    progress = Progress.load(Path("/nowhere"))
    for verdict, seed in history:
        progress.record("raft", CHECK, verdict, 5, [seed] if verdict == "fail" else [], 1)
        assert progress.points("raft") == (5 if verdict == "pass" else 0)
        assert (seed in progress.failed_seeds("raft", CHECK)) or verdict != "fail"
    assert progress.check("raft", CHECK).attempts == len(history)
