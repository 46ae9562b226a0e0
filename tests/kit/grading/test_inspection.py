"""What a learner's file must not have is found before it runs, with its line."""

from __future__ import annotations

import inspect as python_inspect
from textwrap import dedent, indent

import pytest

from labs.kit.grading.inspection import Inspection, inspect
from nodes.core import Exercise
from nodes.cores.raft import Raft

EXERCISES = {
    name: getattr(Raft, name)._exercise.part
    for name in dir(Raft)
    if isinstance(getattr(getattr(Raft, name), "_exercise", None), Exercise)
}


def looked(source: str) -> Inspection:
    """At a file of the Raft lab."""
    return inspect(source, "exercise.py", "MyRaft", EXERCISES)


def in_method(code: str) -> str:
    """A file with this code in a method; it begins in line 5."""
    return (
        "from nodes.core import Caller, NotWritten\n"
        "from nodes.cores.raft import Raft\n"
        "class MyRaft(Raft):\n"
        "    def campaign(self, *, leadership_transfer=False):\n"
        f"{indent(dedent(code), '        ')}\n"
    )


def test_the_reference_itself_passes() -> None:
    """With all its methods in the learner's place, which is what a perfect file looks like."""
    methods = "\n".join(
        python_inspect.getsource(getattr(Raft, name)).rstrip() for name in sorted(EXERCISES)
    )
    imports = "from nodes.cores.raft import Raft\nfrom nodes.core import exercise, handles\n"
    found = looked(f"{imports}class MyRaft(Raft):\n{methods}\n")
    assert found.problems == ()
    assert found.blanks == {}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import time", "time is not a core's: use self.now"),
        ("import time as t", "time is not a core's: use self.now"),
        ("from time import monotonic", "time is not a core's: use self.now"),
        ("from datetime import datetime", "datetime is not a core's: use self.now"),
        ("import random", "random is not a core's: use self.env.rng"),
        ("from random import randint", "random is not a core's: use self.env.rng"),
        ("import threading", "threading is not a core's: a core is stepped, one event after"),
        ("import os.path", "os.path is not for a core"),
        ("import sys, math", "sys is not for a core"),
        ("import ctypes", "ctypes is not for a core"),
        ("import nodes.cores.raft.election", "import names: from nodes.cores.raft.election"),
        ("from nodes.cores.raft import election", "import names: from nodes.cores.raft.election"),
        ("from nodes.sim.cluster import simulate", "nodes.sim.cluster is not for a core"),
        ("from labs.raft.mutants import MUTANTS", "labs.raft.mutants is not for a core"),
        ("from . import x", "import by full names"),
        ("eval('1')", "eval is not for a core"),
        ("exec('1')", "exec is not for a core"),
        ("run = eval", "eval is not for a core"),
        ("open('x')", "open is not for a core: what must last goes through self.save"),
        ("compile('1', '', 'eval')", "compile is not for a core"),
        ("__import__('os')", "__import__ is not for a core"),
        ("__builtins__['open']", "__builtins__ is not for a core"),
        ("globals()", "globals is not for a core"),
        ("input()", "input is not for a core"),
        ("breakpoint()", "breakpoint is not for a core"),
        ("hash('a')", "hash is not for a core: it differs from run to run"),
        ("().__class__", "__class__ is not for a core"),
        ("self.campaign.__globals__", "__globals__ is not for a core"),
        ("(x for x in []).gi_frame", "gi_frame is the machinery's"),
        ("getattr(self, '__class__')", "getattr wants a plain name in quotes here"),
        ("getattr(self, 'camp' + 'aign')", "getattr wants a plain name in quotes here"),
        ("getattr(super(), 'campaign')()", "getattr wants a plain name in quotes here"),
        ("look = getattr", "getattr can only be called here"),
        ("super().campaign()", "campaign is for you to write: only self.campaign may be used"),
        ("Raft.campaign(self)", "campaign is for you to write: only self.campaign may be used"),
        ("up = super()\nup.campaign()", "campaign is for you to write"),
        ("other = Raft\nother(self.env)", "Raft is the reference: build on it, but do not call it"),
        ("self.step(None, self.now)", "a core is stepped by its world only"),
        ("again = self.step", "a core is stepped by its world only"),
        ("super().step(None, self.now)", "a core is stepped by its world only"),
        ("self._effects.append(1)", "_effects is the machinery's"),
        ("await self.x", "a core never waits: ask with self.call"),
        ("yield 1", "campaign has a yield, so that calling it would do nothing"),
        ("global x", "what a node knows belongs to self, where a crash forgets it"),
        ("for x in {1, 2}: pass", "the order of a set differs from process to process"),
        ("[x for x in set(self.voters)]", "the order of a set differs from process to process"),
    ],
)
def test_what_is_refused(code: str, said: str) -> None:
    """By line, and with what to do instead where there is something."""
    found = looked(in_method(code))
    assert found.problems, code
    lines = {line for line, text in found.problems if text.startswith(said)}
    assert lines, found.problems
    assert min(lines) >= 4


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("class MyRaft(Raft:\n    pass", 1, "Python cannot read this: "),
        ("x = 1", 1, "there is no class MyRaft in it"),
        ("\0", 1, "Python cannot read this: "),
        ("class MyRaft(Raft):\n    def view(self): pass", 2, "view is what the judge builds on"),
        ("class MyRaft(Raft):\n    def save(self): pass", 2, "save is what the judge builds on"),
        ("class MyRaft(Raft):\n    view = None", 2, "view stays as it is"),
        ("class MyRaft(Raft):\n    def __new__(c): pass", 2, "__new__ is not for a core"),
        ("class MyRaft(Raft, metaclass=type): pass", 1, "a core's class has no metaclass"),
        ("class MyRaft(Raft):\n    async def f(self): pass", 2, "a core never waits"),
    ],
)
def test_whole_files_that_are_refused(text: str, line: int, said: str) -> None:
    """Also those that are no Python."""
    problems = looked(text).problems
    assert problems
    assert problems[0][0] == line
    assert problems[0][1].startswith(said)


def test_another_core_beside_the_graded_one() -> None:
    """The reference cannot be brought in by a class of its own."""
    source = in_method("Copy(self.env)") + "class Copy(Raft): pass\n"
    assert (6, "Raft is the reference: build on it, but do not call it") in looked(source).problems


@pytest.mark.parametrize(
    "code",
    [
        "from random import Random",
        "import math, itertools",
        "from collections.abc import Iterable",
        "from nodes.parts.quorum import majority",
        "from nodes.cores.raft.log import RaftLog",
        "from protos import raft_pb2 as pb",
        "self.campaign()",
        "super().become_leader()",
        "saga.step = saga.done[0]",
        "for x in sorted({1, 2}): pass",
        "x = getattr(self, 'role', None)",
        "def inner():\n    yield 1\nlist(inner())",
        "x: Raft = self",
        "print('election', self.now.mono_ms)",
        "try:\n    pass\nexcept ValueError as error:\n    raise RuntimeError from error",
    ],
)
def test_what_is_left_alone(code: str) -> None:
    """A core may do it."""
    assert looked(in_method(code)).problems == ()


def test_own_state_and_small_classes() -> None:
    """A learner may add fields, helpers and records of their own."""
    source = """
from __future__ import annotations
from dataclasses import dataclass, field
from nodes.core import Env
from nodes.cores.raft import Raft

@dataclass
class Round:
    number: int
    votes: dict[str, bool] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.votes)

class MyRaft(Raft):
    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.round = Round(0)

    def helper(self, other: Raft) -> Raft:
        return other
"""
    assert looked(source).problems == ()


@pytest.mark.parametrize(
    ("code", "blank"),
    [
        ("raise NotWritten(1, 'campaign')", True),
        ('"""What it does."""\nraise NotWritten(1, "campaign")', True),
        ('"""What it does."""\n# TODO\nraise NotWritten(1, "campaign")', True),
        ("raise NotImplementedError", False),
        ("pass", False),
        ("self.x = 1\nraise NotWritten(1, 'campaign')", False),
    ],
)
def test_blanks(code: str, blank: bool) -> None:
    """A method that has begun is written, even badly."""
    assert looked(in_method(code)).blanks == ({"campaign": 4} if blank else {})


def test_the_line_of_a_blank_is_that_of_its_name() -> None:
    """Below its decorators."""
    source = (
        "class MyRaft(Raft):\n"
        "    @handles(pb.PreVoteRequest)\n"
        "    def answer_pre_vote(self, request, caller):\n"
        "        raise NotWritten(1, 'answer_pre_vote')\n"
    )
    assert looked(source).blanks == {"answer_pre_vote": 3}
