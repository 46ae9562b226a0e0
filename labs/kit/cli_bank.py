"""`lab transfer` and `lab balance`: the bank of the labs that have one.

A transfer travels as a client operation whose key is its id, and whose value is JSON: `source`,
`target`, `amount`.
"""

from __future__ import annotations

import json as jsonlib
import secrets
from typing import Annotated

import typer

from labs.kit.cli_client import Node, Timeout, run_operation
from labs.kit.errors import LabError
from labs.kit.output import JsonFlag

TRANSFER, BALANCE = "transfer", "balance"
ALL = "*"


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(transfer)
    app.command()(balance)


def transfer(
    source: Annotated[str, typer.Argument(metavar="FROM", help="alice, bob, carol, dave, 5...")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Another account.")],
    amount: Annotated[int, typer.Argument(min=1, metavar="AMOUNT")],
    id: Annotated[
        str | None,
        typer.Option("--id", help="Given again, it is the same transfer. Default: a new one."),
    ] = None,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Move money between accounts, all of it or none; exit status 1 when it was aborted.

    Examples: lab transfer alice bob 10; lab transfer alice bob 10 --id rent --node n2
    """
    name = id or f"transfer-{secrets.token_hex(3)}"
    if "#" in name:
        raise LabError("the id of a transfer has no #")
    value = jsonlib.dumps({"source": source, "target": target, "amount": amount}).encode()
    return run_operation({"verb": TRANSFER, "key": name, "value": value}, node, timeout, json)


def balance(
    resource: Annotated[
        str | None,
        typer.Argument(
            metavar="RESOURCE",
            help="Such as account/alice, stock/book, shipping/slots. Default: all of them.",
        ),
    ] = None,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """What is in an account, or in stock: the last committed amount, and who may change it.

    Examples: lab balance; lab balance account/alice
    """
    return run_operation({"verb": BALANCE, "key": resource or ALL}, node, timeout, json)
