"""docker-compose.yml as one session uses it: what is added to it, and the command that reads it.

The file alone is for `docker compose up` by hand. A session adds its folders, its ports and its
labels by a second file and by the environment; then Compose makes everything, and starts nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from nodes.cluster.api import ClusterSpec, RuntimeFailure
from nodes.cluster.engine import CONDUCTOR_LABEL, HOST_LABEL, PROXY_SERVICE, printable_lines
from nodes.cluster.engine_host import compose_command
from nodes.cluster.surroundings import PROJECT_ROOT
from nodes.core import NodeId
from nodes.host.container import CONFIG_FILE, EVENTS_FOLDER, NODE_PORT, node_number

COMPOSE_FILE: Final = PROJECT_ROOT / "docker-compose.yml"
CODE_FOLDER: Final = "/app"
IN_IMAGE: Final = ("nodes", "protos")
OTHER_USER: Final = 10_001  # whom a node runs as where the lab is run by root
_CREATE_S_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class Project:
    """One session's containers, networks and volumes, as Compose knows them."""

    spec: ClusterSpec
    session: str
    folder: Path
    image: str
    labels: Mapping[str, str]
    host: str

    @property
    def name(self) -> str:
        """By which Compose keeps projects apart."""
        return f"faultlab-{self.session}"

    def config_folder(self, node: NodeId) -> Path:
        """Mounted read-only in the node's container."""
        return self.folder / "config" / node

    def events_folder(self, node: NodeId) -> Path:
        """Where the node's container writes its timeline."""
        return self.folder / "events" / node

    def network(self, node: NodeId) -> str:
        """The network that the node shares with Toxiproxy alone."""
        return f"{self.name}_{node}"

    def volume(self, node: NodeId) -> str:
        """The node's disk."""
        return f"{self.name}_{node}"

    def additions(self) -> dict[str, Any]:
        """What the session adds to docker-compose.yml. Raises RuntimeFailure for a core that
        cannot be shown to containers."""
        return {"services": {node: self._service(node) for node in self.spec.node_ids}}

    def _service(self, node: NodeId) -> dict[str, Any]:
        mounts = [
            _bind(self.config_folder(node), str(CONFIG_FILE.parent), read_only=True),
            _bind(self.events_folder(node), str(EVENTS_FOLDER)),
        ]
        mounts += [
            _bind(path, f"{CODE_FOLDER}/{where}", read_only=True)
            for where, path in modules_outside_image(self.spec)
        ]
        return {"ports": [f"127.0.0.1::{NODE_PORT}"], "volumes": mounts}

    def environment(self) -> dict[str, str]:
        """For Compose's substitutions. An empty port asks the engine for any free one."""
        kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        return kept | {
            "DOCKER_HOST": self.host,
            "FAULTLAB_SESSION": self.session,
            "FAULTLAB_LAB": self.spec.lab,
            "FAULTLAB_HOST": self.labels[HOST_LABEL],
            "FAULTLAB_CONDUCTOR": self.labels[CONDUCTOR_LABEL],
            "FAULTLAB_IMAGE": self.image,
            "FAULTLAB_USER": user(),
            "FAULTLAB_PROXY_PORT": "",
            "FAULTLAB_CLIENT_PORTS": "",
        }

    async def create(self) -> None:
        """Makes everything and starts nothing. Raises RuntimeFailure."""
        additions = self.folder / "compose.session.yml"
        # JSON is YAML; a dollar would be taken for a substitution.
        additions.write_text(json.dumps(self.additions(), indent=1).replace("$", "$$"))
        additions.chmod(0o600)
        command = (
            *(await asyncio.to_thread(compose_command)),
            *("--project-name", self.name),
            *("--file", str(COMPOSE_FILE), "--file", str(additions)),
            *("up", "--no-start", "--no-build", PROXY_SERVICE, *self.spec.node_ids),
        )
        await _run(command, self.environment())


def check_spec(spec: ClusterSpec) -> None:
    """Raises RuntimeFailure for nodes that docker-compose.yml does not have."""
    for node in spec.node_ids:
        try:
            node_number(node)
        except ValueError as error:
            raise RuntimeFailure(f"the compose runtime cannot run this: {error}") from None


def modules_outside_image(spec: ClusterSpec) -> list[tuple[str, Path]]:
    """Files of modules that the image lacks, a learner's core for instance, by where they belong.

    Raises RuntimeFailure when one is missing or unreadable.
    """
    names = dict.fromkeys([*(node.core.partition(":")[0] for node in spec.nodes), *spec.protos])
    found = []
    for name in names:
        if name.partition(".")[0] in IN_IMAGE:
            continue
        module = find_spec(name)
        if module is None or module.origin is None or not Path(module.origin).is_file():
            raise RuntimeFailure(f"there is no module {name}")
        path = Path(module.origin).resolve()
        if os.getuid() == 0 and not path.stat().st_mode & 0o004:
            raise RuntimeFailure(f"nodes cannot read {path}; chmod a+r makes them")
        suffix = "/__init__.py" if path.name == "__init__.py" else ".py"
        found.append((name.replace(".", "/") + suffix, path))
    return found


def user() -> str:
    """Whom the nodes run as: whoever runs the lab, so that files can be shared; never root."""
    uid = os.getuid()
    return f"{uid}:{os.getgid()}" if uid else f"{OTHER_USER}:{OTHER_USER}"


def give_to_nodes(path: Path) -> None:
    """Makes a file or folder the property of the user whom nodes run as."""
    if os.getuid() == 0:
        os.chown(path, OTHER_USER, OTHER_USER)


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Tied to this process, so that it makes no containers for a conductor that is gone."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nodes.cluster.tether", str(os.getpid()), *command),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        cwd=PROJECT_ROOT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_CREATE_S_MAX):
            out, errors = await process.communicate()
    except TimeoutError:
        raise RuntimeFailure(
            f"`{' '.join(command[:2])}` did not make the containers within {_CREATE_S_MAX:g} s"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode != 0:
        said = printable_lines((errors or out).decode("utf-8", "replace"))
        wrong = [line for line in said if "error" in line.lower()] or said[-1:] or ["no reason"]
        way_out = "; `docker network prune` makes room" if "address pool" in wrong[-1] else ""
        raise RuntimeFailure(f"Compose could not make the containers: {wrong[-1][:400]}{way_out}")


def _bind(source: Path, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"type": "bind", "source": str(source), "target": target, "read_only": read_only}


def _is_ours(name: str) -> bool:
    """Settings of the user's own projects must not reach this one."""
    return name.startswith(("FAULTLAB_", "COMPOSE_")) or name == "PYTHONPATH"
