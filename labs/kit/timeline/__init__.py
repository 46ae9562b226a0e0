"""Space-time diagrams: client operations, messages, faults, roles and terms, and what went wrong,
on one time axis.

`diagram` puts together what was recorded; `svg` draws it, and `text_diagram` writes it for a
terminal.
"""

from __future__ import annotations

from labs.kit.timeline.build import diagram
from labs.kit.timeline.model import Diagram, Violation
from labs.kit.timeline.picture import svg
from labs.kit.timeline.text import text_diagram

__all__ = ["Diagram", "Violation", "diagram", "svg", "text_diagram"]
