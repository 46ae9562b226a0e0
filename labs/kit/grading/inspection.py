"""What can be said of a learner's file without running it: what a core must not do, and what is not
written yet.

This is advice that comes early and names the line. It keeps nobody in: the player's cage does.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final

from nodes.core import Core

MODULES: Final = frozenset(
    {"__future__", "collections", "collections.abc", "dataclasses", "typing", "itertools"}
    | {"functools", "math", "bisect", "heapq", "enum", "operator"}
    | {"nodes.core", "google.protobuf.message"}
)
PACKAGES: Final = ("nodes.parts.", "nodes.cores.", "protos.")
INSTEAD: Final[Mapping[str, str]] = {
    "time": "use self.now",
    "datetime": "use self.now",
    "random": "use self.env.rng",
    "secrets": "use self.env.rng",
    "uuid": "use self.env.rng",
    "threading": "a core is stepped, one event after the other",
    "asyncio": "a core is stepped, one event after the other",
    "logging": "use self.note",
    "grpc": "use self.call and self.respond",
    "socket": "use self.call and self.respond",
}
BANNED: Final[Mapping[str, str]] = {
    "eval": "text never becomes code in a core",
    "exec": "text never becomes code in a core",
    "compile": "text never becomes code in a core",
    "__import__": "import at the top of the file",
    "__builtins__": "use them by their names",
    "__loader__": "import at the top of the file",
    "__spec__": "import at the top of the file",
    "open": "what must last goes through self.save and self.append",
    "input": "a core learns by events only",
    "breakpoint": "it would stop the judge; print, or self.note",
    "globals": "use names",
    "locals": "use names",
    "vars": "use names",
    "id": "it differs from run to run",
    "hash": "it differs from run to run",
    "exit": "a core goes on for ever",
    "quit": "a core goes on for ever",
}
BY_NAME: Final = frozenset({"getattr", "setattr", "delattr", "hasattr"})
# Dunder names that say something about a learner's own small classes.
DUNDERS: Final = frozenset(
    {"__init__", "__post_init__", "__repr__", "__str__", "__eq__", "__ne__", "__lt__", "__le__"}
    | {"__gt__", "__ge__", "__hash__", "__len__", "__iter__", "__contains__", "__getitem__"}
    | {"__setitem__", "__delitem__", "__bool__", "__add__", "__sub__", "__name__", "__doc__"}
    | {"__call__", "__enter__", "__exit__", "__slots__", "__all__", "__next__", "__reversed__"}
)
# What the simulation and the judge build on.
KEPT: Final = frozenset(
    {"step", "view", "call", "respond", "save", "save_all", "append", "truncate", "discard"}
    | {"crash_point"}
    | {"set_timer", "cancel_timer", "note", "served_requests"}
)
STEPPED: Final = "a core is stepped by its world only"
HIDDEN: Final = frozenset({"_effects", "_handlers", "_handler", "_exercise"})
PREFIXES: Final = ("gi_", "cr_", "ag_", "tb_", "f_", "_player_")  # of frames, and of the player


@dataclass(frozen=True, slots=True)
class Inspection:
    """`problems` are lines with what is wrong there, in order; `blanks` the methods that are not
    written yet, with their lines."""

    problems: tuple[tuple[int, str], ...]
    blanks: Mapping[str, int]


def inspect(source: str, file: str, class_name: str, exercises: Collection[str]) -> Inspection:
    """Looks at the text of `file`, where the learner writes the methods `exercises` of
    `class_name`."""
    try:
        tree = ast.parse(source, file)
    except SyntaxError as error:
        said = f"Python cannot read this: {error.msg}"
        return Inspection(((error.lineno or 1, said),), {})
    except (ValueError, RecursionError, MemoryError) as error:
        return Inspection(((1, f"Python cannot read this: {error}"),), {})
    found = _class(tree, class_name)
    if found is None:
        return Inspection(((1, f"there is no class {class_name} in it"),), {})
    methods = [node for node in found.body if isinstance(node, ast.FunctionDef)]
    blanks = {m.name: m.lineno for m in methods if m.name in exercises and _is_blank(m)}
    looked = _Look(tree, found, frozenset(exercises))
    return Inspection(tuple(sorted(set(looked.problems()))), blanks)


def _class(tree: ast.Module, name: str) -> ast.ClassDef | None:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    return classes[-1] if classes else None


def _is_blank(method: ast.FunctionDef) -> bool:
    """Nothing but a docstring and `raise NotWritten(...)`."""
    body = method.body[ast.get_docstring(method) is not None :]
    match body:
        case [ast.Raise(exc=ast.Call(func=ast.Name(id="NotWritten")))]:
            return True
    return False


class _Look:
    """One pass over a file."""

    def __init__(self, tree: ast.Module, graded: ast.ClassDef, exercises: frozenset[str]) -> None:
        self.tree, self.graded, self.exercises = tree, graded, exercises
        self.cores = frozenset(_names_of_cores(tree))
        self.as_base = {
            id(base)
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and node is graded
            for base in node.bases
        } | {id(node) for annotation in _annotations(tree) for node in ast.walk(annotation)}

    def problems(self) -> Iterator[tuple[int, str]]:
        """Lines with what is wrong, in any order."""
        for node in ast.walk(self.tree):
            for said in self._problems_of(node):
                yield _line_of(node), said
        for node in self.graded.body:
            yield from self._problems_of_member(node)

    def _problems_of(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _of_import(alias.name)
                    if alias.name.startswith(PACKAGES):
                        yield f"import names: from {alias.name} import ..."
            case ast.ImportFrom(module=module, names=names, level=level):
                yield from _of_names(module or "", [alias.name for alias in names], level)
            case ast.Name(id=name):
                yield from self._of_name(name, node)
            case ast.Attribute(value=value, attr=name):
                yield from self._of_attribute(value, name)
            case ast.Call(func=ast.Attribute(attr="step")):  # A message may have such a field.
                yield STEPPED
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in BY_NAME:
                if not _plain_name(arguments, self.exercises):
                    yield f"{name} wants a plain name in quotes here"
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if _is_dunder(name):
                if name not in DUNDERS:
                    yield f"{name} is not for a core"
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield "a core never waits: ask with self.call, and go on when the response comes"
            case ast.Global() | ast.Nonlocal():
                yield "what a node knows belongs to self, where a crash forgets it"
            case ast.ClassDef(keywords=[_, *_]):
                yield "a core's class has no metaclass and no other keywords"
            case ast.For(iter=iterable) | ast.comprehension(iter=iterable) if _is_set(iterable):
                yield "the order of a set differs from process to process: use sorted(...)"

    def _of_name(self, name: str, node: ast.Name) -> Iterator[str]:
        if name in BANNED:
            yield f"{name} is not for a core: {BANNED[name]}"
        elif name in BY_NAME or name == "super":
            if not self._is_called(node):
                yield f"{name} can only be called here"
        elif name in self.cores and id(node) not in self.as_base:
            yield f"{name} is the reference: build on it, but do not call it"
        elif _is_dunder(name) and name not in DUNDERS:
            yield f"{name} is not for a core"

    def _is_called(self, name: ast.Name) -> bool:
        return any(isinstance(n, ast.Call) and n.func is name for n in ast.walk(self.tree))

    def _of_attribute(self, value: ast.expr, name: str) -> Iterator[str]:
        if _is_dunder(name) and name not in DUNDERS:
            yield f"{name} is not for a core"
        elif name in HIDDEN or name.startswith(PREFIXES):
            yield f"{name} is the machinery's"
        elif name in self.exercises and not (isinstance(value, ast.Name) and value.id == "self"):
            yield f"{name} is for you to write: only self.{name} may be used"
        elif name == "step" and isinstance(value, ast.Name) and value.id == "self":
            yield STEPPED

    def _problems_of_member(self, node: ast.stmt) -> Iterator[tuple[int, str]]:
        match node:
            case ast.FunctionDef(name=name) if name in KEPT - self.exercises:
                yield node.lineno, f"{name} is what the judge builds on: it stays as it is"
            case ast.FunctionDef(name=name) if name in self.exercises:
                if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in _own_nodes(node)):
                    yield node.lineno, f"{name} has a yield, so that calling it would do nothing"
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name) and target.id in KEPT:
                        yield node.lineno, f"{target.id} stays as it is"


def _of_import(module: str) -> Iterator[str]:
    if module in MODULES or module.startswith(PACKAGES):
        return
    first = module.partition(".")[0]
    if first in INSTEAD:
        yield f"{first} is not a core's: {INSTEAD[first]}"
    else:
        yield f"{module} is not for a core: its imports are nodes, protos and plain tools"


def _of_names(module: str, names: list[str], level: int) -> Iterator[str]:
    if level:
        yield "import by full names: from nodes.core import ..."
    elif "*" in names:
        yield "import names, not everything"
    elif module == "random" and names == ["Random"]:
        return  # The type of env.rng.
    elif module in ("protos", "nodes.parts"):
        return
    else:
        yield from _of_import(module)
        if module.startswith("nodes.cores."):
            for name in names:
                if isinstance(_imported(module, name), ModuleType):
                    yield f"import names: from {module}.{name} import ..."


def _imported(module: str, name: str) -> object:
    """What is imported from the project's own cores; None when there is no such thing."""
    try:
        found: object = getattr(import_module(module), name, None)
        return import_module(f"{module}.{name}") if found is None else found
    except ImportError:
        return None


def _names_of_cores(tree: ast.Module) -> Iterator[str]:
    """Names in the file that stand for classes of cores."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nodes."):
            for alias in node.names:
                found = _imported(node.module or "", alias.name)
                if isinstance(found, type) and issubclass(found, Core):
                    yield alias.asname or alias.name


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as annotation):
                yield annotation
            case ast.AnnAssign(annotation=annotation):
                yield annotation
            case ast.FunctionDef(returns=ast.expr() as annotation):
                yield annotation


def _line_of(node: ast.AST) -> int:
    """A comprehension has none of its own."""
    placed = node.iter if isinstance(node, ast.comprehension) else node
    return int(getattr(placed, "lineno", 1))


def _own_nodes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Of the function, but not of those within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def _plain_name(arguments: list[ast.expr], exercises: frozenset[str]) -> bool:
    match arguments:
        case [_, ast.Constant(value=str(name)), *_]:
            return not (_is_dunder(name) or name in exercises | HIDDEN or name == "step")
    return False


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, right=right):
            return _is_set(left) or _is_set(right)
    return False
