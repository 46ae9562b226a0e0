"""The session file: private, whole or absent, and recognised as stale when its writer is gone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from labs.kit.errors import LabError
from labs.kit.processes import ProcessMark, end_processes, start_time
from labs.kit.session import Session, SessionFolder


@pytest.fixture
def folder(tmp_path: Path) -> SessionFolder:
    made = SessionFolder(tmp_path / "with space é")
    made.create()
    return made


def a_session(folder: SessionFolder, mark: ProcessMark, *processes: ProcessMark) -> Session:
    return Session(mark, 4711, str(folder.token_file), "raft", "local", 1.5, processes)


def myself() -> ProcessMark:
    mark = ProcessMark.of(os.getpid())
    assert mark is not None
    return mark


def test_sec_07_round_trip_and_privacy(folder: SessionFolder) -> None:
    """What is written is read back, and nobody else may read it (SEC-07)."""
    session = a_session(folder, myself())
    folder.write(session, "secret")
    assert folder.read() == session
    assert folder.read_token(session) == "secret"
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    for file in (folder.session_file, folder.token_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in folder.session_file.read_text()


@pytest.mark.parametrize(
    "content",
    ["", "{", "null", "[]", "[" * 100_000, '{"pid": 1}', '{"pid": "x"}', "\x00\xff", "{}"],
)
def test_garbage_is_stale(folder: SessionFolder, content: str) -> None:
    """A half-written or foreign session file is recognised, and cleaned with a message."""
    folder.session_file.write_text(content)
    assert folder.read() is None
    leftover = folder.clean_stale()
    assert leftover is not None
    assert "unreadable session file" in leftover.sentence()
    assert not folder.session_file.exists()


def test_other_start_time_is_stale(folder: SessionFolder) -> None:
    """A pid that lives but started at another time belongs to somebody else: it is left alone."""
    session = a_session(
        folder, ProcessMark(os.getpid(), "another time"), ProcessMark(2**22 + 1, "x")
    )
    folder.write(session, "t")
    leftover = folder.clean_stale()
    assert leftover is not None
    assert leftover.session == session
    assert leftover.ended == ()
    assert not folder.token_file.exists()


def test_sec_22_orphans_are_ended_and_nobody_else(folder: SessionFolder) -> None:
    """Processes that a dead conductor left are ended, by pid and start time."""
    orphan = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        mark = ProcessMark.of(orphan.pid)
        assert mark is not None
        stranger = ProcessMark(orphan.pid, "another time")
        assert end_processes([stranger]) == []
        folder.write(a_session(folder, ProcessMark(2**22 + 1, "gone"), mark), "t")
        leftover = folder.clean_stale()
        assert leftover is not None
        assert leftover.ended == (mark,)
        assert orphan.wait(5) == -9
    finally:
        orphan.kill()
        orphan.communicate()


def test_zombie_is_dead() -> None:
    """A process that ended but was not waited for counts as gone."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    mark = ProcessMark.of(child.pid)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid) is None
    assert mark is None or not mark.alive()
    child.wait()


def test_lock_is_exclusive(folder: SessionFolder) -> None:
    """Of two that want to run a lab, one wins; the other is told in one line."""
    with folder.lock():
        with pytest.raises(LabError, match="just starting"), SessionFolder(folder.path).lock():
            pass
        folder.write(a_session(folder, myself()), "t")
        second = SessionFolder(folder.path)
        with pytest.raises(LabError, match="end it with `lab down`") as caught, second.lock():
            pass
        assert "the raft lab already runs here (local, since " in caught.value.message
        assert folder.clean_stale() is None, "a lab that runs is never cleaned away"
    with folder.lock() as leftover:
        assert leftover is not None, "who comes next cleans up"


def test_folder_of_another_kind(tmp_path: Path) -> None:
    """A file or a symbolic link where the folder should be is refused with the way out."""
    (tmp_path / "file").write_text("")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link", "file/below"):
        with pytest.raises(LabError, match="FAULTLAB_HOME"):
            SessionFolder(tmp_path / name).create()


def test_sec_11_symlinked_files_are_not_followed(folder: SessionFolder, tmp_path: Path) -> None:
    """A link planted as lock file does not make us open something else (SEC-11)."""
    (tmp_path / "precious").write_text("keep")
    folder.lock_file.symlink_to(tmp_path / "precious")
    with pytest.raises(LabError, match="cannot open"), folder.lock():
        pass
    assert (tmp_path / "precious").read_text() == "keep"


def test_session_is_json(folder: SessionFolder) -> None:
    """The file can be read by people and scripts."""
    folder.write(a_session(folder, myself()), "t")
    raw = json.loads(folder.session_file.read_text())
    assert raw["pid"] == os.getpid()
    assert raw["port"] == 4711
    assert raw["lab"] == "raft"
