"""Labs are found by their folder: `labs/NAME/lab.py` with a `LAB` in it. No list to edit."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from labs.kit.errors import LabError, nearest
from labs.kit.lab import Lab

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


def load_lab(name: str) -> Lab:
    """The lab of this name. Raises LabError, with the nearest names, when there is none."""
    known = {folder.replace("_", "-"): folder for folder in lab_names()}
    folder = known.get(name) if NAME.fullmatch(name) else None
    if folder is None:
        raise LabError(f"no lab is called {name!r}; {nearest(name, known)}")
    lab = import_module(f"labs.{folder}.lab").LAB
    if not isinstance(lab, Lab) or lab.id != name:
        raise LabError(f"labs/{folder}/lab.py does not define LAB with the id {name!r}")
    return lab


def all_labs() -> list[Lab]:
    """Every lab, in the order in which they are meant to be done."""
    labs = [load_lab(folder.replace("_", "-")) for folder in lab_names()]
    return sorted(labs, key=lambda lab: (lab.order, lab.id))
