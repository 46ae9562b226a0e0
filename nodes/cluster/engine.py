"""The Docker engine of this machine, through its SDK: blocking calls, failures of one line.

What belongs to a lab is known by its labels, never by names: containers, networks and volumes of
one session carry its id, and whose conductor they are.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import docker
import docker.errors
import requests.exceptions

from nodes.cluster.api import RuntimeFailure
from nodes.cluster.engine_host import WAY_OUT, check_host, engine_host
from nodes.host.text import printable

SESSION_LABEL: Final = "faultlab.session"
LAB_LABEL: Final = "faultlab.lab"
HOST_LABEL: Final = "faultlab.host"
CONDUCTOR_LABEL: Final = "faultlab.conductor"

SERVICE_LABEL: Final = "com.docker.compose.service"
PROXY_SERVICE: Final = "toxiproxy"  # as docker-compose.yml calls it

_PATIENCE_S: Final = 30
_REMOVED_S_MAX: Final = 5.0
_LOOK_AGAIN_S: Final = 0.1
_POOL_SIZE: Final = 32  # one connection a container is watched on, and some for orders
_AT_ONCE: Final = 8


class EngineGone(RuntimeFailure):
    """The engine does not answer."""


class NoSuchThing(RuntimeFailure):
    """The container, network, volume or image is not there."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended: its exit status, and whether the kernel ended it for its memory."""

    status: int
    out_of_memory: bool


class Output:
    """Blocks of stdout and of stderr of a container, until it ends or somebody calls `cut`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[tuple[bytes | None, bytes | None]]:
        return iter(self._stream)

    def cut(self) -> None:
        """Ends the iteration in another thread: a container that never ran has no end."""
        with contextlib.suppress(OSError, AttributeError):
            self._stream.close()

    def close(self) -> None:
        """Lets go of the connection."""
        self.cut()
        self._stream._response.close()


class Engine:
    """A connection to the engine. Every method blocks, and raises RuntimeFailure."""

    def __init__(self, host: str | None = None) -> None:
        host = host or engine_host()
        check_host(host)
        self.host = host
        with _told("the Docker engine cannot be used"):
            self._client = docker.DockerClient(
                base_url=host, version="auto", timeout=_PATIENCE_S, max_pool_size=_POOL_SIZE
            )
            self.version = str(self._client.version()["Version"])
            self.is_rootless = "name=rootless" in self._client.info()["SecurityOptions"]

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    # -------------------------------------------------------------------------------- one container

    def containers(self, label: str) -> list[dict[str, Any]]:
        """As the engine lists them, ended ones too: by `label`, as in `name` or `name=value`."""
        with _told("the containers cannot be listed"):
            found = self._client.api.containers(all=True, filters={"label": label})
        return list(found)

    def start(self, container: str) -> None:
        """Starts a container that has ended, or never ran."""
        with _told("the container does not start"):
            self._client.api.start(container)

    def kill(self, container: str) -> None:
        """SIGKILL, also of a paused one."""
        with _told("the container cannot be killed"):
            self._client.api.kill(container, "SIGKILL")

    def pause(self, container: str) -> None:
        """Freezes all its processes; returns once they stand still."""
        with _told("the container cannot be paused"):
            self._client.api.pause(container)

    def resume(self, container: str) -> None:
        """Ends a pause."""
        with _told("the container cannot be resumed"):
            self._client.api.unpause(container)

    def inspect(self, container: str) -> dict[str, Any]:
        """All that the engine knows. Raises NoSuchThing when it was removed."""
        with _told("the container cannot be inspected"):
            return dict(self._client.api.inspect_container(container))

    def join(self, container: str, networks: Sequence[str]) -> None:
        """Makes a container a member of all these networks."""
        with _told("the container cannot be connected"):
            settings = self._client.api.inspect_container(container)["NetworkSettings"]
            for network in networks:
                if network not in settings["Networks"]:
                    self._client.api.connect_container_to_network(container, network)

    def output(self, container: str) -> Output:
        """What a container writes from now on."""
        with _told("the container's output cannot be read"):
            return Output(self._client.api.attach(container, stream=True, demux=True))

    def ending(self, container: str) -> Ending:
        """Waits for the end of a container that is about to end."""
        with _told("the container's end cannot be awaited"):
            self._client.api.wait(container, timeout=_PATIENCE_S)
            state = self._client.api.inspect_container(container)["State"]
        return Ending(int(state["ExitCode"]), bool(state["OOMKilled"]))

    def run_on_volume(
        self, image: str, volume: str, command: Sequence[str], user: str, labels: Mapping[str, str]
    ) -> None:
        """Runs a command where the volume is /lab/data, and nothing else can be reached."""
        with _told(f"the volume {volume} cannot be changed"):
            self._client.containers.run(
                image,
                entrypoint=list(command),
                user=user,
                labels=dict(labels),
                volumes={volume: {"bind": "/lab/data", "mode": "rw"}},
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
                remove=True,
            )

    # --------------------------------------------------------------------------------------- images

    def has_image(self, name: str) -> bool:
        """Whether it is on this machine."""
        try:
            with _told("the image cannot be looked up"):
                self._client.api.inspect_image(name)
        except NoSuchThing:
            return False
        return True

    def image_tags(self, repository: str) -> list[str]:
        """Newest first."""
        with _told("the images cannot be listed"):
            found = self._client.api.images(repository)
        found.sort(key=lambda image: int(image["Created"]), reverse=True)
        return [tag for image in found for tag in image["RepoTags"] or ()]

    def remove_image(self, name: str) -> None:
        """One name of an image. Raises RuntimeFailure when a container uses it."""
        with _told(f"the image {name} cannot be removed"):
            self._client.api.remove_image(name)

    def pull(self, repository: str, tag: str) -> None:
        """From its registry."""
        with _told(f"{repository}:{tag} cannot be pulled"):
            self._client.api.pull(repository, tag=tag)

    def build(self, folder: str, name: str, labels: Mapping[str, str]) -> Iterator[str]:
        """What the build has to say, line by line. Raises RuntimeFailure at its failure."""
        with _told(f"{name} cannot be built"):
            steps = self._client.api.build(
                path=folder, tag=name, labels=dict(labels), rm=True, forcerm=True, decode=True
            )
            for step in steps:
                if "error" in step:
                    raise RuntimeFailure(f"{name} cannot be built: {printable(step['error'])}")
                yield from printable_lines(str(step.get("stream", "")))

    # ------------------------------------------------------------------------------- whole sessions

    def labels_of_all(self) -> list[dict[str, str]]:
        """The labels of every container, network and volume of any session."""
        filters, api = {"label": SESSION_LABEL}, self._client.api
        with _told("what labs have left cannot be listed"):
            found = [
                *api.containers(all=True, filters=filters),
                *api.networks(filters=filters),
                *(api.volumes(filters=filters)["Volumes"] or ()),
            ]
        return [dict(one["Labels"] or {}) for one in found]

    def leftovers(self, session: str) -> list[str]:
        """Names of all that carries the session's label."""
        with _told("what is left of the lab cannot be listed"):
            return [f"{kind} {name}" for kind, name in self._of_session(session)]

    def remove_session(self, session: str, *, grace_s: int = 0) -> None:
        """Ends and removes the containers of a session, then its networks and volumes.

        Nodes get `grace_s` to end in good order. Raises RuntimeFailure when something stays.
        """
        selector = f"{SESSION_LABEL}={session}"
        containers = self.containers(selector)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # The list makes every failure be raised here.
            list(pool.map(lambda found: self._remove_container(found, grace_s), containers))
            with _told("networks and volumes of the lab cannot be removed"):
                networks = self._client.api.networks(filters={"label": selector})
                volumes = self._client.api.volumes(filters={"label": selector})["Volumes"] or ()
            api = self._client.api
            list(pool.map(lambda one: _gone(api.remove_network, one["Id"]), networks))
            list(pool.map(lambda one: _gone(api.remove_volume, one["Name"]), volumes))
        # What somebody else is removing at the same time is there a moment longer.
        deadline = time.monotonic() + _REMOVED_S_MAX
        while left := self.leftovers(session):
            if time.monotonic() > deadline:
                raise RuntimeFailure(
                    f"{left[0]} could not be removed; `lab doctor --clean` tries again"
                )
            time.sleep(_LOOK_AGAIN_S)

    def _remove_container(self, found: Mapping[str, Any], grace_s: int) -> None:
        api = self._client.api
        if found["Labels"].get(SERVICE_LABEL) == PROXY_SERVICE:
            self._leave_networks(found)
        elif grace_s and found["State"] == "running":
            _gone(lambda name: api.stop(name, timeout=grace_s), found["Id"])
        _gone(lambda name: api.remove_container(name, force=True, v=True), found["Id"])

    def _leave_networks(self, found: Mapping[str, Any]) -> None:
        """Published ports belong to the first network by name, and move on to the next when that is
        left: which takes the engine seconds. So that one is left to the container's removal."""
        for network in sorted(found["NetworkSettings"]["Networks"], reverse=True)[:-1]:
            # Should it fail, the removal says what is wrong.
            with contextlib.suppress(docker.errors.DockerException, OSError):
                self._client.api.disconnect_container_from_network(found["Id"], network, force=True)

    def _of_session(self, session: str) -> Iterator[tuple[str, str]]:
        filters = {"label": f"{SESSION_LABEL}={session}"}
        api = self._client.api
        for container in api.containers(all=True, filters=filters):
            yield "container", container["Names"][0].lstrip("/") if container["Names"] else "?"
        for network in api.networks(filters=filters):
            yield "network", network["Name"]
        for volume in api.volumes(filters=filters)["Volumes"] or ():
            yield "volume", volume["Name"]


def printable_lines(text: str) -> list[str]:
    """The lines that say something, without control characters."""
    return [printable(line.strip()) for line in text.splitlines() if line.strip()]


def _gone(remove: Any, name: str) -> None:
    """Removes it, unless somebody else has, or is just doing it."""
    try:
        with _told(f"{name[:20]} cannot be removed"):
            remove(name)
    except NoSuchThing:
        return
    except RuntimeFailure as failure:
        if "already in progress" not in str(failure):
            raise


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turns what the SDK raises into one line."""
    try:
        yield
    except docker.errors.NotFound as error:
        raise NoSuchThing(f"{what}: {_explained(error)}") from error
    except docker.errors.APIError as error:
        raise RuntimeFailure(f"{what}: {_explained(error)}") from error
    except docker.errors.ContainerError as error:
        raise RuntimeFailure(f"{what}: {printable(str(error))}") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise EngineGone(
            f"{what}: the Docker engine does not answer ({_innermost(error)}); {WAY_OUT}"
        ) from error


def _explained(error: Any) -> str:
    return printable(str(error.explanation or error).strip())[:400]


def _innermost(error: BaseException) -> str:
    """The operating system's own word, from under all that wraps it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__ or seen.__context__
    return printable(str(error))[:200]
