"""What somebody hears who hands such an exercise in."""

from __future__ import annotations

from labs.kit.grading.judge import Implementation, Judge, Run
from nodes.core import Core
from nodes.loading import core_name


def first_failure(judge: Judge, core: type[Core], check_id: str, seeds: int) -> str:
    """What is said about it on the first schedule that fails; nothing when all pass."""
    handed_in = Implementation(core.__name__, core_name(core))
    for seed in range(1, seeds + 1):
        outcome = judge.run(Run(check_id, seed, handed_in))
        assert outcome.verdict != "unknown", outcome.observed
        if outcome.verdict == "fail":
            return f"expected {outcome.expected}; observed {outcome.observed}"
    return ""
