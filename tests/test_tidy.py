"""Style that matters, as tests: walls, purity, lengths, fresh protos, the four things of a lab."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labs.kit.registry import lab_names
from tests.support.source_rules import (
    ROOT,
    impurities,
    modules,
    place,
    source_files,
    undocumented,
    unexplained_suppressions,
    unsafe_code,
)

CORE_LINES_MAX = 400
BASE = (ROOT / "nodes/core.py", ROOT / "nodes/effects.py")  # of every core
SHARED_PROTOS = {"kv", "node", "step"}  # offered by several labs, by every node, by a grader
Rule = Callable[[Path, str], Iterator[str]]


def broken(rule: Rule, *folders: str) -> list[str]:
    """Where the files below the folders break the rule."""
    return [line for path in source_files(*folders) for line in rule(path, path.read_text())]


# ------------------------------------------------------------------------------------------- walls


def test_imports_go_one_way() -> None:
    """The contracts of pyproject.toml hold: a core that can read a clock cannot be replayed."""
    lint_imports = Path(sysconfig.get_path("scripts")) / "lint-imports"
    ran = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_cores_touch_nothing_outside() -> None:
    """No clock, no dice, no print, no file, and no iteration over a set made on the spot."""
    assert broken(impurities, "nodes/cores", "nodes/parts") == []
    for path in BASE:
        assert list(impurities(path, path.read_text())) == []


def test_cores_stay_readable() -> None:
    """A protocol that does not fit is split, by a chapter of its paper."""
    for path in (*BASE, *source_files("nodes/cores", "nodes/parts")):
        count = len(path.read_text().splitlines())
        assert count <= CORE_LINES_MAX, f"{place(path, count)} is too long"


def test_data_never_becomes_code() -> None:
    """No pickle is read, no eval, no unsafe YAML."""
    assert broken(unsafe_code, "nodes", "labs", "protos") == []


def test_a_rule_is_switched_off_with_its_reason() -> None:
    """`# noqa` and `type: ignore` say why, beside it."""
    assert broken(unexplained_suppressions, "nodes", "labs", "tests") == []


def test_everything_public_is_explained() -> None:
    """Every public function and class of nodes and labs has a docstring."""
    missing = [name for module in modules("nodes", "labs") for name in undocumented(module)]
    assert missing == []


# ---------------------------------------------------------------------------------- the four things


def test_there_is_a_lab() -> None:
    """Else the test below would prove nothing."""
    assert "raft" in lab_names()


@pytest.mark.parametrize("name", lab_names())
def test_a_lab_is_four_things_of_one_name(name: str) -> None:
    """protos/x.proto, nodes/cores/x, labs/x and guide/x.md."""
    assert (ROOT / f"protos/{name}.proto").is_file()
    core = ROOT / f"nodes/cores/{name}"
    assert core.with_suffix(".py").is_file() or (core / "__init__.py").is_file()
    assert (ROOT / f"guide/{name}.md").is_file()


def test_every_proto_and_core_belongs_to_a_lab() -> None:
    """No leftovers: what is in protos or cores is a lab's, or shared by name."""
    protos = {path.stem for path in (ROOT / "protos").glob("*.proto")}
    cores = {path.stem for path in (ROOT / "nodes/cores").iterdir() if path.stem[0] != "_"}
    assert protos - SHARED_PROTOS == cores == set(lab_names())


# ------------------------------------------------------------------------------------------- protos


@pytest.mark.parametrize("source", ["protos/*.proto", "tests/support/ping.proto"])
def test_generated_code_is_fresh(source: str, tmp_path: Path) -> None:
    """What is committed is what the compiler makes of the .proto files today."""
    protos = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(source))]
    options = ["-I.", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *options, *protos],
        cwd=ROOT,
        check=True,
        timeout=100,
    )
    made = sorted(path for path in tmp_path.rglob("*_pb2.py*") if path.is_file())
    assert len(made) == 2 * len(protos)
    for path in made:
        committed = ROOT / path.relative_to(tmp_path)
        assert committed.read_text() == path.read_text(), (
            f"{committed.relative_to(ROOT)} is stale; `make protos`, with the grpcio-tools that "
            "pyproject.toml asks for"
        )


def test_nothing_generated_without_a_source() -> None:
    """A proto that was removed takes its code along."""
    generated = {path.name.removesuffix("_pb2.py") for path in (ROOT / "protos").glob("*_pb2.py")}
    assert generated == {path.stem for path in (ROOT / "protos").glob("*.proto")}


# ------------------------------------------------------------------------- the rules' own examples


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import random",
        "from random import randint",
        "from asyncio import sleep",
        "import os.path",
        "from nodes.sim.loop import VirtualLoop",
        "print('x')",
        "x = hash('a')",
        "for x in {1, 2}: pass",
        "y = [x for x in set(peers)]",
        "for x in set(a) - b: pass",
    ],
)
def test_impurities_are_found(source: str) -> None:
    """The rule finds what it is there for."""
    assert len(list(impurities(Path("x.py"), source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from random import Random",
        "from nodes.parts.quorum import majority",
        "from protos import raft_pb2 as pb",
        "x = sorted({1, 2})",
        "for x in sorted(set(a)): pass",
    ],
)
def test_purity_is_left_alone(source: str) -> None:
    """And nothing else."""
    assert list(impurities(Path("x.py"), source)) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import pickle", 1),
        ("from pickle import Pickler", 0),
        ("from pickle import Pickler, Unpickler", 1),
        ("from marshal import loads", 1),
        ("eval('1')", 1),
        ("yaml.load(x)", 1),
        ("yaml.safe_load(x)", 0),
        ("x.eval()", 0),
    ],
)
def test_unsafe_code_is_found(source: str, count: int) -> None:
    """The rule finds what it is there for, and nothing else."""
    assert len(list(unsafe_code(Path("x.py"), source))) == count


@pytest.mark.parametrize(
    ("comment", "count"),
    [
        ("# noqa: E731", 1),
        ("# noqa", 1),
        ("# type: ignore[arg-type]", 1),
        ("# noqa: E731  a name reads better here", 0),
        ("# type: ignore[arg-type]  # the wrong type on purpose", 0),
        ("# nothing of the kind", 0),
    ],
)
def test_unexplained_suppressions_are_found(comment: str, count: int) -> None:
    """The reason may follow on the same line."""
    assert len(list(unexplained_suppressions(Path("x.py"), f"x = 1  {comment}\n"))) == count
