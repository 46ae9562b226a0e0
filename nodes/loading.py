"""Cores by name: `module:Class`, or a file of somebody's own."""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path

from nodes.core import Core


def load_core(name: str) -> type[Core]:
    """The core that `module:Class` names, or `FILE.py:Class`, or
    `FILE.py:Class:module:Class:method,method`: that of a file, with these methods taken from
    another core. Raises LookupError when there is none; what the file raises goes through.
    """
    where, _, rest = name.partition(":")
    if not is_file(name):
        return _core(name, where, rest)
    class_name, _, given = rest.partition(":")
    found = _core(name, _load_file(Path(where)), class_name)
    if not given:
        return found
    module, base_name, methods = given.split(":")
    return with_given(found, _core(name, module, base_name), [m for m in methods.split(",") if m])


def is_file(name: str) -> bool:
    """The name is that of a core in a file of somebody's own."""
    return name.partition(":")[0].endswith(".py")


def core_name(core: type[Core]) -> str:
    """By which `load_core` finds a core of ours again."""
    return f"{core.__module__}:{core.__qualname__}"


def with_given(core: type[Core], base: type[Core], methods: list[str]) -> type[Core]:
    """The core with these methods of another one in place of its own."""
    if not methods:
        return core
    taken = {method: getattr(base, method) for method in methods}
    return type(core.__name__, (core,), taken)


def _load_file(path: Path) -> str:
    """Imports the file under a name of its own, which is returned."""
    name = f"exercise_{path.stem}"
    if name not in sys.modules:
        spec = util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise LookupError(f"there is no file {path}")
        module = util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return name


def _core(name: str, module: str, class_name: str) -> type[Core]:
    try:
        found = getattr(import_module(module), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LookupError(f"there is no core {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Core)):
        raise LookupError(f"{name!r} is no core: it must be a subclass of nodes.core.Core")
    return found
