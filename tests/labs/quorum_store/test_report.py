"""The ring in the report of a run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from labs.kit.experiment.runner import Run
from labs.kit.history import read_history
from labs.kit.pictures import pictures_of
from labs.kit.runs import RunFolder, keep
from labs.quorum_store.lab import LAB
from labs.quorum_store.ring_report import ring_pictures
from nodes.parts.hash_ring import HashRing
from tests.support.experiments import run

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def done() -> Run:
    """A run after which one replica lacks what the others hold."""
    return run(LAB, "hinted-handoff-recovery", trials=1, variants=("window_over",))


def ending_of(done: Run) -> dict[str, Any]:
    """What the nodes of the trial that is shown said at its end."""
    assert done.shown is not None
    assert done.shown.ending is not None
    return done.shown.ending


def texts(svg: str) -> list[str]:
    """All words of a picture."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_page_has_the_ring_and_what_each_replica_holds_of_a_key(
    done: Run, tmp_path: Path
) -> None:
    """The key that clients asked for most, its preference list, and versions that differ where the
    replicas do."""
    keep(RunFolder(tmp_path), done)
    shown = (tmp_path / "report.html").read_text(encoding="utf-8")
    [(heading, svg)] = pictures_of(LAB, ending_of(done)).items()
    assert f"<h2>{heading}</h2>\n<div class='picture'>{svg}</div>" in shown

    asked = Counter(one.key for one in read_history(tmp_path / "history.jsonl") if one.key)
    key = ending_of(done)["key"]["key"]
    assert asked[key] == max(asked.values())
    words = texts(svg)
    assert any(key in one for one in words)
    assert done.shown is not None
    nodes, params = done.shown.cluster.nodes, done.shown.cluster.params
    owners = HashRing(nodes, int(params["tokens"])).preference_list(key, int(params["replication"]))
    holding = words.index(next(one for one in words if one.startswith("What each holds")))
    rows = [one for one in words[holding:] if one in nodes]
    assert tuple(rows[: len(owners)]) == owners
    away = nodes[-1]
    assert away in owners, "the node that was away is a replica of every key"
    letters = [one for one in words[holding:] if one in ("A", "B")]
    assert sorted(letters) == ["A", "A", "B"], "its version is the older one"


def test_a_node_that_is_silent_has_no_versions(done: Run) -> None:
    """It is in the picture all the same: the ring is what the others say."""
    ending = json.loads(json.dumps(ending_of(done)))
    node = ending["nodes"][0]
    node |= {"answers": False, "view": None}
    ending["key"]["nodes"][0] = {"id": node["id"], "answers": False, "error": "unavailable"}
    [svg] = ring_pictures(ending).values()
    words = texts(svg)
    assert node["id"] in words
    replicas = ending["key"]["nodes"][1]["preference_list"]
    assert words.count("no answer") == (node["id"] in replicas)


def test_without_a_key_there_is_the_ring_alone_and_without_nodes_nothing(done: Run) -> None:
    """No picture is made up."""
    ending = ending_of(done)
    without = {name: value for name, value in ending.items() if name != "key"}
    assert list(ring_pictures(without)) == ["The ring at the end"]
    silent = [{"id": one["id"], "answers": False, "view": None} for one in ending["nodes"]]
    assert not ring_pictures(ending | {"nodes": silent})
