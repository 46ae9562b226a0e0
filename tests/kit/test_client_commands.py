"""`lab put`, `get` and the like: options and verbs that a lab has or has not, and remembered
contexts."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.kit.last_contexts import KEYS_MAX, LastContexts
from labs.kit.last_run import CLUSTER_NAME
from tests.kit.conftest import Desk


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("get", "x", "--r", "2"), "the raft lab knows no --r; it has --consistency"),
        (("put", "x", "1", "--w", "2"), "the raft lab knows no --w; it has --consistency"),
        (("put", "x", "1", "--context", "Cg"), "the raft lab knows no --context"),
        (("put", "x", "1", "--context", "last"), "nothing was told about 'x' yet; get it"),
        (("join", "n2"), "the raft lab has no `join`; it offers put, get, cas"),
        (("leave", "n2"), "the raft lab has no `leave`"),
    ],
)
async def test_what_the_lab_does_not_offer(
    running: Desk, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], cause: str
) -> None:
    """One line says so, and no node is asked."""
    assert await running.lab(*arguments) == 2
    line = capsys.readouterr().err
    assert cause in line
    assert line.count("\n") == 1
    assert running.cluster.sent == []


def test_contexts_are_remembered_by_key(tmp_path: Path) -> None:
    """The last one counts, and is private to the user."""
    (tmp_path / CLUSTER_NAME).mkdir()
    contexts = LastContexts(tmp_path)
    assert contexts.of("x") is None
    for key, context in (("x", "Cg"), ("y", "Cw"), ("x", "DA")):
        contexts.remember(key, context)
    assert (contexts.of("x"), contexts.of("y")) == ("DA", "Cw")
    (file,) = (tmp_path / CLUSTER_NAME).iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_contexts_end_with_the_session(tmp_path: Path) -> None:
    """Where no cluster runs there is nothing to keep them with, and nobody is in the way."""
    contexts = LastContexts(tmp_path)
    contexts.remember("x", "Cg")
    assert contexts.of("x") is None
    assert list(tmp_path.iterdir()) == []


def test_contexts_do_not_grow_for_ever(tmp_path: Path) -> None:
    """Of many keys, those used last are remembered."""
    (tmp_path / CLUSTER_NAME).mkdir()
    contexts = LastContexts(tmp_path)
    for number in range(KEYS_MAX + 1):
        contexts.remember(f"k{number}", "Cg")
    assert contexts.of("k0") is None
    assert contexts.of("k1") == contexts.of(f"k{KEYS_MAX}") == "Cg"


@pytest.mark.parametrize("content", ["", "[]", "{", "5", '{"x": '])
def test_a_damaged_file_of_contexts_is_no_file(tmp_path: Path, content: str) -> None:
    """It is only a convenience."""
    folder = tmp_path / CLUSTER_NAME
    folder.mkdir()
    (folder / "contexts.json").write_text(content)
    assert LastContexts(tmp_path).of("x") is None
