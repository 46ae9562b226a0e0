"""Options of the whole suite."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# The same examples in every run, and no deadline a busy machine could miss.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")

# A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that:
# those that tests start are meant to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write what happened into the golden transcripts, for review as a diff",
    )
