"""Cores by name: of ours, of a file, and of a file with some of ours in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.cores.raft import Raft
from nodes.loading import load_core

OURS = "nodes.cores.raft:Raft"
MINE = """
from nodes.cores.raft import Raft


class MyRaft(Raft):
    def campaign(self, *, leadership_transfer=False):
        raise RuntimeError("mine")

    def advance_commit(self):
        raise RuntimeError("not written")
"""


def test_ours_by_module_and_class() -> None:
    """The usual way."""
    assert load_core(OURS) is Raft


def test_file_by_its_path(tmp_path: Path) -> None:
    """Its methods are its own."""
    file = tmp_path / "mine_a.py"
    file.write_text(MINE)
    core = load_core(f"{file}:MyRaft")
    assert issubclass(core, Raft)
    assert core.campaign is not Raft.campaign


def test_given_methods_come_from_the_other_core(tmp_path: Path) -> None:
    """Only those that are named."""
    file = tmp_path / "mine_b.py"
    file.write_text(MINE)
    core = load_core(f"{file}:MyRaft:{OURS}:advance_commit")
    assert issubclass(core, Raft)
    assert core.advance_commit is Raft.advance_commit
    assert core.campaign is not Raft.campaign


@pytest.mark.parametrize("name", ["", "nodes.cores.raft", "none:Raft", f"{OURS}s", "none.py:Raft"])
def test_what_is_not_there_is_said(name: str) -> None:
    """By one error, whatever is missing."""
    with pytest.raises(LookupError):
        load_core(name)
