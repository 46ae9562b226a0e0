"""What a lab is: data that the command, the conductor and the checks read.

A lab's `lab.py` imports this module and nothing heavy, so that `lab list` stays quick: cores and
protos are named, never imported here. Views reach a lab as plain dictionaries, in the field names
of its proto.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from labs.kit.outcome_text import OutcomeText, key_value_text

Value: TypeAlias = int | str
View: TypeAlias = Mapping[str, Any]
Views: TypeAlias = Mapping[str, View]  # by node id; nodes that do not answer are missing
Sentence: TypeAlias = str | Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a lab: a whole number within bounds, or one of a few words.

    `doc` is one line; a name ends in its unit.
    """

    name: str
    default: Value
    doc: str
    minimum: int = 0
    maximum: int = 2**31 - 1
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Value:
        """The value that a user wrote. Raises ValueError with one line that says what is
        allowed."""
        if self.choices:
            if text not in self.choices:
                raise ValueError(f"{self.name}={text}: expected one of {', '.join(self.choices)}")
            return text
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{self.name}={text}: expected a whole number") from None
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{self.name}={text}: expected {self.minimum} to {self.maximum}")
        return value


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the live table; `value` reads it off a node's view."""

    title: str
    value: Callable[[View], str]


def shown(field_name: str) -> Callable[[View], str]:
    """Reads one field of a view as it is; nothing when the view lacks it."""
    return lambda view: str(view.get(field_name, ""))


def role_in_view(view: View) -> str:
    """The role of a node whose view has a field of that name."""
    return str(view.get("role", ""))


@dataclass(frozen=True, slots=True)
class RoleChange:
    """What an event says about the role and the term of its node; None leaves it as it is."""

    role: str | None = None
    term: int | None = None


def no_role(note: Mapping[str, Any]) -> RoleChange | None:
    """For labs whose nodes are all alike."""
    return None


@dataclass(frozen=True, slots=True)
class SpanChange:
    """What an event says about something that lasts, for the bars of a space-time diagram: under
    this name a bar begins, instead of the one before; without a label it only ends.

    `node` is the lane, by default that of the event. A bar ends when the node that told of it
    crashes, unless what it stands for is `durable`. `kind` says how it is drawn.
    """

    name: str
    label: str = ""
    kind: Literal["work", "undo", "hold"] = "work"
    node: str = ""
    durable: bool = False


def no_spans(note: Mapping[str, Any]) -> Sequence[SpanChange]:
    """For labs in which nothing lasts that a role does not say."""
    return ()


@dataclass(frozen=True, slots=True)
class SettingsVerdict:
    """What a lab thinks of a combination of settings: errors refuse it, warnings are told."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def accept(settings: Mapping[str, Value], node_count: int) -> SettingsVerdict:
    """The verdict of a lab whose settings do not depend on each other."""
    return SettingsVerdict()


def no_leader(views: Views) -> str | None:
    """For labs that have no leader."""
    return None


def all_answer(views: Views, node_ids: Sequence[str]) -> bool:
    """Ready once every node answers."""
    return all(node in views for node in node_ids)


def silent(then: Views, now: Views, node_ids: Sequence[str]) -> tuple[str, ...]:
    """For labs in which a node that answers has nothing to catch up with."""
    return tuple(node for node in node_ids if node not in now)


def no_picture(views: Views, settings: Mapping[str, Value]) -> Sequence[str]:
    """For labs of which the table of nodes says everything."""
    return ()


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab. `core` is `module:Class`; `protos` are module names whose services the core serves.

    `real_settings` and `sim_settings` replace defaults on real processes and in simulation.
    `sentences` turn a note of the core into a line for people: `{node}` and the note's own fields;
    an empty one is not worth a line, nor are `quiet_kinds`.
    `ready(views, node_ids)` says whether the cluster can serve; `lagging(then, now, node_ids)`
    names those that have yet to learn what was committed `then`; `wait_unit_ms(settings)` is the
    longest time the protocol waits before it acts, the unit of all deadlines around it.
    `crash_points` are the points of the core at which a node can be made to die, each with what it
    means, in one line.
    `client` is the `module:Class` that carries out client operations: `client_verbs` are those that
    it serves, `client_options` what may be said with them that not every lab has, `outcome_text`
    turns an outcome, as `--json` prints it, into lines. `role_in_note` reads role and term off
    an event, a dictionary as sentences get it, for the lanes of a space-time diagram;
    `spans_in_note` what lasts there: steps, locks.
    `picture(views, settings)` is what `lab status` and `lab watch` show below the nodes, in lines
    of at most 80 columns; `key_view` is the `module:Class` (labs.kit.key_view) behind
    `lab status --key`. `report_pictures` is the `module:function` (labs.kit.pictures) that draws
    for the report of a run how its trial ended.
    """

    id: str
    title: str
    summary: str
    protos: tuple[str, ...]
    core: str
    nodes_default: int = 5
    nodes_min: int = 1
    nodes_max: int = 7
    order: int = 100
    settings: tuple[Setting, ...] = ()
    real_settings: Mapping[str, Value] = field(default_factory=dict)
    sim_settings: Mapping[str, Value] = field(default_factory=dict)
    validate: Callable[[Mapping[str, Value], int], SettingsVerdict] = accept
    roles: tuple[str, ...] = ()
    role_of: Callable[[View], str] = role_in_view
    leader: Callable[[Views], str | None] = no_leader
    ready: Callable[[Views, Sequence[str]], bool] = all_answer
    lagging: Callable[[Views, Views, Sequence[str]], tuple[str, ...]] = silent
    wait_unit_ms: Callable[[Mapping[str, Value]], int] = lambda _settings: 1000
    view_columns: tuple[Column, ...] = ()
    sentences: Mapping[str, Sentence] = field(default_factory=dict)
    quiet_kinds: frozenset[str] = frozenset()
    role_in_note: Callable[[Mapping[str, Any]], RoleChange | None] = no_role
    spans_in_note: Callable[[Mapping[str, Any]], Sequence[SpanChange]] = no_spans
    crash_points: Mapping[str, str] = field(default_factory=dict)
    client: str = "labs.kit.operations:KeyValueClient"
    client_verbs: tuple[str, ...] = ()
    client_options: tuple[str, ...] = ()
    outcome_text: Callable[[str, Mapping[str, Any]], OutcomeText] = key_value_text
    picture: Callable[[Views, Mapping[str, Value]], Sequence[str]] = no_picture
    key_view: str = ""
    report_pictures: str = ""
    readme: str = ""

    def setting(self, name: str) -> Setting | None:
        """The setting of this name, if there is one."""
        return next((setting for setting in self.settings if setting.name == name), None)

    def defaults(self, *, simulated: bool = False) -> dict[str, Value]:
        """The settings that hold when the user says nothing."""
        values = {setting.name: setting.default for setting in self.settings}
        return {**values, **(self.sim_settings if simulated else self.real_settings)}
