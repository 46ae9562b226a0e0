"""Linearizability against a judge that tries every order, with both verdicts often."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.kit.checkers import MODELS, judge
from labs.kit.checkers.models import ILLEGAL
from labs.kit.checkers.models import MODELS as MODELS_BY_NAME
from labs.kit.history import Entry, operations
from tests.support.histories import corrupt, linearizable_by_trying, random_history
from tests.support.seeds import share_of

SHARE_MIN = 0.15  # of either verdict among the random histories


def judged(entries: list[Entry], model: str) -> bool:
    """Our verdict, by key; nothing completed counts as linearizable here."""
    verdict = judge(entries, model)
    if verdict.valid is None:
        assert "no operation completed" in verdict.reason
        return True
    return verdict.valid


@pytest.mark.parametrize("model", MODELS)
def test_as_trying_every_order_says(model: str) -> None:
    """On random histories with lost responses, one key and two, and neither verdict is rare."""
    count, wrong = share_of(2500), 0
    for seed in range(count):
        rng = Random(f"{model}:{seed}")
        entries = random_history(model, rng, steps=rng.randint(3, 8), keys=rng.choice([1, 1, 2]))
        truth = linearizable_by_trying(entries, model)
        assert judged(entries, model) == truth, f"seed {seed}"
        wrong += not truth
    assert SHARE_MIN < wrong / count < 1 - SHARE_MIN


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=60, deadline=None)
@given(rng=st.randoms(use_true_random=False), clients=st.integers(1, 5), steps=st.integers(1, 8))
def test_property(model: str, rng: Random, clients: int, steps: int) -> None:
    """The same, with histories that shrink."""
    entries = random_history(model, rng, steps=steps, clients=clients)
    assert judged(entries, model) == linearizable_by_trying(entries, model)


@pytest.mark.parametrize("model", MODELS)
def test_counterexamples_are_true(model: str) -> None:
    """The order that is shown obeys the model and real time, holds everything that returned before
    the stuck operation did, and no order of the history up to that response exists."""
    seen = 0
    for seed in range(share_of(2000)):
        rng = Random(f"{model}:why:{seed}")
        entries = random_history(model, rng, steps=rng.randint(3, 8))
        verdict = judge(entries, model)
        if verdict.valid is not False:
            continue
        seen += 1
        why = verdict.counterexample
        assert why is not None
        found, chosen = operations(entries), MODELS_BY_NAME[model]
        state = chosen.initial
        for number, shown in why.linearized:
            action = chosen.action(found[number], entries)
            assert action is not None
            after = chosen.step(state, action)
            assert after is not ILLEGAL, f"seed {seed}"
            state = after
            assert chosen.show_state(state) == shown
        order = [number for number, _ in why.linearized]
        assert len(set(order)) == len(order)
        for place, later in enumerate(order):
            for earlier in order[:place]:
                done = found[later].completed
                assert done is None or found[earlier].invoked < done, f"seed {seed}"
        assert why.stuck is not None
        end = found[why.stuck].completed
        assert end is not None
        for one in found:
            says = chosen.action(one, entries) is not None
            if says and one.completed is not None and one.completed < end:
                assert one.number in order, f"seed {seed}"
        assert not linearizable_by_trying(entries, model, end + 1), f"seed {seed}"
        assert linearizable_by_trying(entries, model, end), f"seed {seed}"
    assert seen > share_of(2000) * SHARE_MIN


@pytest.mark.parametrize("model", ["register", "cas-register", "append-list", "set", "kv"])
def test_one_read_exchanged_is_found(model: str) -> None:
    """In a long history that is linearizable, a read that returns what was never there."""
    rng, steps = Random(model), 60 if model == "kv" else 400
    entries = random_history(model, rng, steps=steps, clients=6, lost=0.0)
    while not judge(entries, model).valid:
        entries = random_history(model, rng, steps=steps, clients=6, lost=0.0)
    foreign = {"append-list": [77], "set": [77]}.get(model, "never written")
    reads = [
        place
        for place, entry in enumerate(entries)
        if entry.type == "ok" and entry.f in ("read", "get")
    ]
    for place in reads[:: max(1, len(reads) // 6)]:
        entry = entries[place]
        wrong = Entry(entry.process, "ok", entry.f, foreign, entry.key)
        verdict = judge([*entries[:place], wrong, *entries[place + 1 :]], model)
        assert verdict.valid is False
        assert verdict.counterexample is not None
        assert verdict.counterexample.stuck is not None
        assert operations(entries)[verdict.counterexample.stuck].completed == place
    assert corrupt(entries, model, rng) != entries
