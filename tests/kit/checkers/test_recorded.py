"""The recorded histories of etcd and of a key-value store, each with its known verdict."""

from __future__ import annotations

import pytest

from labs.kit.checkers import judge
from tests.support import porcupine

NAMES = sorted(porcupine.expected()) if porcupine.FOLDER.is_dir() else []
pytestmark = pytest.mark.skipif(not NAMES, reason=porcupine.ABSENT)


@pytest.mark.parametrize("name", NAMES)
def test_verdict(name: str) -> None:
    """As its notes say."""
    verdict = judge(porcupine.load(name), porcupine.model_of(name), time_limit_s=30)
    assert verdict.valid is porcupine.expected()[name]


def test_every_file_has_a_verdict() -> None:
    """Nothing was left out, and both verdicts are there."""
    files = {
        str(path.relative_to(porcupine.FOLDER))
        for pattern in ("jepsen/*.log", "kv/*.txt")
        for path in porcupine.FOLDER.glob(pattern)
    }
    assert files == set(NAMES)
    assert set(porcupine.expected().values()) == {True, False}
