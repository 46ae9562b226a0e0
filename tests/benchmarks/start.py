"""How long a lab takes to start, as its user sees it.

Run it: python -m tests.benchmarks.start [--rounds 5] [--nodes 3,5]. A figure each for: `lab up` to
the first exec of a node (the tool's own time), that exec to the report that the lab is ready (a
leader that serves), with the lab's own default timeouts and with 150-300 ms; Linux only.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from labs.kit.bench.ratios import Spread, short
from labs.kit.session import HOME_VARIABLE
from tests.cluster.proxy_bench import ROOT

SHORT_TIMEOUTS = ("election_timeout_ms_min=150", "election_timeout_ms_max=300", "heartbeat_ms=15")


def started_s(pid: int) -> float:
    """When a process began, in seconds since the boot; the kernel counts it in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def nodes_below(pid: int) -> Iterator[int]:
    """Processes of nodes that descend from this one."""
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for number in map(int, child.read_text().split()):
            if b"nodes.host" in Path(f"/proc/{number}/cmdline").read_bytes():
                yield number
            yield from nodes_below(number)


def one_start(nodes: int, settings: tuple[str, ...], home: Path) -> tuple[float, float]:
    """Milliseconds of the tool before the first exec, and from there until the lab is ready."""
    environment = os.environ | {HOME_VARIABLE: str(home)}
    lab = [sys.executable, "-m", "labs.kit.cli"]
    words = [word for setting in settings for word in ("--set", setting)]
    process = subprocess.Popen(
        [*lab, "up", "raft", "--runtime", "local", "--nodes", str(nodes), "--json", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise SystemExit("`lab up` ended by itself; run it by hand to see why")
        ready_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        executed_s = min(map(started_s, nodes_below(process.pid)))
        return (executed_s - started_s(process.pid)) * 1000, (ready_s - executed_s) * 1000
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def main() -> None:
    """Prints a line for every combination."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", default="3,5")
    options = parser.parse_args()
    cases: list[tuple[int, tuple[str, ...]]] = [
        (int(nodes), settings)
        for nodes in options.nodes.split(",")
        for settings in ((), SHORT_TIMEOUTS)
    ]
    for package in ("labs", "nodes", "protos"):  # as `make setup` does, once
        compileall.compile_dir(ROOT / package, quiet=1)
    figures: dict[tuple[int, tuple[str, ...]], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="faultlab-start-") as folder:
        for _ in range(options.rounds):
            for nodes, settings in cases:
                took = one_start(nodes, settings, Path(folder) / "home")
                figures.setdefault((nodes, settings), []).append(took)
    for (nodes, settings), starts in figures.items():
        what = "150-300 ms" if settings else "the lab's own timeouts"
        before = Spread.of([tool_ms for tool_ms, _ in starts])
        after = Spread.of([ready_ms for _, ready_ms in starts])
        print(f"{nodes} nodes, {what}: tool {text(before)}, exec to ready {text(after)}")


def text(spread: Spread | None) -> str:
    """Median and extremes."""
    if spread is None:
        return "-"
    return f"{short(spread.median)} ms ({short(spread.least)}-{short(spread.most)})"


if __name__ == "__main__":
    main()
