"""Is there a Docker engine, and does it answer? Asked through the docker command, which knows of
contexts and remote engines."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """`version` is the engine's; None when it did not answer, and then `why_not` says why."""

    version: str | None
    why_not: str = ""


def ask_engine(patience_s: float = PATIENCE_S) -> EngineAnswer:
    """Asks once, waiting no longer than `patience_s`."""
    docker = shutil.which("docker")
    if docker is None:
        return EngineAnswer(None, "the docker command is not installed")
    try:
        answer = subprocess.run(
            [docker, "version", "--format", "{{.Server.Version}}"],
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
    version = answer.stdout.strip()
    if answer.returncode == 0 and version:
        return EngineAnswer(version)
    lines = answer.stderr.strip().splitlines()
    return EngineAnswer(None, lines[-1] if lines else "the Docker engine did not answer")
