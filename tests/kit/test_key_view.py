"""What a lab may add to `lab status`: a picture of the cluster, and a look at one key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from labs.kit import key_view
from labs.kit.errors import LabError
from labs.kit.lab import Value, Views
from labs.kit.operations import ServedCluster
from labs.raft import lab as raft_lab
from nodes.cluster.api import Indeterminate, Refused
from protos import kv_pb2 as kv
from tests.kit.conftest import Desk

Captured = pytest.CaptureFixture[str]


class Values:
    """Reads a key of each node of the Raft cluster in memory."""

    async def look(self, cluster: ServedCluster, key: str) -> dict[str, Any]:
        found = {}
        for node in cluster.nodes:
            try:
                response = await cluster.call(node, kv.GetRequest(key=key), timeout_ms=50)
            except (Refused, Indeterminate):
                continue
            assert isinstance(response, kv.GetResponse)
            found[node] = response.value.decode()
        return {"key": key, "values": found}

    def lines(self, status: Mapping[str, Any]) -> list[str]:
        return [f"{node} has {value}" for node, value in status["key"]["values"].items()]


def terms(views: Views, settings: Mapping[str, Value]) -> list[str]:
    """A picture."""
    words = " ".join(f"{node}={view['term']}" for node, view in views.items())
    return [f"terms: {words}", f"heartbeats: {settings['heartbeat_ms']} \x1b[2J"]


@pytest.fixture
def with_picture(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The Raft lab, as if it had both."""
    lab = replace(raft_lab.LAB, picture=terms, key_view=f"{__name__}:Values")
    monkeypatch.setattr(raft_lab, "LAB", lab)
    return iter(())


def test_a_lab_that_cannot_look_at_a_key() -> None:
    """One line with the way out."""
    with pytest.raises(
        LabError, match=r"raft lab cannot show a single key; `lab get KEY` reads it"
    ):
        key_view.load_key_view(raft_lab.LAB)


async def test_it_is_refused_in_one_line(running: Desk, capsys: Captured) -> None:
    """The lab goes on."""
    assert await running.lab("status", "--key", "cart") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "lab: the raft lab cannot show a single key; `lab get KEY` reads it\n"
    assert await running.lab("status") == 0


@pytest.mark.usefixtures("with_picture")
async def test_a_picture_and_a_key(running: Desk, capsys: Captured) -> None:
    """The picture of those who answer, whoever asks; the key only when somebody names one."""
    assert await running.lab("put", "cart", "milk") == 0
    await running.silence("n5")
    capsys.readouterr()
    assert await running.lab("status") == 0
    table = capsys.readouterr().out
    assert "\nterms: n1=1 n2=1 n3=1 n4=1\n" in table
    assert "heartbeats: 5 \\x1b[2J\n" in table
    assert " has " not in table
    assert await running.lab("status", "--key", "cart") == 0
    assert "\nn1 has milk\n" in capsys.readouterr().out
    assert await running.lab("status", "--key", "cart", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["key"] == {"key": "cart", "values": {"n1": "milk"}}
    assert await running.lab("status", "--json") == 0
    assert "key" not in json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("with_picture")
@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "a key has 1 to 1024 bytes, not 0"),
        ("k" * 1025, "a key has 1 to 1024 bytes, not 1025"),
        ("k" * 20_000, "a key has 1 to 1024 bytes, not 20000"),
        ("\udcff", "a key must be UTF-8; values may be any bytes"),
    ],
)
async def test_no_such_key_can_be(running: Desk, capsys: Captured, key: str, why: str) -> None:
    """Refused as it is by `lab put`."""
    assert await running.lab("status", "--key", key) == 2
    assert capsys.readouterr().err == f"lab: {why}\n"


@pytest.mark.usefixtures("with_picture")
async def test_any_key_arrives_as_it_was_written(running: Desk, capsys: Captured) -> None:
    """Also one that a URL would read otherwise."""
    key = "a b&c=d%20?#é/"
    assert await running.lab("put", key, "milk") == 0
    capsys.readouterr()
    assert await running.lab("status", "--key", key, "--json") == 0
    looked = json.loads(capsys.readouterr().out)["key"]
    assert (looked["key"], looked["values"]["n1"]) == (key, "milk")
