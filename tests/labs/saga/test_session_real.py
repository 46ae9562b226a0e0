"""The first minutes with the saga lab, on real processes: orders, a dead service, an operator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.end()


def test_orders_and_an_operator(terminal: Terminal) -> None:
    """One order is carried out. While the payment service is dead another one is stuck, which
    `lab status` shows; when it is back the operator lets it go on, and it is undone as a whole.
    The picture has its steps."""
    settings = ("--set", "attempts_max=2", "--set", "backoff_ms_max=200")
    status, _, err = terminal.lab("up", "saga", "--detach", "--runtime", "local", *settings)
    assert status == 0, err
    assert "lab order place book" in err
    status, out, err = terminal.lab("order", "place", "book", "--customer", "bob", "--id", "o1")
    assert (status, out.splitlines()[0]) == (0, "o1: completed"), err

    terminal.json("fault", "kill", "n3")
    status, out, _ = terminal.lab("order", "place", "pen", "--id", "o2")
    assert (status, out.splitlines()[0]) == (1, "o2: stuck: it needs an operator")
    _, out, _ = terminal.lab("status")
    assert "o2  reserve:done  charge:undo stuck  ship:-  confirm:-" in out
    terminal.json("fault", "heal")
    assert terminal.lab("order", "retry", "o2")[0] == 0

    def over() -> bool:
        saga: dict[str, object] = terminal.json("order", "status", "o2")["saga"]
        return (saga["status"], saga["undone"]) == ("compensated", ["charge", "reserve"])

    wait_until(over, "the order is undone")
    assert len(terminal.json("order", "list")["sagas"]) == 2

    assert terminal.lab("timeline", "--svg", "steps.svg")[0] == 0
    picture = (terminal.cwd / "steps.svg").read_text()
    assert "charge o1" in picture
    assert "undo charge o2" in picture
