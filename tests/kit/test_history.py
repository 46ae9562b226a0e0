"""Histories: what is written is read again, and what cannot be judged is refused by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.kit.history import (
    Entry,
    HistoryMalformed,
    Recorder,
    operations,
    parse_history,
    read_history,
    write_history,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(value=json_values, key=st.none() | st.text(), error=st.none() | st.text())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, value: object, key: str | None, error: str | None
) -> None:
    """Values, keys and errors survive, whatever characters they hold; so do fields of others."""
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    entries = [
        Entry(0, "invoke", "write", value, key, 5, None, {"node": "n1"}),
        Entry(0, "fail", "write", value, key, 7, error),
    ]
    write_history(path, entries)
    assert read_history(path) == entries


def test_recorder() -> None:
    """Operations of several processes at once, each with its outcome and its times."""
    times = iter(range(10, 100, 10))
    recorder = Recorder(lambda: next(times))
    first, second, third = (recorder.process() for _ in range(3))
    write = recorder.invoke(first, "write", 1, "x")
    read = recorder.invoke(second, "read", None, "x")
    write.ok()
    lost = recorder.invoke(third, "cas", [1, 2], "x")
    read.ok(None)
    lost.info("nobody answered")
    found = operations(recorder.entries)
    assert [(op.f, op.outcome, op.argument, op.result) for op in found] == [
        ("write", "ok", 1, 1),
        ("read", "ok", None, None),
        ("cas", "info", [1, 2], None),
    ]
    assert [(op.invoked, op.completed) for op in found] == [(0, 2), (1, 4), (3, None)]
    assert [(op.invoked_ns, op.completed_ns) for op in found] == [(10, 30), (20, 50), (40, None)]


def test_an_operation_without_a_completion_may_have_happened() -> None:
    """The history ended before its client heard anything."""
    [operation] = operations([Entry(0, "invoke", "write", 1)])
    assert (operation.outcome, operation.completed) == ("info", None)


INVOKE = '{"process": 0, "type": "invoke", "f": "write", "value": 1, "time": 5}'


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        (INVOKE[:-9], "no JSON"),
        ("[" * 100_000, "no JSON"),
        (INVOKE.replace('"value": 1', '"value": NaN'), "NaN is no JSON"),
        (INVOKE.replace('"value": 1', '"value": 1' + "0" * 5000), "no JSON"),
        ("[]", "expected a JSON object"),
        ('"invoke"', "expected a JSON object"),
        (INVOKE.replace('"process": 0', '"process": true'), "process is True"),
        (INVOKE.replace('"process": 0', '"process": -1'), "process is -1"),
        (INVOKE.replace('"process": 0', '"client": 0'), "process is None"),
        (INVOKE.replace("invoke", "begin"), "type is 'begin'"),
        (INVOKE.replace('"write"', '"wirte"'), "f is 'wirte'"),
        (INVOKE.replace('"write"', '["write"]'), "f is "),
        (INVOKE.replace('"value"', '"key": 7, "value"'), "key is 7"),
        (INVOKE.replace('"time": 5', '"time": 5.5'), "time is 5.5"),
        (INVOKE.replace('"time": 5', '"time": 4'), "time 4 is before the line above"),
        ("\x1b[31m", r"no JSON"),
    ],
)
def test_malformed_lines_are_named(line: str, cause: str) -> None:
    """By their number, in one line that steers no terminal."""
    with pytest.raises(HistoryMalformed, match=r"^line 2: ") as refused:
        list(parse_history([INVOKE.encode(), line.encode()]))
    assert cause in str(refused.value)
    assert str(refused.value).isprintable()


def test_bytes_that_are_no_text_are_refused() -> None:
    """They never become question marks."""
    with pytest.raises(HistoryMalformed, match=r"^line 1: no JSON"):
        list(parse_history([b'{"process": 0, "f": "\xff"}']))


@pytest.mark.parametrize(
    ("entries", "cause"),
    [
        ([Entry(0, "ok", "write", 1)], "line 1: process 0 completes what it did not invoke"),
        (
            [
                Entry(0, "invoke", "write", 1),
                Entry(0, "ok", "write", 1),
                Entry(0, "ok", "write", 1),
            ],
            "line 3: process 0 completes what it did not invoke",
        ),
        (
            [Entry(0, "invoke", "write", 1), Entry(0, "invoke", "read")],
            "line 2: process 0 invokes before its operation of 1 ended",
        ),
        (
            [
                Entry(0, "invoke", "write", 1),
                Entry(0, "info", "write", 1),
                Entry(0, "invoke", "read"),
            ],
            "line 3: process 0 goes on after an info",
        ),
        (
            [Entry(0, "invoke", "write", 1), Entry(0, "ok", "read", 1)],
            "line 2: this completes another",
        ),
        (
            [Entry(0, "invoke", "read", key="x"), Entry(0, "ok", "read", 1, key="y")],
            "line 2: this completes another",
        ),
    ],
)
def test_what_no_client_can_have_seen_is_refused(entries: list[Entry], cause: str) -> None:
    """Rather than judged as if it had been something else."""
    with pytest.raises(HistoryMalformed) as refused:
        operations(entries)
    assert str(refused.value).startswith(cause)


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    """A history without operations proves nothing."""
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(HistoryMalformed, match="is empty"):
        read_history(empty)
    with pytest.raises(HistoryMalformed, match="cannot read"):
        read_history(tmp_path / "missing.jsonl")
    with pytest.raises(HistoryMalformed, match="cannot read"):
        read_history(tmp_path)
