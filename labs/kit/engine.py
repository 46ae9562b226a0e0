"""Is there a Docker engine that a lab can use? Asked through the docker command, which knows of
contexts."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from nodes.cluster.api import RuntimeFailure
from nodes.cluster.engine_host import check_host, compose_command, engine_host

PATIENCE_S = 3.0
_FORMAT = "{{.ServerVersion}} {{.SecurityOptions}}"


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """`version` is the engine's; None when it did not answer, and then `why_not` says why. An
    engine that answers and yet cannot be used has both."""

    version: str | None
    why_not: str = ""


def ask_engine(patience_s: float = PATIENCE_S) -> EngineAnswer:
    """Asks once, waiting no longer than `patience_s`."""
    docker = shutil.which("docker")
    if docker is None:
        return EngineAnswer(None, "the docker command is not installed")
    try:
        answer = subprocess.run(
            [docker, "info", "--format", _FORMAT],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return EngineAnswer(None, f"the Docker engine did not answer within {patience_s:g} s")
    except OSError as error:
        return EngineAnswer(None, f"the docker command cannot run ({error.strerror})")
    version, _, security = answer.stdout.strip().partition(" ")
    if answer.returncode == 0 and version and not version.startswith("["):
        return EngineAnswer(version, _why_unusable(security))
    lines = answer.stderr.strip().splitlines()
    return EngineAnswer(None, lines[-1] if lines else "the Docker engine did not answer")


def _why_unusable(security: str) -> str:
    if "name=rootless" in security:
        return "the Docker engine is rootless, and its containers' files cannot be read here"
    try:
        check_host(engine_host())
        compose_command()
    except RuntimeFailure as failure:
        return str(failure)
    return ""
