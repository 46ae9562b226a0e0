"""What the objects promise: one sequential model each.

A model turns every operation into an `Action`, which is what the operation claims; `step` says
what an action does to a state, or that it cannot happen there. Every model is judged key by key:
a history is linearizable exactly if that of each object is (Herlihy and Wing 1990, theorem 1).

An operation that says nothing has no action: a read that got no answer, anything that certainly
did not happen. A compare-and-set that was told "another value is there" did answer, and counts.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

from labs.kit.checkers.values import Truth, freeze, show
from labs.kit.history import OTHER_VALUE, Entry, HistoryMalformed, Operation
from labs.kit.text import visible

State = Hashable
# Errors of a failed compare-and-set that say: the old value was not there. None is Jepsen's way.
SAID_NO: Final = frozenset({None, "precondition-failed", "mismatch", OTHER_VALUE})


class Illegal:
    """What `step` returns for an action that cannot happen in a state."""


ILLEGAL: Final = Illegal()


class Action(NamedTuple):
    """What an operation claims, such as ("read", 3) or ("cas", 1, 2)."""

    verb: str
    value: Hashable = None
    new: Hashable = None


class Model:
    """One kind of object. Instances hold nothing: a model is its functions."""

    name: str
    functions: tuple[str, ...]
    initial: State = None
    read_only: frozenset[str] = frozenset({"read"})  # verbs that leave every state as it is
    values_identify_writes = False  # may a read say which write it saw? See `versions.py`

    def action(self, operation: Operation, entries: Sequence[Entry]) -> Action | None:
        """What the operation claims; None if that is nothing. Raises HistoryMalformed."""
        if operation.f not in self.functions:
            known = ", ".join(self.functions)
            raise malformed(
                operation, f"the model {self.name} has no {operation.f}; it has {known}"
            )
        if operation.outcome == "fail":
            return self._failed(operation, entries)
        return self._claimed(operation, operation.outcome == "ok")

    def step(self, state: State, action: Action) -> State | Illegal:
        """The state after the action, or ILLEGAL."""
        raise NotImplementedError

    def show_state(self, state: State) -> str:
        """A state in words."""
        return show(state)

    def _claimed(self, operation: Operation, known: bool) -> Action | None:
        raise NotImplementedError

    def _failed(self, operation: Operation, entries: Sequence[Entry]) -> Action | None:
        del operation, entries
        return None


class Register(Model):
    """One value; reads return the latest written. Nothing was written: null."""

    name = "register"
    functions: tuple[str, ...] = ("read", "write")
    read_only = frozenset({"read", "not"})
    values_identify_writes = True

    def step(self, state: State, action: Action) -> State | Illegal:
        """See Model.step."""
        verb, value, new = action
        if verb == "read":
            return state if state == value else ILLEGAL
        if verb == "write":
            return value
        if verb == "cas":
            return new if state == value else ILLEGAL
        if verb == "not":
            return state if state != value else ILLEGAL
        assert verb == "append"
        return appended(state, value)

    def _claimed(self, operation: Operation, known: bool) -> Action | None:
        match operation.f:
            case "read" | "get":
                return Action("read", freeze(operation.result)) if known else None
            case "write" | "put":
                return Action("write", freeze(operation.argument))
            case "delete":
                return Action("write", None)
            case "append":
                return Action("append", freeze(operation.argument))
        old, new = pair(operation)
        if known and operation.result is False:
            return Action("not", old)
        return Action("cas", old, new)

    def _failed(self, operation: Operation, entries: Sequence[Entry]) -> Action | None:
        if operation.f != "cas" or operation.completed is None:
            return None
        old, _ = pair(operation)
        return Action("not", old) if entries[operation.completed].error in SAID_NO else None


class CasRegister(Register):
    """A register with compare-and-set; its value is `[old, new]`."""

    name = "cas-register"
    functions = ("read", "write", "cas")


class Kv(Register):
    """A key-value store. append joins strings, and adds an element to a list; a key that is not
    there is null and takes either."""

    name = "kv"
    functions = ("read", "get", "write", "put", "cas", "append", "delete")


class AppendList(Model):
    """A list that only grows; reads return all of it."""

    name = "append-list"
    functions = ("read", "append")
    initial = ()

    def step(self, state: State, action: Action) -> State | Illegal:
        """See Model.step."""
        assert isinstance(state, tuple)
        if action.verb == "append":
            return (*state, action.value)
        return state if state == action.value else ILLEGAL

    def _claimed(self, operation: Operation, known: bool) -> Action | None:
        if operation.f == "append":
            return Action("append", freeze(operation.argument))
        return Action("read", listed(operation)) if known else None


class GrowSet(Model):
    """Elements that are added; reads return all of them, in any order, each once."""

    name = "set"
    functions = ("read", "add")
    initial: State = frozenset()

    def step(self, state: State, action: Action) -> State | Illegal:
        """See Model.step."""
        assert isinstance(state, frozenset)
        if action.verb == "add":
            return state if action.value in state else state | {action.value}
        return state if state == action.value else ILLEGAL

    def show_state(self, state: State) -> str:
        """See Model.show_state."""
        assert isinstance(state, frozenset)
        return "{" + show(tuple(sorted(state, key=repr)))[1:-1] + "}"

    def _claimed(self, operation: Operation, known: bool) -> Action | None:
        if operation.f == "add":
            return Action("add", freeze(operation.argument))
        if not known:
            return None
        elements = listed(operation)
        unique = frozenset(elements)
        # An element that is returned twice is in no set: such a read is legal nowhere.
        return Action("read", unique if len(unique) == len(elements) else elements)


class Counter(Model):
    """A sum; add takes a whole number, increment one or nothing, which is 1."""

    name = "counter"
    functions = ("read", "add", "increment")
    initial = 0

    def step(self, state: State, action: Action) -> State | Illegal:
        """See Model.step."""
        assert isinstance(state, int)
        if action.verb == "add":
            assert isinstance(action.value, int)
            return state + action.value
        return state if state == action.value else ILLEGAL

    def _claimed(self, operation: Operation, known: bool) -> Action | None:
        if operation.f == "read":
            return Action("read", freeze(operation.result)) if known else None
        by = operation.argument
        if operation.f == "increment" and by is None:
            by = 1
        if type(by) is not int:
            raise malformed(operation, f"{operation.f} takes a whole number, not {by!r}")
        return Action("add", by)


class Queue(Model):
    """First in, first out. A dequeue that returned null found it empty."""

    name = "queue"
    functions = ("enqueue", "dequeue")
    initial = ()
    read_only = frozenset({"empty"})

    def step(self, state: State, action: Action) -> State | Illegal:
        """See Model.step."""
        assert isinstance(state, tuple)
        match action.verb:
            case "enqueue":
                return (*state, action.value)
            case "empty":
                return ILLEGAL if state else state
            case "take":
                # The answer was lost: whatever was first is gone, if there was anything.
                return state[1:]
        return state[1:] if state and state[0] == action.value else ILLEGAL

    def _claimed(self, operation: Operation, known: bool) -> Action | None:
        if operation.f == "enqueue":
            if operation.argument is None:
                raise malformed(operation, "null cannot be enqueued: it means an empty queue")
            return Action("enqueue", freeze(operation.argument))
        if not known:
            return Action("take")
        if operation.result is None:
            return Action("empty")
        return Action("dequeue", freeze(operation.result))


MODELS: Final[dict[str, Model]] = {
    model.name: model
    for model in (*(Register(), CasRegister(), Kv(), GrowSet(), Counter(), Queue(), AppendList()),)
}


def describe(operation: Operation) -> str:
    """An operation in a few words, such as `read -> 3` or `cas 1 to 2: said no`."""
    words = [operation.f]
    if operation.f == "cas" and isinstance(operation.argument, list | tuple):
        words.append(" to ".join(show(freeze(value)) for value in operation.argument))
    elif operation.argument is not None and operation.f not in ("read", "get", "dequeue"):
        words.append(show(freeze(operation.argument)))
    if operation.outcome == "info":
        return " ".join([*words, "-> ?"])
    if operation.outcome == "fail" or (operation.f == "cas" and operation.result is False):
        return " ".join([*words, "-> no"])
    if operation.f in ("read", "get", "dequeue"):
        words += ["->", show(freeze(operation.result))]
    return visible(" ".join(words))


def appended(state: State, value: Hashable) -> State | Illegal:
    """What an append makes of a string, of a list, or of nothing."""
    if isinstance(state, tuple):
        return (*state, value)
    if isinstance(value, str) and (state is None or isinstance(state, str)):
        return (state or "") + value
    return (value,) if state is None else ILLEGAL


def pair(operation: Operation) -> tuple[Hashable, Hashable]:
    """Old and new of a compare-and-set. Raises HistoryMalformed."""
    value = operation.argument
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise malformed(operation, f"cas takes [old, new], not {value!r}")
    return freeze(value[0]), freeze(value[1])


def listed(operation: Operation) -> tuple[Hashable, ...]:
    """The list that a read returned; null is an empty one. Raises HistoryMalformed."""
    value = [] if operation.result is None else operation.result
    if not isinstance(value, list | tuple):
        raise malformed(operation, f"a read returns a list here, not {value!r}", completion=True)
    return tuple([freeze(item) for item in value])


def malformed(operation: Operation, what: str, *, completion: bool = False) -> HistoryMalformed:
    """Names the line of the operation's invocation, or of its completion."""
    place = operation.invoked
    if completion and operation.completed is not None:
        place = operation.completed
    return HistoryMalformed(f"line {place + 1}: {visible(what)}")


__all__ = ["ILLEGAL", "MODELS", "Action", "Illegal", "Model", "State", "Truth", "describe"]
