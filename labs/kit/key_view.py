"""`lab status --key KEY`: what each node holds of one key, where a lab can say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from labs.kit.errors import LabError
from labs.kit.lab import Lab

if TYPE_CHECKING:
    from labs.kit.operations import ServedCluster


class KeyView(Protocol):
    """How a lab looks at a key. `Lab.key_view` names the class as `module:Class`, since it needs
    the lab's messages, which `lab list` must not load."""

    async def look(self, cluster: ServedCluster, key: str) -> dict[str, Any]:
        """Asks every node; plain data for `lab status --json`. A node that does not answer is an
        answer, too."""

    def lines(self, status: Mapping[str, Any]) -> Sequence[str]:
        """What the status, with what `look` returned under `key`, is in words; at most 80
        columns."""


def load_key_view(lab: Lab) -> KeyView:
    """The one of this lab. Raises LabError when it has none."""
    if not lab.key_view:
        raise LabError(f"the {lab.id} lab cannot show a single key; `lab get KEY` reads it")
    module, name = lab.key_view.split(":")
    view: KeyView = getattr(import_module(module), name)()
    return view
