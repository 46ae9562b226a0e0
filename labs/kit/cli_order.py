"""`lab order ...`: orders of the labs that have a shop, and what an operator does with them.

An order travels as a client operation whose key is its id. What it is of is the operation's value,
as JSON: `item`, `customer`, `quantity`, `price`, `wait`.
"""

from __future__ import annotations

import json as jsonlib
import secrets
from typing import Annotated

import typer

from labs.kit.cli_client import Node, Timeout, run_operation
from labs.kit.errors import LabError
from labs.kit.output import JsonFlag

PLACE, STATUS, LIST = "order-place", "order-status", "order-list"
RETRY, SKIP, COMPENSATE = "order-retry", "order-skip", "order-compensate"
OPERATIONS = (PLACE, STATUS, LIST, RETRY, SKIP, COMPENSATE)
ALL = "*"  # instead of an id, where all orders are meant

app = typer.Typer(
    help="Orders: stock is reserved, the customer charged, a shipment booked; or nothing is.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `lab order place` printed it.")]


def add_to(parent: typer.Typer) -> None:
    """Registers the group."""
    parent.add_typer(app, name="order")


@app.command()
def place(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="book, lamp, pen.")],
    customer: Annotated[
        str, typer.Option("--customer", help="Who pays: alice, bob, carol, dave.", metavar="NAME")
    ] = "alice",
    quantity: Annotated[int, typer.Option("--quantity", min=1, max=1_000_000)] = 1,
    price: Annotated[int, typer.Option("--price", min=0, max=10**12, help="Of all together.")] = 10,
    id: Annotated[
        str | None,
        typer.Option("--id", help="Given again, it is the same order. Default: a new one."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return when it is accepted, not when it is over.")
    ] = False,
    node: Node = None,
    timeout: Timeout = None,
    json: JsonFlag = False,
) -> int:
    """Place an order. Exit status 1 when nothing came of it.

    Examples: lab order place book --customer bob --quantity 2 --price 30
    """
    order = id or f"order-{secrets.token_hex(3)}"
    content = {"item": item, "customer": customer, "quantity": quantity, "price": price}
    value = jsonlib.dumps(content | {"wait": not no_wait}).encode()
    return _run(PLACE, order, node, timeout, json, value)


@app.command()
def status(id: Id, node: Node = None, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """How far an order is, step by step."""
    return _run(STATUS, id, node, timeout, json)


@app.command(name="list")
def list_orders(node: Node = None, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """The latest orders, and those that wait for an operator."""
    return _run(LIST, ALL, node, timeout, json)


@app.command()
def retry(id: Id, node: Node = None, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """Let an order that is stuck try its step again."""
    return _run(RETRY, id, node, timeout, json)


@app.command()
def skip(id: Id, node: Node = None, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """Take the step at which an order is stuck as done: you have seen to it by other means."""
    return _run(SKIP, id, node, timeout, json)


@app.command()
def compensate(id: Id, node: Node = None, timeout: Timeout = None, json: JsonFlag = False) -> int:
    """Let an order that is stuck undo what it did; refused once it is past its pivot."""
    return _run(COMPENSATE, id, node, timeout, json)


def _run(
    verb: str,
    order: str,
    node: str | None,
    timeout: str | None,
    as_json: bool,
    value: bytes | None = None,
) -> int:
    if "/" in order:
        raise LabError("the id of an order has no /")
    operation = {"verb": verb, "key": order}
    return run_operation(
        operation | ({} if value is None else {"value": value}), node, timeout, as_json
    )
