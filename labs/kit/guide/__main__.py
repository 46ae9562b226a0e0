"""`python -m labs.kit.guide [PAGE]...`: what is wrong with the guide."""

from __future__ import annotations

import sys

from labs.kit.errors import LabError
from labs.kit.guide.lint import main

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.status)
