"""The kernel's filter, evaluated as the kernel does it, for both machines. That it holds on the one
which runs this is proved by test_hostile.py."""

from __future__ import annotations

import os

import pytest

from labs.kit.grading import cage

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter for a machine says of a call."""
    column, own = cage._MACHINES[machine]
    data = {0: number, 4: own if arch is None else arch}
    data |= {16 + 8 * place: value & 0xFFFFFFFF for place, value in enumerate(arguments)}
    code, accumulator, at = cage._program(column, own), 0, 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == cage._LOAD:
            accumulator = data.get(value, 0)
        elif operation == cage._AND:
            accumulator &= value
        elif operation == cage._RETURN:
            return value
        else:
            holds = accumulator == value if operation == cage._EQUAL else accumulator > value
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", cage._MACHINES)
def test_listed_calls_are_served(machine: str) -> None:
    """Each of them, and by its number on that machine."""
    column, arch = cage._MACHINES[machine]
    assert arch == ARCH[machine]
    numbers = [pair[column] for pair in cage._CALLS.values() if pair[column] is not None]
    assert len(numbers) == len(set(numbers))
    assert {verdict(machine, number) for number in numbers if number is not None} == {cage._ALLOW}


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [
        # socket connect clone fork vfork execve kill tgkill ptrace unlink prctl clone3, x32's read
        ("x86_64", [41, 42, 56, 57, 58, 59, 62, 234, 101, 87, 157, 435, 0x40000000]),
        # socket connect clone execve kill tgkill ptrace unlinkat prctl clone3 mkdirat
        ("aarch64", [198, 203, 220, 221, 129, 131, 117, 35, 167, 435, 34]),
    ],
)
def test_others_are_refused(machine: str, numbers: list[int]) -> None:
    """With EPERM, so that the code can go on."""
    assert {verdict(machine, number) for number in numbers} == {cage._REFUSE}


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_arguments_decide_some(machine: str, column: int) -> None:
    """Files to read, flags to look at, limits of one's own: nothing more of these calls."""
    openat, fcntl = cage._OPENAT[column], cage._FCNTL[column]
    prlimit = cage._PRLIMIT64[column]
    assert verdict(machine, openat, 0, 0, os.O_RDONLY | os.O_CLOEXEC) == cage._ALLOW
    for flag in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_APPEND):
        assert verdict(machine, openat, 0, 0, flag) == cage._REFUSE
    assert verdict(machine, fcntl, 0, 3) == cage._ALLOW
    assert verdict(machine, fcntl, 0, 8) == cage._REFUSE
    assert verdict(machine, prlimit, 0) == cage._ALLOW
    assert verdict(machine, prlimit, 1) == cage._REFUSE


def test_another_machines_calls_end_the_process() -> None:
    """Numbers mean other calls there."""
    assert verdict("x86_64", 0, arch=0x40000003) == cage._KILL
