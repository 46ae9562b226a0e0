"""Labs in containers. Where no engine answers these tests fail: a skipped suite proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.cluster.compose_images import ensure_images
from nodes.cluster.engine import SESSION_LABEL, Engine
from tests.support.containers import NOTHING, session_of, things_left, up
from tests.support.terminal import Terminal


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The Docker engine, with the images of this code in it."""
    engine = Engine()
    ensure_images(engine, lambda _: None)
    yield engine
    engine.close()


@pytest.fixture
def terminal(engine: Engine, tmp_path: Path) -> Iterator[Terminal]:
    """Where nothing runs yet."""
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.end()


@pytest.fixture
def lab_up(terminal: Terminal) -> Iterator[Terminal]:
    """Where a lab runs; at the end nothing of it is left, whatever the test did."""
    up(terminal)
    session = session_of(terminal)
    yield terminal
    terminal.end()
    assert things_left(f"{SESSION_LABEL}={session}") == NOTHING


@pytest.fixture(scope="module")
def shared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A lab that runs, for tests that only look."""
    terminal = Terminal(tmp_path_factory.mktemp("shared"))
    up(terminal)
    yield terminal
    terminal.end()
