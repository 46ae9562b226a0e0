"""A guide and a `.lab` of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.guide import pages
from labs.kit.guide.pages import Guide, load_guide
from tests.kit.guide.examples import GOOD


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `.lab`."""
    folder = tmp_path / "lab"
    monkeypatch.setenv("FAULTLAB_HOME", str(folder))
    return folder


@pytest.fixture
def small_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guide:
    """Two questions about raft/leader-crash: all that commands find."""
    folder = tmp_path / "guide"
    folder.mkdir()
    (folder / "page.md").write_text(GOOD)
    monkeypatch.setattr(pages, "load_guide", lambda: load_guide(folder))
    return load_guide(folder)
