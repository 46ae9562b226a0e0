"""Options of the whole suite."""

from __future__ import annotations

import pytest
from hypothesis import settings

# The same examples in every run, and no deadline a busy machine could miss.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write what happened into the golden transcripts, for review as a diff",
    )
