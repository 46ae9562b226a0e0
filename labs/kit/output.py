"""What commands print: results to stdout, messages to stderr, with --json one document and no
more."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout and nothing else.")
]


def print_json(document: Any) -> None:
    """The document of a command. Lone surrogates and the like are escaped, never dropped."""
    print(json.dumps(document, indent=2, allow_nan=False), flush=True)


def tell(text: str) -> None:
    """A message for people."""
    print(text, file=sys.stderr, flush=True)
