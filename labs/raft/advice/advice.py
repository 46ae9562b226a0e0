"""What a learner is told about one check, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advice:
    """`hints` go from where to look, over which rule, to nearly the answer. `guide` is a section of
    guide/raft.md; empty where that page as a whole is meant."""

    points: int
    paper: str
    hints: tuple[str, str, str]
    guide: str = ""
