"""Pictures that a lab adds to the report of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

from labs.kit.lab import Lab

Pictures: TypeAlias = Mapping[str, str]
"""SVG documents, as labs.kit.svg draws them, by the heading of each."""


def pictures_of(lab: Lab, status: Mapping[str, Any] | None) -> Pictures:
    """What the lab draws of the end of a trial, a status as `lab status --key --json` prints it."""
    if not lab.report_pictures or status is None:
        return {}
    module, name = lab.report_pictures.split(":")
    draw: Callable[[Mapping[str, Any]], Pictures] = getattr(import_module(module), name)
    return draw(status)
