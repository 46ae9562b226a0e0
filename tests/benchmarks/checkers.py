"""Our linearizability checker beside Porcupine, on the same histories in the same run.

    .venv/bin/python -m tests.benchmarks.checkers [--quick] [--json]

Porcupine is fetched by `go` into a temporary folder; where there is no Go, or no way to its module
proxy, our own figures are printed alone and the comparison is said to be missing. Neither's reading
of files is counted; ours includes the pairing of invocations with responses, and with a violation
its explanation. Porcupine is not asked where the goal is in seconds: violations take it long. The
median of the rounds is shown; the goals are those of the project.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from labs.kit.checkers import judge
from labs.kit.history import Entry, operations
from tests.support import porcupine

MODULE: Final = "github.com/anishathalye/porcupine@v1.3.1"
ROUNDS, ROUNDS_QUICK = 5, 1
LIMIT_S: Final = 60.0
PROGRAM: Final = Path(__file__).with_name("porcupine_bench.go")


@dataclass(frozen=True, slots=True)
class Case:
    """Histories that are judged one after the other; the goal is a share of Porcupine's time, or
    seconds."""

    name: str
    model: str
    histories: list[list[Entry]]
    expected: list[bool]
    share_max: float | None = None
    seconds_max: float | None = None


def main(arguments: list[str]) -> int:
    """Runs everything and prints a table, or with --json a document. 1 when a goal is missed."""
    quick = "--quick" in arguments
    rounds = ROUNDS_QUICK if quick else ROUNDS
    cases = [*recorded(), *random_cases(1 if quick else 3)]
    ours = {case.name: _ours(case, rounds) for case in cases}
    theirs: dict[str, float] = {}
    try:
        with built() as program:
            theirs = {c.name: _theirs(program, c, rounds) for c in cases if c.share_max}
    except (OSError, subprocess.SubprocessError) as error:
        print(f"Porcupine is left out: {error}", file=sys.stderr)
    rows = [_row(case, ours[case.name], theirs.get(case.name)) for case in cases]
    if "--json" in arguments:
        print(json.dumps(rows, indent=2))
    else:
        print(f"{'history':44} {'ours':>9} {'Porcupine':>10} {'share':>6}  goal")
        for row in rows:
            other = "-" if row["porcupine_ms"] is None else f"{row['porcupine_ms']:.1f}"
            share = "-" if row["share"] is None else f"{row['share']:.2f}"
            print(f"{row['name']:44} {row['ours_ms']:9.1f} {other:>10} {share:>6}  {row['goal']}")
    return 0 if all(row["holds"] is not False for row in rows) else 1


# ----------------------------------------------------------------------------------------- cases


def recorded() -> Iterator[Case]:
    """What Porcupine itself is tested with, as far as it is on this machine."""
    if not porcupine.FOLDER.is_dir():
        print(porcupine.ABSENT, file=sys.stderr)
        return
    expected = porcupine.expected()
    logs = [name for name in expected if name.startswith("jepsen/")]
    yield Case(
        f"{len(logs)} Jepsen logs of etcd",
        "cas-register",
        [porcupine.load(name) for name in logs],
        [expected[name] for name in logs],
        share_max=3.0,
    )
    for name in expected:
        if name.startswith("kv/"):
            yield Case(name, "kv", [porcupine.load(name)], [expected[name]], share_max=3.0)


def random_cases(seeds: int) -> Iterator[Case]:
    """CAS registers under random load: every client always busy."""
    shapes: list[tuple[str, int, int, bool, bool, float | None, float | None]] = [
        ("1,000 x 20 clients", 1_000, 20, False, True, None, 1.0),
        ("10,000 x 10 clients", 10_000, 10, False, True, 0.25, None),
        ("10,000 x 10 clients, unique values", 10_000, 10, True, True, 0.25, None),
        ("10,000 x 10 clients, one wrong read", 10_000, 10, False, False, None, 2.0),
        ("10,000 x 10, unique, one wrong read", 10_000, 10, True, False, None, 2.0),
    ]
    for name, count, clients, unique, right, share, seconds in shapes:
        histories = [
            register_history(count, clients, seed, unique=unique, wrong=not right)
            for seed in range(seeds)
        ]
        yield Case(name, "cas-register", histories, [right] * seeds, share, seconds)


def register_history(
    count: int, clients: int, seed: int, *, unique: bool = False, wrong: bool = False
) -> list[Entry]:
    """Half reads, then writes and one CAS in ten of five values; or unique writes only. `wrong`: at
    nine tenths of it, one read returns what could not be there."""
    rng, value = Random(seed), None
    idle, busy, entries = list(range(clients)), {}, []  # type: ignore[var-annotated] # by process
    begun = 0
    reads: list[int] = []
    while busy or begun < count:
        process = rng.choice(idle if begun < count and not busy else [*busy, *idle])
        if process in idle:
            if begun == count:
                idle.remove(process)
                continue
            begun += 1
            f, argument = _draw(rng, begun if unique else None)
            entries.append(Entry(process, "invoke", f, argument, time=len(entries)))
            idle.remove(process)
            busy[process] = [f, argument, False, None]
            continue
        work = busy[process]
        if not work[2]:
            work[2] = True
            old = value
            if work[0] == "write":
                value = work[1]
            elif work[0] == "cas" and old == work[1][0]:
                value = work[1][1]
            work[3] = old
            continue
        f, argument, _, old = busy.pop(process)
        idle.append(process)
        refused = f == "cas" and old != argument[0]
        if f == "read":
            reads.append(len(entries))
        result = old if f == "read" else argument
        entries.append(Entry(process, "fail" if refused else "ok", f, result, time=len(entries)))
    if wrong:
        place = reads[len(reads) * 9 // 10]
        stale = 1 if unique else 5  # the first write of all; or one more than there are
        entries[place] = entries[place]._replace(value=stale)
    return entries


def _draw(rng: Random, unique: int | None) -> tuple[str, Any]:
    drawn = rng.random()
    if drawn < 0.5:
        return "read", None
    if unique is not None:
        return "write", unique
    if drawn < 0.9:
        return "write", rng.randrange(5)
    return "cas", [rng.randrange(5), rng.randrange(5)]


# ------------------------------------------------------------------------------------- measuring


def _ours(case: Case, rounds: int) -> float:
    def once() -> float:
        began = time.perf_counter()
        found = [judge(one, case.model, time_limit_s=LIMIT_S).valid for one in case.histories]
        took = time.perf_counter() - began
        if found != case.expected:
            raise AssertionError(f"{case.name}: judged {found}, expected {case.expected}")
        return took * 1000

    return _median(once, rounds) / _per(case)


def _per(case: Case) -> int:
    """Recorded histories count in all, random ones a history."""
    return 1 if "Jepsen" in case.name else len(case.histories)


def _median(once: Callable[[], float], rounds: int) -> float:
    return statistics.median(once() for _ in range(rounds))


@contextmanager
def built() -> Iterator[Path]:
    """Our driver of Porcupine, built in a folder of its own that is gone afterwards."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    with tempfile.TemporaryDirectory(prefix="faultlab-porcupine-") as name:
        folder = Path(name)
        shutil.copy(PROGRAM, folder / "main.go")
        (folder / "go.mod").write_text("module bench\n\ngo 1.21\n")
        for step in (["get", MODULE], ["build", "-o", "bench", "."]):
            subprocess.run(
                [go, *step], cwd=folder, check=True, capture_output=True, timeout=300,
                env={**os.environ, "GOFLAGS": "-mod=mod"},
            )  # fmt: skip
        yield folder / "bench"


def _theirs(program: Path, case: Case, rounds: int) -> float:
    lines = "".join(json.dumps(_events(one, case.model)) + "\n" for one in case.histories)
    ran = subprocess.run(
        [program, str(rounds), f"{LIMIT_S:g}"], input=lines, capture_output=True, text=True,
        check=True, timeout=LIMIT_S * rounds * len(case.histories) + 60,
    )  # fmt: skip
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    for one, expected in zip(found, case.expected, strict=True):
        if one["result"] not in ("Unknown", "Ok" if expected else "Illegal"):
            raise AssertionError(f"{case.name}: Porcupine says {one['result']}")
    return sum(float(statistics.median(one["ms"])) for one in found) / _per(case)


def _events(entries: list[Entry], model: str) -> dict[str, Any]:
    """As the driver reads them: a response that is missing stands at the end, and is unknown."""
    found = operations(entries)
    events: list[tuple[int, dict[str, Any]]] = []
    for one in found:
        op = {"read": 0, "get": 0, "write": 1, "put": 1, "cas": 2, "append": 2}[one.f]
        call: dict[str, Any] = {"id": one.number, "call": True, "op": op, "key": one.key or ""}
        back: dict[str, Any] = {"id": one.number, "call": False, "op": op, "key": one.key or ""}
        if model == "kv":
            call["text"], back["text"] = one.argument or "", one.result or ""
        else:
            arguments = one.argument if op == 2 else [one.argument or 0, 0]
            call["arg1"], call["arg2"] = arguments
            back["ok"], back["unknown"] = one.outcome == "ok", one.completed is None
            back["exists"], back["value"] = one.result is not None, 0
            if op == 0:
                back["value"] = one.result or 0
        events.append((one.invoked, call))
        last = len(entries) + one.number
        events.append((last if one.completed is None else one.completed, back))
    events.sort(key=lambda event: event[0])
    return {"model": model, "events": [event for _, event in events]}


def _row(case: Case, ours: float, theirs: float | None) -> dict[str, Any]:
    share = None if theirs is None else ours / theirs
    goal, holds = "", None
    if case.share_max is not None:
        goal = f"at most {case.share_max:g}x"
        holds = None if share is None else share <= case.share_max
    elif case.seconds_max is not None:
        goal = f"within {case.seconds_max:g} s"
        holds = ours <= case.seconds_max * 1000
    said = {True: "holds", False: "MISSED", None: "not known"}[holds]
    return {
        "name": case.name,
        "ours_ms": round(ours, 3),
        "porcupine_ms": None if theirs is None else round(theirs, 3),
        "share": None if share is None else round(share, 3),
        "goal": f"{goal}: {said}",
        "holds": holds,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
