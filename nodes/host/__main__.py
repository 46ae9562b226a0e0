"""`python -m nodes.host`: one node as a process; nodes/host/program.py says how to talk to it."""

from __future__ import annotations

import sys


def main() -> int:
    """Returns the exit status."""
    if "ssl" not in sys.modules:
        # asyncio imports ssl where it can. A node speaks no TLS, and without OpenSSL it is 5 MiB
        # smaller and listens sooner.
        sys.modules["ssl"] = None  # type: ignore[assignment]
        import asyncio  # noqa: F401

        del sys.modules["ssl"]
    from nodes.host import program

    return program.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
