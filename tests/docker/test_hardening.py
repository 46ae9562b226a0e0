"""What a lab's containers may not do, read off a lab that runs."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from nodes.cluster.engine import CONDUCTOR_LABEL, LAB_LABEL
from nodes.host.container import NODE_PORT, link_port
from tests.support.containers import container_of, docker, inspect
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

NODES = ("n1", "n2", "n3", "n4", "n5")
SERVICES = (*NODES, "toxiproxy")
# Tries every target within a second, and prints those that answer.
KNOCK = """
import socket, sys
for target in sys.argv[1:]:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        continue
    print(target)
"""


@pytest.mark.parametrize("service", SERVICES)
def test_sec_17_rights(shared: Terminal, service: str) -> None:
    """Containers run as nobody in particular, with no capability, on a read-only root, limited."""
    facts = inspect(container_of(shared, service))
    host = facts["HostConfig"]
    uid = facts["Config"]["User"].partition(":")[0]
    assert uid.isdecimal()
    assert int(uid) != 0
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert 0 < host["Memory"] <= 512 << 20
    assert 0 < host["PidsLimit"] <= 128
    assert host["NanoCpus"] > 0
    assert host["RestartPolicy"]["Name"] in ("no", "")


@pytest.mark.parametrize("service", SERVICES)
def test_sec_02_published_ports(shared: Terminal, service: str) -> None:
    """Every published port is on 127.0.0.1, and no container shares the host's network."""
    facts = inspect(container_of(shared, service))
    bindings = [one for some in facts["NetworkSettings"]["Ports"].values() for one in some or ()]
    assert bindings
    assert {one["HostIp"] for one in bindings} == {"127.0.0.1"}
    for mode in ("NetworkMode", "PidMode", "IpcMode", "UTSMode"):
        assert facts["HostConfig"][mode] != "host"


@pytest.mark.parametrize("service", SERVICES)
def test_sec_16_docker_socket(shared: Terminal, service: str) -> None:
    """No container sees the engine's socket, nor any folder of the host but the session's own."""
    mounts = inspect(container_of(shared, service))["Mounts"]
    binds = [mount for mount in mounts if mount["Type"] == "bind"]
    home = os.path.realpath(shared.folder.path)
    assert all(mount["Source"].startswith(f"{home}/cluster/") for mount in binds)
    assert [mount["Destination"] for mount in binds if mount["RW"]] in ([], ["/lab/events"])


def test_sec_01_nothing_listens_beyond_loopback(shared: Terminal) -> None:
    """The lab's ports do not answer on this machine's other addresses."""
    published = [
        int(one["HostPort"])
        for service in SERVICES
        for some in inspect(container_of(shared, service))["NetworkSettings"]["Ports"].values()
        for one in some or ()
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; tells the address of the way out
        outward = probe.getsockname()[0]
    assert outward != "127.0.0.1"
    for port in published:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((outward, port), timeout=5)


def test_nodes_reach_each_other_through_toxiproxy_only(shared: Terminal) -> None:
    """From inside a node no other node answers, by name, by address, or by its published port."""
    ways: list[str] = []
    for node in NODES[1:]:
        facts = inspect(container_of(shared, node))
        [network] = facts["NetworkSettings"]["Networks"].values()
        [published] = facts["NetworkSettings"]["Ports"][f"{NODE_PORT}/tcp"]
        own = inspect(container_of(shared, "n1"))["NetworkSettings"]["Networks"].values()
        gateways = {network["Gateway"], *(one["Gateway"] for one in own)}
        names = (node, facts["Name"].lstrip("/"), network["IPAddress"])
        ways += [f"{name}:{NODE_PORT}" for name in names]
        ways += [f"{gateway}:{published['HostPort']}" for gateway in gateways]
    links = [f"toxiproxy:{link_port('n1', node)}" for node in NODES[1:]]
    command = ("exec", container_of(shared, "n1"), "python", "-c", KNOCK)
    assert docker(*command, *ways).split() == []
    assert docker(*command, *links).split() == links, "the test can tell a way from none"


def test_root_is_read_only(shared: Terminal) -> None:
    """A node can write its disk, its timeline and /tmp, and nothing else."""
    command = (
        "for path in / /app /lab /lab/config /usr /var /lab/data /lab/events /tmp; do "
        "touch $path/probe 2>/dev/null && rm $path/probe && echo $path; done; true"
    )
    written = docker("exec", container_of(shared, "n2"), "sh", "-c", command)
    assert written.split() == ["/lab/data", "/lab/events", "/tmp"]


def test_sec_07_token(shared: Terminal) -> None:
    """The nodes' token is in no environment, command line, label or log, only in private files."""
    files = list((shared.folder.path / "cluster" / "config").glob("*/node.json"))
    assert len(files) == len(NODES)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((shared.folder.path / "cluster").stat().st_mode) == 0o700
    token = json.loads(files[0].read_text())["token"]
    assert len(token) >= 32
    for service in SERVICES:
        name = container_of(shared, service)
        assert token not in docker("inspect", name)
        assert token not in docker("logs", name)
    for log in Path(shared.folder.path).rglob("*.log"):
        assert token not in log.read_text()


def test_labels(shared: Terminal) -> None:
    """Whatever the lab made says whose it is."""
    facts = inspect(container_of(shared, "n1"))
    labels = facts["Config"]["Labels"]
    assert labels[LAB_LABEL] == "raft"
    assert int(labels[CONDUCTOR_LABEL].split()[0]) == shared.session().conductor.pid
    [network] = facts["NetworkSettings"]["Networks"]
    [volume] = [mount["Name"] for mount in facts["Mounts"] if mount["Type"] == "volume"]
    for kind, name in (("network", network), ("volume", volume)):
        [found] = json.loads(docker(kind, "inspect", name))
        assert found["Labels"][LAB_LABEL] == "raft"


def test_health(shared: Terminal) -> None:
    """The health check that Compose runs says that a node serves."""
    command = inspect(container_of(shared, "n3"))["Config"]["Healthcheck"]["Test"]
    assert command[0] == "CMD"
    assert "serves" in docker("exec", container_of(shared, "n3"), *command[1:])
