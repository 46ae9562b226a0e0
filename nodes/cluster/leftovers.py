"""Whose containers are these? What dead conductors left on this machine is found by its labels.

A conductor's containers end with it: a reaper process sees to that (nodes/cluster/reaper.py). Here
is what else helps, should the reaper have been ended as well, or the engine have been stopped.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

from nodes.cluster.engine import (
    CONDUCTOR_LABEL,
    HOST_LABEL,
    LAB_LABEL,
    SERVICE_LABEL,
    SESSION_LABEL,
    Engine,
)
from nodes.cluster.process_start import start_time


@dataclass(frozen=True, slots=True)
class DeadSession:
    """A session whose conductor is gone."""

    session: str
    lab: str
    conductor_pid: int
    containers: int

    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.containers} containers of a {self.lab} lab whose conductor"
            f" (pid {self.conductor_pid}) is gone"
        )


def owner_labels(session: str, lab: str) -> dict[str, str]:
    """The labels of all that this process makes for a session."""
    pid = os.getpid()
    return {
        SESSION_LABEL: session,
        LAB_LABEL: lab,
        HOST_LABEL: platform.node(),
        CONDUCTOR_LABEL: f"{pid} {start_time(pid)}",
    }


def dead_sessions(engine: Engine) -> list[DeadSession]:
    """Sessions of this machine whose conductor no longer lives. Raises RuntimeFailure.

    Those started by hand, and those of other machines that share the engine, are nobody's here.
    """
    found: dict[str, DeadSession] = {}
    for labels in engine.labels_of_all():
        session, host = labels.get(SESSION_LABEL, ""), labels.get(HOST_LABEL, "")
        pid, _, started = labels.get(CONDUCTOR_LABEL, "").partition(" ")
        if not (session and pid.isdecimal() and started and host == platform.node()):
            continue
        if start_time(int(pid)) == started:
            continue
        known = found.get(session)
        count = known.containers if known else 0
        is_container = SERVICE_LABEL in labels
        found[session] = DeadSession(
            session, labels.get(LAB_LABEL, "?"), int(pid), count + is_container
        )
    return list(found.values())


def remove_dead_sessions(engine: Engine) -> list[DeadSession]:
    """Removes what dead conductors left, and returns whose. Raises RuntimeFailure."""
    dead = dead_sessions(engine)
    for one in dead:
        engine.remove_session(one.session)
    return dead
