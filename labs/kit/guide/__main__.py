"""`python -m labs.kit.guide [PAGE]...`: what is wrong with the guide."""

from __future__ import annotations

from labs.kit.errors import end_as
from labs.kit.guide.lint import main

if __name__ == "__main__":
    end_as(main)
