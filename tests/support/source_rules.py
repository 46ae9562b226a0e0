"""Rules on source text that no linter has: each takes files and returns what breaks it."""

from __future__ import annotations

import ast
import inspect
import re
import tokenize
from collections.abc import Iterable, Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import FunctionType, ModuleType

ROOT = Path(__file__).parents[2]

# What a core may import: it sees no clock, file, network, thread or chance of its own.
CORE_MODULES = frozenset(
    {"__future__", "bisect", "collections", "copy", "dataclasses", "enum", "functools", "hashlib"}
    | {"heapq", "itertools", "math", "operator", "string", "types", "typing"}
)
BANNED_CALLS = frozenset(
    {"print", "input", "open", "eval", "exec", "compile", "__import__", "id", "hash", "breakpoint"}
)
UNSAFE_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"})
# Parsing alone makes no objects, and a SafeLoader only plain ones.
SAFE_YAML = frozenset({"safe_load", "safe_load_all", "safe_dump", "parse", "SafeLoader"})
SUPPRESSION = re.compile(
    r"#\s*(noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(\[[^]]*])?)"
)


def source_files(*folders: str) -> list[Path]:
    """All Python files below the folders that people write."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if not path.stem.endswith("_pb2")]


def place(path: Path, line: int) -> str:
    """As an editor jumps to it."""
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{line}"


def impurities(path: Path, source: str) -> Iterator[str]:
    """What a core must not do: import what ticks or rolls dice, call what reaches outside, iterate
    over a set made on the spot."""
    for node in ast.walk(ast.parse(source)):
        where = place(path, getattr(node, "lineno", 0))
        match node:
            case ast.Import(names=names):
                yield from (
                    f"{where} imports {name.name}"
                    for name in names
                    if name.name.split(".")[0] not in CORE_MODULES
                )
            case ast.ImportFrom(module=str(module), names=names):
                if not _may_import(module, [name.name for name in names]):
                    yield f"{where} imports from {module}"
            case ast.Call(func=ast.Name(id=name)) if name in BANNED_CALLS:
                yield f"{where} calls {name}()"
            case ast.For(iter=iterable) | ast.comprehension(iter=iterable) if _is_set(iterable):
                where = place(path, iterable.lineno)
                yield f"{where} iterates over a set: its order differs from process to process"


def _may_import(module: str, names: list[str]) -> bool:
    first = module.split(".")[0]
    if first == "random":
        return names == ["Random"]  # The type of env.rng; never the module's own generator.
    if first == "nodes":
        return module.startswith(("nodes.core", "nodes.effects", "nodes.parts"))
    return first in CORE_MODULES or first == "protos" or module == "google.protobuf.message"


def _is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, right=right, op=ast.BitAnd() | ast.BitOr() | ast.Sub()):
            return _is_set(left) or _is_set(right)
    return False


def unsafe_code(path: Path, source: str) -> Iterator[str]:
    """Ways in which data becomes code."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules = {name.name.split(".")[0] for name in names}
                yield from (
                    f"{place(path, node.lineno)} imports {name}"
                    for name in sorted(modules & UNSAFE_MODULES)
                )
            case ast.ImportFrom(module="pickle", names=[ast.alias(name="Pickler")]):
                pass  # writes, and cannot read
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in UNSAFE_MODULES:
                yield f"{place(path, node.lineno)} imports {module}"
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                yield f"{place(path, node.lineno)} calls {name}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr=attribute)):
                if attribute not in SAFE_YAML:
                    yield f"{place(path, node.lineno)} calls yaml.{attribute}()"


def unexplained_suppressions(path: Path, source: str) -> Iterator[str]:
    """A rule that is switched off has its reason beside it."""
    if not SUPPRESSION.search(source):
        return  # most files, and tokens take their time
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT and SUPPRESSION.search(token.string):
            reason = SUPPRESSION.sub("", token.string).strip(" #-:")
            if len(reason.split()) < 2:
                yield f"{place(path, token.start[0])} {token.string.strip()} without a reason"


def undocumented(module: ModuleType) -> Iterator[str]:
    """Public functions and classes without a docstring. An override may rely on its base's, a
    handler on its message's, a Protocol's stub on its name."""
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", "") != module.__name__:
            continue
        if inspect.isclass(member):
            if not _own_docstring(member):
                yield f"{module.__name__}.{name}"
            yield from _undocumented_methods(member)
        elif isinstance(member, FunctionType) and not member.__doc__:
            yield f"{module.__name__}.{name}"


def _own_docstring(member: type) -> bool:
    text = member.__dict__.get("__doc__") or ""
    return bool(text) and not text.startswith(f"{member.__name__}(")  # a dataclass writes its own


def _undocumented_methods(member: type) -> Iterator[str]:
    if getattr(member, "_is_protocol", False):
        return
    for name, attribute in vars(member).items():
        function = attribute.fget if isinstance(attribute, property) else attribute
        function = getattr(function, "__func__", function)
        if name.startswith("_") or not isinstance(function, FunctionType) or function.__doc__:
            continue
        if function.__qualname__ != f"{member.__qualname__}.{name}":
            continue  # Somebody else's, or made by a decorator.
        if hasattr(function, "_handles"):
            continue
        if not any(hasattr(base, name) for base in member.__mro__[1:]):
            yield f"{member.__module__}.{member.__qualname__}.{name}"


def modules(*packages: str) -> Iterable[ModuleType]:
    """Every module of the packages that can be imported without running a program."""
    for path in source_files(*packages):
        if path.stem != "__main__":
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield import_module(".".join(part for part in parts if part != "__init__"))
