"""The exercise file, made from the reference: the methods marked @exercise, blank or filled in.

So the two cannot drift apart. Bodies stand in the file as the reference has them, comments
included, and everything that any of them needs is imported from the start.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Final

from labs.kit.grading.course import Course, Part
from nodes.core import Core, Exercise
from nodes.loading import load_core

COLUMNS: Final = 100
GROUPS: Final = ({"__future__"}, None, {"labs", "nodes", "protos"})  # None: everything else

HEADER: Final = '''\
"""Your {title}: the methods that you write. Everything else is given.

Work part by part; labs/{folder}/README.md leads through the course.

{commands}

Replace each `raise NotWritten(...)` by your code. Methods of later parts are taken from the
reference while they are blank, so part 1 can pass before part 2 is begun.

Handlers say what they want through self, and it happens in this order (nodes/core.py):

{orders}

    self.now.mono_ms                          the only clock; self.env.rng is the only chance
    self.env.node_id, self.env.peers          this node, and all others

Your code must depend on nothing else: no time, random, files or threads, or it could not be
replayed. What the names of this lab mean stands with each part.
"""
'''
COMMANDS: Final = (
    ("lab check {lab} --mine --part 1 --watch", "judges part 1 again whenever you save"),
    ("lab hint {lab}", "the next hint for the first check that fails"),
    ("lab check {lab} --mine", "the whole grade"),
    ("lab reset {lab} [--part P]", "a fresh file, with the parts before P filled in"),
)
# Those of logs are shown where some method needs them.
ORDERS: Final = (
    ("self.save(slot, message)", "durable before all that follows, as what a log is told"),
    ("self.append(log, first_index, entries)", ""),
    ("self.truncate(log, from_index)", "drops the entries from there on"),
    ("self.discard(log, through_index)", "drops the entries up to and including that one"),
    ("self.call(peer, request, timeout_ms=...)", "the response comes to the method @on_response"),
    ("self.respond(caller, response)", "a handler may also return its response"),
    ("self.set_timer(name, delay_ms)", "fires the method @on_timer(name)"),
    ("self.cancel_timer(name)", ""),
    ("self.note(kind, name=value)", "a line in the timeline, for people"),
)
ORDER_COLUMNS: Final = 42
OF_LOGS: Final = ("append", "truncate", "discard")


class Unfit(Exception):
    """A method is marked as an exercise, and cannot be one. An author's mistake."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A method that learners write. `source` is the reference's, as it stands in its class, without
    the mark."""

    name: str
    exercise: Exercise
    source: str
    blank: str
    imports: Mapping[str, str]  # what the source uses, by name: the statement that brings it


def exercise_path(course: Course) -> Path:
    """Where the learner writes."""
    import labs

    return Path(labs.__path__[0]) / course.lab.replace("-", "_") / course.exercise_file


def marked_methods(core: type[Core]) -> list[Marked]:
    """By part, and within a part in the order of the reference. Raises Unfit."""
    found = [
        _marked(core, name, member)
        for layer in reversed(core.__mro__)
        for name, member in vars(layer).items()
        if hasattr(member, "_exercise")
    ]
    return sorted(found, key=lambda method: method.exercise.part)


def skeleton(course: Course, first_blank: int = 1) -> str:
    """The text of an exercise file: parts before `first_blank` filled in, the others blank."""
    methods = marked_methods(load_core(course.reference))
    module, class_name = course.reference.split(":")
    imports = {"from __future__ import annotations", f"from {module} import {class_name}"}
    for method in methods:
        imports |= set(method.imports.values())
    if any(method.exercise.part >= first_blank for method in methods):
        imports.add("from nodes.core import NotWritten")
    written = course.exercise.partition(":")[2]
    folder = course.lab.replace("-", "_")
    lines = [
        _header(class_name, folder, course.lab, methods),
        *_import_lines(imports),
        "",
        "",
        f"class {written}({class_name}):",
        f'    """Your {class_name}. What is not here is as in {module}."""',
    ]
    notes = _notes(course)
    for part in course.parts:
        lines += ["", *_heading(part, notes.get(part.number, ""))]
        for method in methods:
            if method.exercise.part == part.number:
                blank = part.number >= first_blank
                lines += ["", method.blank if blank else method.source]
    return "\n".join(lines) + "\n"


def _header(title: str, folder: str, lab: str, methods: Iterable[Marked]) -> str:
    """What the file says of itself."""
    commands = [(command.format(lab=lab), does) for command, does in COMMANDS]
    columns = max(len(command) for command, _ in commands) + 3
    sources = "\n".join(method.source for method in methods)
    has_logs = any(f"self.{name}(" in sources for name in OF_LOGS)
    orders = [
        (order, does if has_logs else does.removesuffix(", as what a log is told"))
        for order, does in ORDERS
        if has_logs or not order.startswith(tuple(f"self.{name}(" for name in OF_LOGS))
    ]
    return HEADER.format(
        title=title,
        folder=folder,
        commands=_two_columns(commands, columns),
        orders=_two_columns(orders, ORDER_COLUMNS),
    )


def _two_columns(rows: Iterable[tuple[str, str]], columns: int) -> str:
    return "\n".join(f"    {left:{columns}}{right}".rstrip() for left, right in rows)


def _notes(course: Course) -> Mapping[int, str]:
    """What the lab says of each part's names: `labs/NAME/given.py`."""
    notes: Mapping[int, str] = import_module(f"labs.{course.lab.replace('-', '_')}.given").GIVEN
    return notes


def _heading(part: Part, notes: str) -> Iterator[str]:
    title = f" part {part.number}: {part.title}"
    yield f"    # {'-' * (COLUMNS - 6 - len(title))}{title}"
    for paragraph in (part.goal, f"Read: {part.read}", *notes.strip().splitlines()):
        # What goes on for more than a line is indented, so that one sees where the next begins.
        yield from textwrap.wrap(
            paragraph, COLUMNS, initial_indent="    # ", subsequent_indent="    #   "
        )


# ----------------------------------------------------------------------------------------- methods


def _marked(core: type[Core], name: str, function: object) -> Marked:
    if getattr(core, name) is not function:
        raise Unfit(f"{name} is not the last word: a later layer overrides it")
    if not isinstance(function, FunctionType):
        raise Unfit(f"{name} is not a plain method")
    exercise: Exercise = function.__dict__["_exercise"]
    lines = inspect.getsource(function).rstrip().splitlines()
    tree = ast.parse(textwrap.dedent("\n".join(lines))).body[0]
    assert isinstance(tree, ast.FunctionDef), "the source of a method is a function"
    if any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(tree)):
        raise Unfit(f"{name} calls super(), which in the learner's class is the reference itself")
    marks = [node for node in tree.decorator_list if _is_mark(node)]
    assert len(marks) == 1, f"{name} is marked once, by name"
    tree.decorator_list.remove(marks[0])
    dropped = range(marks[0].lineno - 1, marks[0].end_lineno or marks[0].lineno)
    kept = [line for number, line in enumerate(lines) if number not in dropped]
    head = lines[dropped.stop : _end_of_head(tree, lines)]
    if marks[0].lineno != 1:
        raise Unfit(f"{name}: @exercise stands above all other decorators")
    todo = textwrap.wrap(
        f"TODO: {exercise.brief}",
        COLUMNS,
        initial_indent="        # ",
        subsequent_indent="        #   ",
    )
    raising = f'        raise NotWritten({exercise.part}, "{name}")'
    return Marked(
        name,
        exercise,
        source="\n".join(kept),
        blank="\n".join([*head, *todo, raising]),
        imports=_imports_of(tree, function),
    )


def _is_mark(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and (node.func.id == "exercise")
    )


def _end_of_head(tree: ast.FunctionDef, lines: list[str]) -> int:
    """How many lines are signature and docstring."""
    first = tree.body[0]
    if ast.get_docstring(tree) is not None:
        return first.end_lineno or first.lineno
    end = first.lineno - 1
    while not lines[end - 1].rstrip().endswith(":"):  # a comment above the first statement
        end -= 1
    return end


# ----------------------------------------------------------------------------------------- imports


def _imports_of(tree: ast.AST, function: FunctionType) -> dict[str, str]:
    """The statements that bring the names which the method uses and does not make itself."""
    known = _importable(function.__module__)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    own: set[str | None] = set()
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=made) | ast.ExceptHandler(name=made):
                own.add(made)
            case ast.Name(id=made, ctx=ast.Store()):
                own.add(made)
    wanted = sorted(used - own - set(vars(builtins)))
    missing = [name for name in wanted if name not in known]
    if missing:
        raise Unfit(f"{function.__name__} uses {missing[0]}, which cannot be imported")
    return {name: known[name] for name in wanted}


@cache
def _importable(module: str) -> dict[str, str]:
    """By name: the statement that brings it from where the module has it, or from the module."""
    known = {
        name: f"from {module} import {name}"
        for name, value in vars(import_module(module)).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    for node in ast.parse(inspect.getsource(import_module(module))).body:
        if isinstance(node, ast.Import):
            for name in node.names:
                renamed = f" as {name.asname}" if name.asname else ""
                known[name.asname or name.name] = f"import {name.name}{renamed}"
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                renamed = f" as {name.asname}" if name.asname else ""
                known[name.asname or name.name] = f"from {node.module} import {name.name}{renamed}"
    return known


def _import_lines(statements: Iterable[str]) -> list[str]:
    """Joined and sorted as the project's linter wants them."""
    plain: list[str] = []
    members: dict[str, list[str]] = {}
    for statement in statements:
        if statement.startswith("import "):
            plain.append(statement)
            continue
        module, _, name = statement.removeprefix("from ").partition(" import ")
        # A member with a name of its own here has a line of its own.
        members.setdefault(f"{module} {name}" if " as " in name else module, []).append(name)
    joined = {
        key: _joined(key.split()[0], sorted(names, key=_by_kind)) for key, names in members.items()
    }
    groups: list[list[str]] = []
    for chosen in GROUPS:
        here = [line for line in sorted(plain) if _is_in(line.split()[1], chosen)]
        here += [text for key, text in sorted(joined.items()) if _is_in(key.split()[0], chosen)]
        if here:
            groups.append(here)
    return "\n\n".join("\n".join(group) for group in groups).splitlines()


def _is_in(module: str, group: set[str] | None) -> bool:
    first = module.split(".")[0]
    if group is None:
        return not any(first in other for other in GROUPS if other is not None)
    return first in group


def _joined(module: str, names: list[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= COLUMNS:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _by_kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name
