"""What stays of a lab that has ended: its events and logs, in `.lab/last/`, until the next start.

Bounded, private to the user, and only plain files: nothing that runs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from labs.kit.errors import LabError, nearest
from labs.kit.logs import read_log
from labs.kit.session import SessionFolder

LAST_NAME, CLUSTER_NAME = "last", "cluster"
FACTS_NAME, HISTORY_NAME, CLIENT_EVENTS_NAME = "lab.json", "history.jsonl", "client.events.jsonl"
EVENTS_FOLDER, LOGS_FOLDER = "events", "logs"
FILE_BYTES_MAX: Final = 8 << 20  # of each file; of a longer one its end is kept


def last_folder(home: Path) -> Path:
    """Where the last lab's files are, if there are any."""
    return home / LAST_NAME


def forget(home: Path) -> None:
    """Removes them."""
    shutil.rmtree(last_folder(home), ignore_errors=True)


def keep(home: Path, *, events: Iterable[Path], logs: Iterable[Path]) -> None:
    """Moves the files of a lab that has ended out of its cluster's folder. What cannot be kept is
    lost, for no lab may fail to end because of it."""
    forget(home)
    cluster, last = home / CLUSTER_NAME, last_folder(home)
    with contextlib.suppress(OSError):
        for folder in (last, last / EVENTS_FOLDER, last / LOGS_FOLDER):
            folder.mkdir(mode=0o700)
        for path in events:
            for one in (path, path.with_name(f"{path.name}.1")):
                _move(one, last / EVENTS_FOLDER / one.name)
        for path in logs:
            _move(path, last / LOGS_FOLDER / path.name)
        for name in (CLIENT_EVENTS_NAME, FACTS_NAME, HISTORY_NAME):
            _move(cluster / name, last / name)


def recorded(folder: SessionFolder) -> tuple[Path, str] | None:
    """Where the record of the lab that runs here is, else that of the last one, else what a lab
    left that was killed; with that word: running, ended, killed."""
    session = folder.read()
    cluster, last = folder.path / CLUSTER_NAME, last_folder(folder.path)
    if session is not None and session.conductor.alive():
        return cluster, "running"
    if (last / FACTS_NAME).is_file():
        return last, "ended"
    if (cluster / FACTS_NAME).is_file():
        return cluster, "killed"
    return None


def last_log(folder: SessionFolder, node: str, lines: int) -> dict[str, Any] | None:
    """The end of a node's log once its lab has ended, as the conductor would tell it. None when a
    lab runs, or when nothing was kept. Raises LabError when the last lab had no such node."""
    session, found = folder.read(), recorded(folder)
    if found is None or (session is not None and session.conductor.alive()):
        return None
    logs = found[0] / LOGS_FOLDER
    known = sorted(path.stem for path in logs.glob("*.log"))
    if node not in known:
        raise LabError(f"the last lab had no log of {node!r}; {nearest(node, known)}")
    texts, offset = read_log(logs / f"{node}.log", lines=lines, after=None)
    return {"node": node, "lines": texts, "offset": offset, "ended": True}


def _move(source: Path, target: Path) -> None:
    """A file that is not there, is no plain file, or cannot be moved is passed over."""
    with contextlib.suppress(OSError):
        _move_plain(source, target)


def _move_plain(source: Path, target: Path) -> None:
    if source.is_symlink() or not source.is_file():
        return
    size = source.stat().st_size
    if size <= FILE_BYTES_MAX:
        os.replace(source, target)
        target.chmod(0o600)
        return
    with source.open("rb") as file, target.open("xb") as end:
        target.chmod(0o600)
        file.seek(size - FILE_BYTES_MAX)
        file.readline()  # the rest of a line whose beginning is cut off
        shutil.copyfileobj(file, end)
