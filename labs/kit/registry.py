"""Labs are found by their folder: `labs/NAME/lab.py` with a `LAB` in it. No list to edit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from labs.kit.errors import LabError, nearest
from labs.kit.lab import Lab

if TYPE_CHECKING:
    from nodes.cluster.api import ClusterSpec

# What a lab, a run or a node may be called: safe as a path, a host name and an argument.
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
LABS_FOLDER = Path(__file__).resolve().parent.parent


def lab_names(folder: Path = LABS_FOLDER) -> tuple[str, ...]:
    """The labs that there are, by name; nothing is imported."""
    return tuple(
        sorted(
            path.parent.name
            for path in folder.glob("*/lab.py")
            if path.parent.name != "kit" and NAME.fullmatch(path.parent.name.replace("_", "-"))
        )
    )


def lab_ids(folder: Path = LABS_FOLDER) -> tuple[str, ...]:
    """The same as a user writes them: `quorum-store` is in the folder `quorum_store`."""
    return tuple(name.replace("_", "-") for name in lab_names(folder))


def lab_id(name: str, known: Sequence[str] | None = None) -> str:
    """The id of the lab that is meant: it may be shortened, as long as only one begins so. Raises
    LabError, with the nearest names, when that is none or several."""
    ids = lab_ids() if known is None else known
    if name in ids:
        return name
    meant = [one for one in ids if one.startswith(name)] if NAME.fullmatch(name) else []
    if len(meant) > 1:
        raise LabError(f"{name!r} may be {' or '.join(meant)}; write more of its name")
    if not meant:
        raise LabError(f"no lab is called {name!r}; {nearest(name, ids)}")
    return meant[0]


def load_lab(name: str) -> Lab:
    """The lab of this name, which may be shortened. Raises LabError as `lab_id` does."""
    found = lab_id(name)
    folder = found.replace("-", "_")
    lab = import_module(f"labs.{folder}.lab").LAB
    if not isinstance(lab, Lab) or lab.id != found:
        raise LabError(f"labs/{folder}/lab.py does not define LAB with the id {found!r}")
    return lab


def wait_unit_ms(spec: ClusterSpec) -> int:
    """The longest time that the protocol of this cluster waits before it acts: the unit of all
    patience with it."""
    return load_lab(spec.lab).wait_unit_ms(spec.params)


def all_labs() -> list[Lab]:
    """Every lab, in the order in which they are meant to be done."""
    labs = [load_lab(one) for one in lab_ids()]
    return sorted(labs, key=lambda lab: (lab.order, lab.id))
