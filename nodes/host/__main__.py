"""`python -m nodes.host`: one node as a process; nodes/host/program.py says how to talk to it."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> int:
    """Returns the exit status."""
    stay_without_openssl()
    from nodes.host import program

    return program.main(sys.argv[1:])


def stay_without_openssl() -> None:
    """asyncio and hashlib load OpenSSL where they can. A node speaks no TLS and needs no hash that
    Python does not have itself; without OpenSSL it is 5 MiB smaller and listens sooner."""
    unwanted = {"ssl"}
    if find_spec("_md5") and find_spec("_blake2"):  # some systems build Python without them
        unwanted.add("_hashlib")
    unwanted -= sys.modules.keys()
    for name in unwanted:
        sys.modules[name] = None  # type: ignore[assignment]  # makes its import an ImportError
    import asyncio  # noqa: F401  imported for later
    import hashlib  # noqa: F401  imported for later

    for name in unwanted:
        del sys.modules[name]


if __name__ == "__main__":
    sys.exit(main())
