"""Pictures of the guide show what they say they show."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.errors import LabError
from labs.kit.guide.drawings import FOLDER, TABLE, Drawing, draw, load_drawings, main
from labs.kit.guide.pages import load_guide

DRAWINGS = load_drawings()


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.name)
def test_a_picture_is_what_the_run_draws_today(drawing: Drawing) -> None:
    """To the byte; after a change of a core or of the timeline: `make drawings`, and look."""
    kept = (FOLDER / drawing.file).read_text(encoding="utf-8")
    assert draw(drawing) == kept, "stale: run `make drawings`, and look at the pictures"


def test_each_picture_is_in_the_table_and_on_a_page() -> None:
    """None is left over, none is missing."""
    files = {path.name for path in FOLDER.iterdir()} - {TABLE}
    assert files == {drawing.file for drawing in DRAWINGS}
    text = "\n".join(page.path.read_text(encoding="utf-8") for page in load_guide().pages)
    for name in files:
        assert f"](pictures/{name})" in text, name


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{run: raft/leader-crash, from: 0, until: 1}", "until"),
        ("{run: raft, from: 0, to: 1}", "not enough values"),
        ("{run: raft/leader-crash, to: 1}", "from"),
        ("{run: raft/leader-crash, from: soon, to: 1}", "soon"),
    ],
)
def test_a_table_that_cannot_be_read(tmp_path: Path, entry: str, why: str) -> None:
    """The picture's name, and what is wrong with it."""
    (tmp_path / TABLE).write_text(f"mine: {entry}\n", encoding="utf-8")
    with pytest.raises(LabError, match=f"mine: .*{why}"):
        load_drawings(tmp_path)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{run: raft/stale-read, variant: stael, from: 0, to: 1}", "stale"),
        ("{run: raft/leader-crsh, from: 0, to: 1}", "leader-crash"),
        ("{run: quorum-store/hot-spot, from: 0, to: 1}", "no fault was injected"),
    ],
)
def test_a_run_that_cannot_be_drawn(tmp_path: Path, entry: str, why: str) -> None:
    """Nothing is written."""
    (tmp_path / TABLE).write_text(f"mine: {entry}\n", encoding="utf-8")
    with pytest.raises(LabError, match=why):
        main(["mine"], tmp_path)
    assert not (tmp_path / "mine.svg").exists()


def test_a_picture_that_is_not_named() -> None:
    """The way out is the nearest name."""
    with pytest.raises(LabError, match="leader-crashes"):
        main(["leader-crash"])
