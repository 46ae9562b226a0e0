"""Does a history keep a promise? `judge` says yes, no with a counterexample, or that it could not
tell.

Where to read on: `models.py` (what the objects promise), `linearizable.py` with `plan.py` and
`search.py`, then `sequential.py`, `causal.py`, `sessions.py` and `eventual.py` (weaker promises).
"""

from __future__ import annotations

from labs.kit.checkers.judging import LEVELS, MODELS, judge

__all__ = ["LEVELS", "MODELS", "judge"]
