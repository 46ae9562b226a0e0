"""Random histories of every model, right and wrong ones, and judges of them that are too simple to
be wrong: they try every order."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from labs.kit.checkers.models import ILLEGAL, MODELS, Action, Model, State
from labs.kit.history import Entry, Operation, operations

CORRUPTED = 0.6  # share of histories in which one answer is changed
LOST = 0.15  # share of operations whose response is lost


def random_history(
    model: str, rng: Random, *, steps: int = 7, clients: int = 3, keys: int = 1, lost: float = LOST
) -> list[Entry]:
    """Clients at work on objects that do what they should; then perhaps one answer is changed."""
    objects: dict[str | None, Any] = {}
    names = [None] if keys == 1 else [f"k{number}" for number in range(keys)]
    entries: list[Entry] = []
    # process -> [f, argument, key, took effect, result, refused]
    busy: dict[int, list[Any]] = {}
    free, fresh, begun = list(range(clients)), clients, 0
    while begun < steps or busy:
        if free and begun < steps and (not busy or rng.random() < 0.5):
            process, key = free.pop(rng.randrange(len(free))), rng.choice(names)
            f, argument = _operation(model, rng, begun)
            busy[process] = [f, argument, key, False, None, False]
            entries.append(Entry(process, "invoke", f, argument, key))
            begun += 1
            continue
        process = rng.choice(sorted(busy))
        work = busy[process]
        f, argument, key, effective, result, refused = work
        if not effective and (lost == 0 or rng.random() < 0.9):
            before = objects.get(key, _initial(model))
            objects[key], work[4], work[5] = _act(model, before, f, argument)
            work[3] = True
        if rng.random() < lost or (not effective and not work[3]):
            entries.append(Entry(process, "info", f, argument, key, 0, "timeout"))
            free.append(fresh)
            fresh += 1
            del busy[process]
        elif effective:
            value = argument if result is None and f not in ("read", "get", "dequeue") else result
            entries.append(Entry(process, "fail" if refused else "ok", f, value, key))
            free.append(process)
            del busy[process]
    return corrupt(entries, model, rng) if rng.random() < CORRUPTED else entries


def corrupt(entries: list[Entry], model: str, rng: Random) -> list[Entry]:
    """One answer changed for another that the model could have given."""
    answers = [
        place
        for place, entry in enumerate(entries)
        if entry.type == "ok" and entry.f in ("read", "get", "dequeue")
    ]
    if not answers:
        return entries
    place = rng.choice(answers)
    changed = _another(model, entries[place].value, rng)
    return [
        entry._replace(value=changed) if at == place else entry for at, entry in enumerate(entries)
    ]


def linearizable_by_trying(entries: Sequence[Entry], model: str, up_to: int | None = None) -> bool:
    """Every order and every subset of the operations without response, key by key. `up_to` a place,
    what returns there or later counts as under way, though it is known what it claims."""
    found = operations(entries)
    chosen = MODELS[model]
    end = len(entries) if up_to is None else up_to
    return all(
        _key_by_trying([one for one in found if one.key == key], entries, chosen, end)
        for key in {one.key for one in found}
    )


def _key_by_trying(
    found: Sequence[Operation], entries: Sequence[Entry], model: Model, end: int
) -> bool:
    claims: list[tuple[Action, int, int | None]] = []
    for one in found:
        action = model.action(one, entries)
        if action is None or one.invoked >= end:
            continue
        if one.completed is not None and one.completed < end:
            claims.append((action, one.invoked, one.completed))
        elif action.verb not in model.read_only:
            claims.append((action, one.invoked, None))

    def order(state: State, rest: list[tuple[Action, int, int | None]]) -> bool:
        if all(returned is None for _, _, returned in rest):
            return True
        first_return = min(returned for _, _, returned in rest if returned is not None)
        for place, (action, invoked, _) in enumerate(rest):
            if invoked < first_return:
                after = model.step(state, action)
                if after is not ILLEGAL and order(after, rest[:place] + rest[place + 1 :]):
                    return True
        return False

    return order(model.initial, claims)


def _initial(model: str) -> Any:
    return {"counter": 0, "set": [], "queue": [], "append-list": []}.get(model)


def _operation(model: str, rng: Random, number: int) -> tuple[str, Any]:
    value = rng.randrange(3)
    match model:
        case "set":
            return rng.choice([("read", None), ("add", value)])
        case "counter":
            by = rng.choice([1, 2, -1])
            return rng.choice([("read", None), ("add", by), ("increment", None)])
        case "queue":
            return rng.choice([("dequeue", None), ("enqueue", value)])
        case "append-list":
            return rng.choice([("read", None), ("append", rng.choice([value, number]))])
    choices: list[tuple[str, Any]] = [("read", None), ("write", value)]
    if model != "register":
        choices.append(("cas", [rng.randrange(3), value]))
    if model == "kv":
        text = rng.choice(["a", "b", ""])
        choices = [("get", None), ("read", None), ("append", text), ("append", text + "c")]
        choices += [("put", text), ("cas", ["a", "b"]), ("delete", None)]
    return rng.choice(choices)


def _act(model: str, state: Any, f: str, argument: Any) -> tuple[Any, Any, bool]:
    """State after, result, and whether the operation was refused."""
    match f:
        case "read" | "get":
            return state, state, False
        case "write" | "put":
            return argument, None, False
        case "delete":
            return None, None, False
        case "cas":
            old, new = argument
            return (new, None, False) if state == old else (state, None, True)
        case "append":
            joined = (state or "") + argument if model == "kv" else [*state, argument]
            return joined, None, False
        case "add" if model == "set":
            return sorted({*state, argument}), None, False
        case "add" | "increment":
            return state + (1 if argument is None else argument), None, False
        case "enqueue":
            return [*state, argument], None, False
    assert f == "dequeue"
    return (state[1:], state[0], False) if state else (state, None, False)


def _another(model: str, value: Any, rng: Random) -> Any:
    match model:
        case "set":
            return sorted(set(value) ^ {rng.randrange(3)})
        case "counter":
            return value + rng.choice([-2, -1, 1, 2])
        case "queue":
            return rng.choice([one for one in (None, 0, 1, 2) if one != value])
        case "append-list":
            return rng.choice([value[:-1], [*value, rng.randrange(3)], value[::-1], value[1:]])
        case "kv":
            return rng.choice([one for one in (None, "a", "b", "ac", "ab") if one != value])
    return rng.choice([one for one in (None, 0, 1, 2) if one != value])
