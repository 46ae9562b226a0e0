"""`lab put | get | cas | append | delete | join | leave`: client operations on the running lab."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from labs.kit.api_client import connect
from labs.kit.durations import parse_ms
from labs.kit.errors import ANSWER_IS_NO, COULD_NOT, DONE, LabError
from labs.kit.last_contexts import LastContexts
from labs.kit.outcome_text import OutcomeText
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.registry import load_lab
from labs.kit.session import home_folder

Key = Annotated[str, typer.Argument(metavar="KEY", help="UTF-8, at most 1 KiB.")]
Node = Annotated[
    str | None,
    typer.Option("--node", help="Ask only this node, once, and follow no hint.", metavar="N"),
]
OneNode = Annotated[str, typer.Argument(metavar="NODE", help="As `lab status` names it.")]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        help="How long to try, such as 500ms or 3s. Default: 10 of the lab's longest timeouts.",
        metavar="TIME",
    ),
]
ValueText = Annotated[str | None, typer.Argument(metavar="VALUE", help="Any bytes; or use --file.")]
ValueFile = Annotated[
    Path | None, typer.Option("--file", help="Take the value from this file; - is stdin.")
]
Replicas = Annotated[
    int | None,
    typer.Option("--w", min=1, help="Replicas that must have it, W.", metavar="N"),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        help="What it replaces, as an earlier get or put told; `last`: the last one of this key.",
        metavar="TOKEN",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    for function in (put, get, cas, append, delete, join, leave):
        app.command()(function)


def put(
    key: Key,
    value: ValueText = None,
    file: ValueFile = None,
    w: Replicas = None,
    context: Context = None,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Set KEY to VALUE.

    Examples: lab put colour blue; lab put colour red --w 3 --context last
    """
    operation = {"verb": "put", "key": key, "value": _value(value, file), "w": w}
    return run_operation(operation | {"context": context}, node, timeout, json)


def append(
    key: Key,
    value: ValueText = None,
    file: ValueFile = None,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Add VALUE at the end of what KEY holds."""
    return run_operation(
        {"verb": "append", "key": key, "value": _value(value, file)}, node, timeout, json
    )


def get(
    key: Key,
    node: Node = None,
    consistency: Annotated[
        str,
        typer.Option(
            help="default (as the lab was started), linearizable, lease or stale.",
            metavar="LEVEL",
        ),
    ] = "default",
    r: Annotated[
        int | None, typer.Option("--r", min=1, help="Replicas that must answer, R.", metavar="N")
    ] = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Print what KEY holds; exit status 1 when there is no such key."""
    operation = {"verb": "get", "key": key, "consistency": consistency, "r": r}
    return run_operation(operation, node, timeout, json)


def cas(
    key: Key,
    expected: Annotated[str, typer.Argument(metavar="OLD", help="What KEY must hold now.")],
    value: Annotated[str | None, typer.Argument(metavar="NEW", help="What it shall hold.")] = None,
    absent: Annotated[
        bool, typer.Option("--absent", help="KEY must not exist; then give only NEW.")
    ] = False,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Set KEY to NEW if it holds OLD; exit status 1 when it holds something else.

    Examples: lab cas colour blue red; lab cas --absent colour blue
    """
    if absent == (value is not None):
        raise LabError("give OLD and NEW, as in `lab cas x 1 2`, or `lab cas --absent x 1`")
    new = expected if value is None else value
    operation: dict[str, Any] = {"verb": "cas", "key": key, "value": os.fsencode(new)}
    if value is not None:
        operation["expected"] = os.fsencode(expected)
    return run_operation(operation, node, timeout, json)


def delete(
    key: Key,
    w: Replicas = None,
    context: Context = None,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Remove KEY."""
    return run_operation(
        {"verb": "delete", "key": key, "w": w, "context": context}, node, timeout, json
    )


def join(node: OneNode, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """Take NODE into the ring. Example: lab join n4"""
    return run_operation({"verb": "join", "key": ""}, node, timeout, json)


def leave(node: OneNode, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """Let NODE leave the ring, and hand on what it keeps. Example: lab leave n4"""
    return run_operation({"verb": "leave", "key": ""}, node, timeout, json)


def _value(value: str | None, file: Path | None) -> bytes:
    if (value is None) == (file is None):
        raise LabError("give a VALUE, or --file FILE, and not both")
    if file is None:
        return os.fsencode(value or "")
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise LabError(f"cannot read {file}: {error.strerror}") from None


def run_operation(
    operation: dict[str, Any], node: str | None, timeout: str | None, as_json: bool
) -> int:
    """Has the running lab carry out an operation, and prints what came of it; returns the exit
    status. `value` and `expected` are bytes."""
    body = {**operation, "node": node, "key": _key(operation["key"])}
    for name in ("value", "expected"):
        if name in body:
            body[f"{name}_base64"] = base64.b64encode(body.pop(name)).decode("ascii")
    if timeout is not None:
        body["timeout_ms"] = parse_ms(timeout, "--timeout")
    conductor, contexts = connect(), LastContexts(home_folder())
    if body.get("context") == "last":
        body["context"] = contexts.of(body["key"])
        if body["context"] is None:
            raise LabError(f"--context last: nothing was told about {body['key']!r} yet; get it")
    # The conductor gives up by itself; its word is worth waiting for.
    outcome = conductor.post("/v1/operation", body, timeout_s=_patience_s(body))
    if outcome["ok"] and outcome.get("context"):
        contexts.remember(body["key"], outcome["context"])
    if as_json:
        print_json(outcome)
    else:
        _tell(load_lab(conductor.session.lab).outcome_text(operation["verb"], outcome))
    if outcome["ok"] is None:
        return COULD_NOT
    missing = operation["verb"] == "get" and outcome.get("found") is False
    return DONE if outcome["ok"] and not missing else ANSWER_IS_NO


def _tell(text: OutcomeText) -> None:
    for line in text.out:
        print(line, flush=True)
    for line in text.err:
        tell(line)


def _patience_s(body: dict[str, Any]) -> float:
    return float(body.get("timeout_ms", 600_000)) / 1000 + 5


def _key(text: str) -> str:
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError:
        raise LabError("a key must be UTF-8; values may be any bytes") from None
