"""The compose runtime as far as it needs no Docker engine."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from labs.raft.lab import LAB
from nodes.cluster import leftovers
from nodes.cluster.api import ClusterSpec, NodeSpec, RuntimeFailure
from nodes.cluster.by_hand import proxies
from nodes.cluster.compose import ComposeCluster
from nodes.cluster.compose_images import node_image
from nodes.cluster.compose_project import Project, modules_outside_image
from nodes.cluster.engine import (
    CONDUCTOR_LABEL,
    HOST_LABEL,
    LAB_LABEL,
    SERVICE_LABEL,
    SESSION_LABEL,
    Ending,
)
from nodes.cluster.engine_host import check_host, compose_command, engine_host
from nodes.cluster.leftovers import dead_sessions, owner_labels
from nodes.cluster.node_container import NodeContainer
from nodes.cluster.process_start import start_time
from nodes.host import container
from nodes.host.config import ConfigError, read_config, read_links
from nodes.host.container import config_from, numbered_nodes, on_own_clock
from nodes.host.health import serves

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = (ROOT / "docker-compose.yml").read_text()
ENVIRONMENT = {
    "FAULTLAB_NODE": "n2",
    "FAULTLAB_NODES": "3",
    "FAULTLAB_LAB": "raft",
    "FAULTLAB_CORE": "nodes.cores.raft:Raft",
    "FAULTLAB_PROTOS": "protos.raft_pb2,protos.kv_pb2",
    "FAULTLAB_SETTINGS": "heartbeat_ms=100 pre_vote=on",
    "FAULTLAB_SESSION": "by-hand",
}


def spec_of(*nodes: str, core: str = "nodes.cores.raft:Raft") -> ClusterSpec:
    return ClusterSpec("raft", ("protos.raft_pb2",), tuple(NodeSpec(node, core) for node in nodes))


def project_of(spec: ClusterSpec, folder: Path = Path("/tmp/lab")) -> Project:
    labels = owner_labels("abc", "raft")
    return Project(spec, "abc", folder, "faultlab-node:1", labels, "unix:///engine.sock")


# ------------------------------------------------------------------------------ docker-compose.yml


def test_by_hand_has_the_labs_defaults() -> None:
    """`docker compose up` starts Raft with the settings, protos and core of the Raft lab."""
    found = re.search(r"FAULTLAB_SETTINGS:-([^}]*)}", COMPOSE_FILE)
    assert found is not None
    written = dict(assignment.split("=") for assignment in found[1].split())
    assert written == {name: str(value) for name, value in LAB.defaults().items()}
    assert f"${{FAULTLAB_CORE:-{LAB.core}}}" in COMPOSE_FILE
    assert f"${{FAULTLAB_PROTOS:-{','.join(LAB.protos)}}}" in COMPOSE_FILE
    assert f"${{FAULTLAB_NODES:-{LAB.nodes_default}}}" in COMPOSE_FILE


def test_sec_02_and_17_of_the_file() -> None:
    """No bare port, no host network, no added right, no socket of the engine, no root."""
    ports = re.findall(r'^ {6}- "(.*)"$', COMPOSE_FILE, re.MULTILINE)
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    lines = [line.partition("#")[0] for line in COMPOSE_FILE.splitlines()]
    for word in ("network_mode", "privileged", "cap_add", "docker.sock", "pid:", "ipc:"):
        assert not any(word in line for line in lines), word
    services = "\n".join(lines).partition("\nservices:")[2].partition("\nnetworks:")[0]
    for service in re.split(r"^  (?=\w)", services, flags=re.MULTILINE)[1:]:
        assert "<<: *node" in service or "<<: *confined" in service, service
    assert re.search(r'user: "65532:65532"', COMPOSE_FILE)
    assert "${FAULTLAB_USER:-10001:10001}" in COMPOSE_FILE


def test_images_are_the_same_everywhere() -> None:
    """The Toxiproxy of the compose file is the one that the runtime and CI make."""
    from nodes.cluster.compose_images import TOXIPROXY, TOXIPROXY_TAG

    assert f"image: {TOXIPROXY}:{TOXIPROXY_TAG}" in COMPOSE_FILE
    assert f"toxiproxy_version={TOXIPROXY_TAG}" in (ROOT / ".ci/images").read_text()
    assert f"version={TOXIPROXY_TAG}" in (ROOT / ".ci/toxiproxy").read_text()
    assert "FROM python:3.12-slim" in (ROOT / "Dockerfile").read_text()


def test_every_pair_has_its_port() -> None:
    """Each link has a port of its own, below those that the kernel gives to connections."""
    made = proxies(numbered_nodes("7"))
    assert len(made) == 7 * 6 + 7
    ports = {proxy["listen"] for proxy in made}
    assert len(ports) == len(made)
    assert all(20_000 < int(listen.rpartition(":")[2]) < 20_100 for listen in ports)
    by_name = {proxy["name"]: proxy for proxy in made}
    assert by_name["client->n3"]["listen"] == "0.0.0.0:20003"
    assert by_name["n1->n2"] == {
        "name": "n1->n2",
        "listen": "0.0.0.0:20012",
        "upstream": "n2:7000",
        "enabled": True,
    }


# ------------------------------------------------------------------------------------ what it adds


def test_additions_name_what_is_shared(tmp_path: Path) -> None:
    """A session adds a port and two folders a node; the config cannot be written."""
    project = project_of(spec_of("n1", "n2"), tmp_path)
    services = project.additions()["services"]
    assert list(services) == ["n1", "n2"]
    assert services["n1"]["ports"] == ["127.0.0.1::7000"]
    targets = {mount["target"]: mount["read_only"] for mount in services["n1"]["volumes"]}
    assert targets == {"/lab/config": True, "/lab/events": False}


def test_a_learners_core_is_mounted_read_only() -> None:
    """A module that the image lacks is mounted where it belongs; what the image has is not."""
    spec = spec_of("n1", "n2", core="tests.support.ping_core:Ping")
    [(where, path)] = modules_outside_image(spec)
    assert where == "tests/support/ping_core.py"
    assert path == ROOT / where
    mounts = project_of(spec).additions()["services"]["n1"]["volumes"]
    assert {
        "type": "bind",
        "source": str(path),
        "target": "/app/tests/support/ping_core.py",
        "read_only": True,
    } in mounts


def test_a_missing_core_is_named() -> None:
    """Before any container is made."""
    with pytest.raises(RuntimeFailure, match=r"there is no module tests\.nowhere"):
        modules_outside_image(spec_of("n1", core="tests.nowhere:Core"))


def test_the_users_compose_settings_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """COMPOSE_* and FAULTLAB_* of the user's shell do not reach a session's Compose."""
    monkeypatch.setenv("COMPOSE_FILE", "/somewhere/else.yml")
    monkeypatch.setenv("FAULTLAB_SETTINGS", "x=1")
    environment = project_of(spec_of("n1")).environment()
    assert "COMPOSE_FILE" not in environment
    assert "FAULTLAB_SETTINGS" not in environment
    assert environment["FAULTLAB_SESSION"] == "abc"
    assert environment["FAULTLAB_PROXY_PORT"] == "", "any free one"
    assert not environment["FAULTLAB_USER"].startswith("0:")


def test_the_image_changes_with_the_code(tmp_path: Path) -> None:
    """Its name follows what goes in, and nothing else."""
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("nodes", "protos"):
        (tmp_path / folder / "__pycache__").mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("1")
    before = node_image(tmp_path)
    assert re.fullmatch(r"faultlab-node:[0-9a-f]{12}", before)
    (tmp_path / "README.md").write_text("other")
    (tmp_path / "nodes/__pycache__/a.pyc").write_text("other")
    assert node_image(tmp_path) == before
    (tmp_path / "nodes/a.py").write_text("2")
    assert node_image(tmp_path) != before
    (tmp_path / "Dockerfile").unlink()
    with pytest.raises(RuntimeFailure, match="there is no Dockerfile in"):
        node_image(tmp_path)


async def test_nodes_of_other_names_are_refused(tmp_path: Path) -> None:
    """docker-compose.yml has n1 to n7."""
    for name in ("n8", "n0", "node1", "n１"):
        with pytest.raises(RuntimeFailure, match="is none of n1 to n7"):
            await ComposeCluster(spec_of(name), folder=tmp_path).start()


# --------------------------------------------------------------------------- inside the container


def test_config_from_the_environment() -> None:
    """By hand, a node knows everything from its environment; its token is nobody's."""
    raw = config_from(ENVIRONMENT)
    config = read_config(on_own_clock(raw))
    assert (config.node, config.peers) == ("n2", ("n1", "n3"))
    assert config.params == {"heartbeat_ms": 100, "pre_vote": "on"}
    assert read_links(raw, config.peers) == {"n1": "toxiproxy:20021", "n3": "toxiproxy:20023"}
    assert len(config.token) >= 32
    assert config.token != config_from(ENVIRONMENT)["token"]
    assert config_from(ENVIRONMENT | {"FAULTLAB_TOKEN": "mine"})["token"] == "mine"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"FAULTLAB_NODE": ""}, "FAULTLAB_NODE is not set"),
        ({"FAULTLAB_NODE": "n4"}, "n4 is none of the 3 nodes"),
        ({"FAULTLAB_NODES": "8"}, "FAULTLAB_NODES is '8', expected 1 to 7"),
        ({"FAULTLAB_NODES": "three"}, "FAULTLAB_NODES is 'three'"),
        ({"FAULTLAB_SETTINGS": "heartbeat_ms"}, "expected NAME=VALUE"),
    ],
)
def test_bad_environment_is_named(change: dict[str, str], complaint: str) -> None:
    """One line says which variable is wrong."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        config_from(ENVIRONMENT | change)


def test_a_mounted_config_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a file the environment is not asked; a damaged file is named."""
    file = tmp_path / "node.json"
    monkeypatch.setattr(container, "CONFIG_FILE", file)
    file.write_text(json.dumps({"node": "n7"}))
    assert json.loads(container.read()) == {"node": "n7"}
    file.write_text("{")
    with pytest.raises(ConfigError, match="is no JSON"):
        container.read()
    file.unlink()
    with pytest.raises(ConfigError, match="FAULTLAB_NODE is not set"):
        container.read()


def test_times_since_the_cluster_began_need_no_common_monotonic_clock() -> None:
    """Where the engine runs in a virtual machine only the time of day is shared."""
    import time

    began_s = time.time() - 5
    raw = on_own_clock({"began_at_ms": began_s * 1000})
    age_ms = time.monotonic() * 1000 - raw["began_ms"]
    assert 5_000 <= age_ms < 6_000


@pytest.fixture
def health_server() -> Iterator[tuple[health.HealthServicer, str]]:
    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.mark.real
def test_health_client(health_server: tuple[health.HealthServicer, str]) -> None:
    """The small client understands a real gRPC server: serving, not serving, gone."""
    servicer, address = health_server
    status = health_pb2.HealthCheckResponse
    servicer.set("", status.SERVING)
    assert serves(address) is True
    servicer.set("", status.NOT_SERVING)
    assert serves(address) is False
    servicer.set("", status.SERVING)
    command = [sys.executable, "-S", "-m", "nodes.host.health", address]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{address} serves\n"), done.stderr


@pytest.mark.real
def test_health_of_nobody() -> None:
    """Nobody there, or somebody who speaks no HTTP/2: not healthy, and in time."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-S", "-m", "nodes.host.health", address]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "refused" in done.stdout
        listener.listen()
        with pytest.raises(TimeoutError):
            serves(address, timeout_s=0.1)


# ------------------------------------------------------------------------- engines and what is left


@pytest.mark.parametrize("host", ["tcp://10.0.0.5:2375", "ssh://me@there", "", "http+docker://x"])
def test_engines_elsewhere_are_refused(host: str) -> None:
    """Ports on loopback and shared folders would be on the other machine."""
    with pytest.raises(RuntimeFailure, match="is not on this machine"):
        check_host(host)


def test_docker_host_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the docker command."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///elsewhere.sock")
    assert engine_host() == "unix:///elsewhere.sock"


def test_no_compose_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With where to get it, and what needs none."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeFailure, match=r"there is no Compose: .*--runtime local"):
        compose_command()


class FakeEngine:
    """As much of an engine as finding leftovers needs."""

    def __init__(self, *labels: dict[str, str]) -> None:
        self.labels = labels

    def labels_of_all(self) -> list[dict[str, str]]:
        return list(self.labels)


def test_only_dead_conductors_of_this_machine_leave_something() -> None:
    """Not living ones, other machines', or what was started by hand; a pid used again is dead."""
    living = owner_labels("living", "raft")
    dead = living | {SESSION_LABEL: "dead", CONDUCTOR_LABEL: f"{os.getpid()} long ago"}
    elsewhere = dead | {SESSION_LABEL: "elsewhere", HOST_LABEL: f"not-{platform.node()}"}
    by_hand = {SESSION_LABEL: "by-hand", LAB_LABEL: "raft", HOST_LABEL: "", CONDUCTOR_LABEL: ""}
    node = {SERVICE_LABEL: "n1"}
    engine: Any = FakeEngine(living | node, dead | node, dead | node, dead, elsewhere, by_hand)
    [found] = dead_sessions(engine)
    assert (found.session, found.containers) == ("dead", 2)
    assert found.sentence() == (
        f"2 containers of a raft lab whose conductor (pid {os.getpid()}) is gone"
    )
    assert living[CONDUCTOR_LABEL] == f"{os.getpid()} {start_time(os.getpid())}"
    engine = FakeEngine(living)
    assert leftovers.remove_dead_sessions(engine) == []


@pytest.mark.real
def test_the_reaper_goes_when_there_is_nothing_to_do() -> None:
    """Told that all is done it ends at once, and asks no engine."""
    command = [sys.executable, "-m", "nodes.cluster.reaper", "session"]
    environment = dict(os.environ) | {"DOCKER_HOST": "unix:///nowhere.sock"}
    done = subprocess.run(
        command, input=b"done\n", cwd=ROOT, env=environment, timeout=30, check=False
    )
    assert done.returncode == 0


async def test_how_a_container_ended(tmp_path: Path) -> None:
    """Signals by name, the kernel's memory limit, a node's own last words, a removal by hand."""
    engine: Any = None
    one = NodeContainer(engine, "n1", "id", tmp_path / "n1.log")
    (tmp_path / "n1.log").write_text("Traceback\nn1: its disk \x1b[31m is full\nnoise\n")
    told = []
    for ending in (
        Ending(137, False),
        Ending(137, True),
        Ending(74, False),
        Ending(0, False),
        None,
    ):
        one.end(ending)
        told.append(one.epitaph())
    assert told == [
        "was ended by SIGKILL",
        "was ended by the kernel: it used more memory than its container may",
        "ended with 74: its disk \\x1b[31m is full",
        "ended with 0",
        "was removed by somebody",
    ]
