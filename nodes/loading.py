"""Cores by name."""

from __future__ import annotations

from importlib import import_module

from nodes.core import Core


def load_core(name: str) -> type[Core]:
    """The core that `module:Class` names. Raises LookupError when there is none."""
    module, _, class_name = name.partition(":")
    try:
        found = getattr(import_module(module), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LookupError(f"there is no core {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Core)):
        raise LookupError(f"{name!r} is no core: it must be a subclass of nodes.core.Core")
    return found
