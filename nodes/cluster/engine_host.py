"""Which Docker engine, and whether a lab can use it. Loads quickly: no SDK."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

from nodes.cluster.api import RuntimeFailure
from nodes.host.text import printable

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
WAY_OUT: Final = "`lab doctor` looks at the engine, `--runtime local` needs none"
_CONTEXT_S_MAX: Final = 3
_VERSION_S_MAX: Final = 5


def engine_host() -> str:
    """Where the engine listens: DOCKER_HOST, else what the docker command's context says. Raises
    RuntimeFailure when the command cannot tell."""
    named = os.environ.get("DOCKER_HOST", "")
    command = shutil.which("docker")
    if named or command is None:
        return named or DEFAULT_HOST
    try:
        answer = subprocess.run(
            [command, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CONTEXT_S_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeFailure(f"the docker command does not answer ({error}); {WAY_OUT}") from None
    if answer.returncode != 0 or not answer.stdout.strip():
        raise RuntimeFailure(
            f"docker names no engine: {printable(answer.stderr.strip())}; {WAY_OUT}"
        )
    return answer.stdout.strip()


def check_host(host: str) -> None:
    """Raises RuntimeFailure for an engine on another machine: ports on loopback and folders that
    containers share with the lab would be there, not here."""
    if not host.startswith(("unix://", "npipe://")):
        raise RuntimeFailure(
            f"the Docker engine at {printable(host)} is not on this machine; choose one that is"
            f" with `docker context use`, or `--runtime local`"
        )


def compose_command() -> tuple[str, ...]:
    """`docker compose`, else `docker-compose`. Raises RuntimeFailure when there is neither."""
    if shutil.which("docker") is not None and _has_plugin():
        return ("docker", "compose")
    if shutil.which("docker-compose") is not None:
        return ("docker-compose",)
    raise RuntimeFailure(
        "there is no Compose: neither `docker compose` nor `docker-compose` is installed;"
        " https://docs.docker.com/compose/install has it, `--runtime local` needs none"
    )


def _has_plugin() -> bool:
    try:
        answer = subprocess.run(
            ["docker", "compose", "version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_VERSION_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
