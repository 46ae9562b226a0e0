"""Containers of labs whose conductor is gone: finding them, and removing them."""

from __future__ import annotations


def dead_labs(*, remove: bool) -> list[str]:
    """What dead labs left with the Docker engine, a clause each; with `remove` it is gone
    afterwards. Raises RuntimeFailure when the engine does not do its part."""
    from nodes.cluster.engine import Engine
    from nodes.cluster.leftovers import dead_sessions, remove_dead_sessions

    engine = Engine()
    try:
        dead = remove_dead_sessions(engine) if remove else dead_sessions(engine)
    finally:
        engine.close()
    return [one.sentence() for one in dead]


def remove_after(runtime: str) -> str:
    """Called for a dead lab of that runtime: what was done about its containers, as a clause."""
    if runtime != "compose":
        return ""
    from nodes.cluster.api import RuntimeFailure

    try:
        removed = dead_labs(remove=True)
    except RuntimeFailure as failure:
        return f"; its containers may still be there: {failure}"
    return f"; removed {', '.join(removed)}" if removed else ""
