"""Schedules of faults as YAML: recorded from any run, replayed in any runtime.

    - at: 1200ms
      do: partition
      groups: [[n1], [n2, n3]]
    - at: 3s
      do: heal

`at` counts from the beginning of the run; the rest of a step is a fault as `fault_from_dict` takes
it. The order of the steps is that of their times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import yaml

from labs.kit.crash_points import check_point
from labs.kit.durations import parse_ms
from labs.kit.errors import LabError
from labs.kit.lab import Lab
from labs.kit.text import visible
from nodes.cluster.api import Cluster
from nodes.cluster.faults import Fault, FaultRefused, fault_from_dict
from nodes.core import NodeId
from nodes.timeline import FAULT, TimelineEvent

BYTES_MAX: Final = 1 << 20
STEPS_MAX: Final = 10_000
DEPTH_MAX: Final = 6  # a list of steps, a step, groups, a group; and some room for mistakes
AT_MS_MAX: Final = 7 * 24 * 3_600_000
_TEXT_TAG: Final = "tag:yaml.org,2002:str"


class ScheduleMalformed(LabError):
    """The file is no schedule; the message names the line."""


class Injected(Protocol):
    """A fault and its moment, as `labs.kit.chaos` lists them."""

    @property
    def at_ms(self) -> int: ...
    @property
    def fault(self) -> Fault: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One fault, and when."""

    at_ms: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step that could not act when its time came, and why: a node that is down already cannot be
    killed."""

    step: Step
    reason: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps in order of time."""

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        # Sorting is stable: steps of one moment keep their order.
        ordered = tuple(sorted(self.steps, key=lambda step: step.at_ms))
        object.__setattr__(self, "steps", ordered)

    @classmethod
    def of(cls, injections: Iterable[Injected]) -> Schedule:
        """What was injected in a run, for instance `Chaos.injections`."""
        return cls(tuple(Step(one.at_ms, one.fault) for one in injections))

    @classmethod
    def of_events(cls, events: Iterable[TimelineEvent]) -> Schedule:
        """The faults that a timeline tells of, of whatever runtime. Raises ValueError for an event
        that claims to be a fault and is none."""
        steps = []
        for event in events:
            if event.kind == FAULT:
                plain: Any = event.fields.get("fault")
                plain = json.loads(plain) if isinstance(plain, str) else plain
                steps.append(Step(int(event.at_ms), fault_from_dict(plain)))
        return cls(tuple(steps))

    @classmethod
    def load(cls, path: Path) -> Schedule:
        """Reads a file. Raises ScheduleMalformed, naming file and line."""
        try:
            with path.open("rb") as file:
                raw = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise ScheduleMalformed(f"{path}: cannot be read: {error.strerror}") from None
        if len(raw) > BYTES_MAX:
            raise ScheduleMalformed(f"{path}: is larger than {BYTES_MAX:,} bytes")
        try:
            return cls.parse(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise ScheduleMalformed(f"{path}: is no UTF-8 text") from None
        except ScheduleMalformed as error:
            raise ScheduleMalformed(f"{path}: {error.message}") from None

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Reads the YAML form. Raises ScheduleMalformed, naming the line."""
        root = _composed(text)
        if root is None:
            return cls()
        if not isinstance(root, yaml.SequenceNode):
            raise _malformed(root, "a schedule is a list of steps, each with `at` and `do`")
        if len(root.value) > STEPS_MAX:
            raise _malformed(root, f"more than {STEPS_MAX:,} steps")
        return cls(tuple(_step(node) for node in root.value))

    def dump(self) -> str:
        """The YAML form; `parse` gives the same schedule again."""
        return "".join(map(_dump_step, self.steps)) or "[]\n"

    def save(self, path: Path) -> None:
        """Writes the file. Raises LabError when it cannot be written."""
        try:
            path.write_text(self.dump(), encoding="utf-8")
        except OSError as error:
            raise LabError(f"{path}: cannot be written: {error.strerror}") from None

    def check(self, nodes: Sequence[NodeId], lab: Lab | None = None) -> None:
        """Raises LabError for a fault that makes no sense in a cluster of these nodes, or in this
        lab."""
        for step in self.steps:
            try:
                step.fault.check(tuple(nodes))
                if lab is not None:
                    check_point(step.fault, lab.id, lab.crash_points)
            except FaultRefused as refused:
                what = f"the {step.fault.kind} at {step.at_ms} ms"
                raise LabError(f"schedule: {what}: {refused}") from None


async def replay(cluster: Cluster, schedule: Schedule) -> tuple[Skipped, ...]:
    """Injects each fault when its time has come, counted from now; returns what could not act.

    Raises LabError, before anything happens, for a fault that makes no sense in this cluster, and
    RuntimeFailure for one that the runtime could not bring about.
    """
    schedule.check(cluster.nodes)
    skipped = []
    began_ms = cluster.now_ms()
    for step in schedule.steps:
        wait_ms = began_ms + step.at_ms - cluster.now_ms()
        if wait_ms > 0:
            await cluster.sleep(wait_ms)
        try:
            await cluster.faults.inject(step.fault)
        except FaultRefused as refused:
            skipped.append(Skipped(step, str(refused)))
    return tuple(skipped)


# --------------------------------------------------------------------------------------- writing


def _dump_step(step: Step) -> str:
    plain = {"at": f"{step.at_ms}ms", **step.fault.to_dict()}
    lines = [
        # The flow style of a mapping, without its braces: one line a field, lists inside it.
        yaml.safe_dump({name: value}, default_flow_style=True, width=1_000_000).strip()[1:-1]
        for name, value in plain.items()
    ]
    return "- " + "\n  ".join(lines) + "\n"


# --------------------------------------------------------------------------------------- reading


def _composed(text: str) -> yaml.Node | None:
    """The document as nodes that know their lines, after everything that is no plain data has been
    refused: it must not come to expanding an alias, or to recursing a thousand levels."""
    try:
        _refuse_what_is_not_plain(text)
        node: yaml.Node | None = yaml.SafeLoader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScheduleMalformed(f"line {line}: no YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ScheduleMalformed(f"no YAML: {' '.join(str(error).split())}") from None
    return node


def _refuse_what_is_not_plain(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ScheduleMalformed(f"line {line}: anchors and aliases have no place in a schedule")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
            raise ScheduleMalformed(f"line {line}: tags have no place in a schedule")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MAX:
            raise ScheduleMalformed(f"line {line}: nested too deeply")


def _step(node: yaml.Node) -> Step:
    plain = _plain(node)
    if not isinstance(plain, Mapping):
        raise _malformed(node, "a step is a mapping with `at` and `do`")
    fields = dict(plain)
    if "at" not in fields:
        raise _malformed(node, "the step lacks `at`, as in at: 1200ms")
    at_ms = _moment(node, fields.pop("at"))
    try:
        return Step(at_ms, fault_from_dict(fields))
    except FaultRefused as refused:
        raise _malformed(node, str(refused)) from None


def _moment(node: yaml.Node, value: object) -> int:
    if not isinstance(value, str):
        raise _malformed(node, f"at is {value!r}, but must be a time with a unit, such as 1200ms")
    try:
        at_ms = parse_ms(value, "at")
    except LabError as error:
        raise _malformed(node, error.message) from None
    if not 0 <= at_ms <= AT_MS_MAX:
        raise _malformed(node, f"at {value}: expected 0ms to a week")
    return at_ms


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        fields: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag != _TEXT_TAG:
                raise _malformed(key, "a key must be a word")
            if key.value in fields:
                raise _malformed(key, f"{key.value} is there twice")
            fields[key.value] = _plain(value)
        return fields
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        raise _malformed(node, f"{node.value[:40]!r} is no value") from None


def _malformed(node: yaml.Node, problem: str) -> ScheduleMalformed:
    return ScheduleMalformed(f"line {_line(node)}: {visible(problem)}")


def _line(part: yaml.Node | yaml.Event) -> int:
    return part.start_mark.line + 1 if part.start_mark else 1
