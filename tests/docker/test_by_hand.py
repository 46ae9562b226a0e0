"""`docker compose up` without the `lab` command, as docker-compose.yml documents it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from nodes.cluster.compose_images import node_image
from nodes.cluster.engine import Engine
from nodes.cluster.engine_host import compose_command
from tests.support.terminal import PROJECT, wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

NAME = f"by-hand-{os.getpid()}"


def compose(*arguments: str) -> tuple[int, str, str]:
    """One Compose command, in the project's folder; ports are free ones, so that labs beside it do
    not matter."""
    environment = dict(os.environ) | {
        "COMPOSE_PROJECT_NAME": NAME,
        "FAULTLAB_SESSION": NAME,
        "FAULTLAB_NODES": "3",
        "FAULTLAB_IMAGE": node_image(),
        "FAULTLAB_PROXY_PORT": "",
        "FAULTLAB_CLIENT_PORTS": "",
    }
    done = subprocess.run(
        [*compose_command(), *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def client(*arguments: str) -> tuple[int, str, str]:
    """The client of by_hand, inside n1's container."""
    command = ("exec", "-T", "n1", "python", "-m", "nodes.cluster.by_hand")
    return compose(*command, *arguments)


@pytest.fixture
def three_servers(engine: Engine) -> Iterator[None]:
    status, _, err = compose("up", "--detach", "links", "n1", "n2", "n3")
    assert status == 0, err
    yield
    engine.remove_session(NAME)


def test_by_hand(three_servers: None) -> None:
    """Servers elect a leader, serve, survive one of them, follow Toxiproxy's own command, and
    `down` leaves nothing."""
    status, out, err = client("put", "greeting", "hello")
    assert status == 0, err
    assert out.startswith("done by n")
    leader = out.split()[-1]
    assert client("get", "greeting")[1] == "hello\n"
    assert client("get", "nothing")[0] == 1
    assert f"{leader}  serves\n" in client("status")[1]

    follower = next(node for node in ("n2", "n3") if node != leader)
    assert compose("kill", follower)[0] == 0
    assert client("get", "greeting")[1] == "hello\n"
    wait_until(lambda: f"{follower}  {follower} cannot be reached" in client("status")[1], "gone")
    assert compose("start", follower)[0] == 0
    assert compose("kill", leader if leader != "n1" else follower)[0] == 0
    assert client("put", "greeting", "again")[0] == 0

    toxic = ("toxic", "add", "--type", "timeout", "--attribute", "timeout=0", "n1->n2")
    status, out, err = compose("exec", "-T", "toxiproxy", "/toxiproxy-cli", *toxic)
    assert status == 0, err
    status, _, err = compose("down", "--volumes")
    assert status == 0, err
