"""`python -m nodes.host`: one node as a process; nodes/host/program.py says how to talk to it."""

from __future__ import annotations

import sys

from nodes.lean import without_openssl


def main() -> int:
    """Returns the exit status."""
    with without_openssl():
        from nodes.host import program

    return program.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
