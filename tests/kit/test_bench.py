"""`lab bench`: figures, ratios, rounds and charts; the peers as the benchmark finds them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.kit.bench import sizes
from labs.kit.bench.bench import Bench, Goal, PeerPlace, chosen_peers, find_peers, load_bench
from labs.kit.bench.chart import chart
from labs.kit.bench.contender import (
    Contender,
    ContenderFailed,
    Left,
    Load,
    PutFailed,
    Work,
    closed_loop,
    first_acknowledged,
)
from labs.kit.bench.profile import NodeEvents, Write, busy_stages, serial_stages
from labs.kit.bench.ratios import Spread, percentile, ratios, short
from labs.kit.bench.report import document, figures_table, ratios_table, remarks
from labs.kit.bench.rounds import Effort, run_rounds
from labs.kit.cli import run
from labs.kit.errors import LabError
from nodes.timeline import TimelineEvent
from tests.benchmarks import ceiling, etcd

TINY = Effort(rounds=2, warm_up_s=0, serial_s=0, many_s=0, writes=1, kills=2, starts=1)


# ----------------------------------------------------------------------------------- arithmetic


def test_spread() -> None:
    """A spread is the median with its extremes; rounds without a figure do not count."""
    assert Spread.of([3.0, None, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert Spread.of([None]) is None


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0.01, 1.0))
def test_percentile(figures: list[float], share: float) -> None:
    """It is one of the figures, and no smaller one reaches the share."""
    found = percentile(figures, share)
    reach = sum(figure <= found for figure in figures) / len(figures)
    below = sum(figure < found for figure in figures) / len(figures)
    assert found in figures
    assert reach >= share - 1e-9
    assert below < share + 1e-9


def test_percentile_by_hand() -> None:
    """Of ten figures the ninth is the 90th percentile, and the tenth the maximum."""
    figures = [float(number) for number in range(10, 0, -1)]
    assert [percentile(figures, share) for share in (0.5, 0.9, 0.99, 1.0)] == [5, 9, 10, 10]
    with pytest.raises(ValueError, match="no figures"):
        percentile([], 0.5)


def test_ratios_cancel_the_noise_of_a_round() -> None:
    """When a round slows both alike, the ratio stays; the ratio of medians would not."""
    assert ratios([10.0, 100.0, None], [20.0, 200.0, 5.0]) == Spread(0.5, 0.5, 0.5, 2)
    assert ratios([1.0], [None]) is None
    assert ratios([1.0], [0.0]) is None


@pytest.mark.parametrize(
    ("figure", "text"),
    [(0, "0"), (0.0123, "0.0123"), (2.345, "2.35"), (45.67, "45.7"), (12345.6, "12,346")],
)
def test_short(figure: float, text: str) -> None:
    """Figures are printed with the digits that mean something."""
    assert short(figure) == text


# ---------------------------------------------------------------------------------------- loads


async def test_closed_loop_keeps_every_client_busy() -> None:
    """So many writes are under way as there are clients, and it ends after the last one."""
    under_way = most = 0

    async def put(_number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    load = await closed_loop(put, Work(8, 1, 60.0, writes=100))
    assert (len(load.times_ms), load.failed, most, under_way) == (100, 0, 8, 0)
    assert load.rate_per_s > 0


async def test_closed_loop_counts_failures_apart() -> None:
    """A write that failed is no figure, and is not hidden."""

    async def put(number: int) -> None:
        if number % 2:
            raise PutFailed("no leader")

    load = await closed_loop(put, Work(2, 1, 60.0, writes=10))
    assert (len(load.times_ms), load.failed) == (5, 5)


async def test_closed_loop_gives_up_on_the_dead() -> None:
    """When nothing is acknowledged any more the load ends, with the reason."""

    async def put(_number: int) -> None:
        raise PutFailed("cannot be reached")

    with pytest.raises(ContenderFailed, match="cannot be reached"):
        await closed_loop(put, Work(64, 1, 60.0), silence_s_max=0.05)


async def test_attempts_overlap() -> None:
    """An attempt that hangs does not keep a later one from being the first acknowledged."""
    tried = 0

    async def attempt() -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            await asyncio.Event().wait()
        if tried == 2:
            raise PutFailed("not yet")

    began = time.monotonic()
    assert began < await first_acknowledged([attempt]) <= time.monotonic()
    assert tried == 3


# --------------------------------------------------------------------------------------- rounds


@dataclass
class Fake:
    """A contender whose figures are known. `breaks`: a part that fails."""

    name: str
    rate: float = 100.0
    elects: bool = True
    breaks: str = ""
    note: str = "in memory"
    trace: list[str] = field(default_factory=list)
    running: bool = False

    async def start(self) -> float:
        self.trace.append(self.name)
        self.running = True
        self._may_break("start")
        return 7.0

    async def stop(self) -> None:
        self.running = False

    async def load(self, work: Work) -> Load:
        self._may_break("load")
        return Load([1000 / self.rate] * 10, 10 / self.rate, failed=work.clients == 1)

    def memory_mib(self) -> Sequence[float]:
        return [30.0, 40.0]

    async def failover(self) -> float:
        self._may_break("failover")
        return 200.0

    def _may_break(self, part: str) -> None:
        if self.breaks == part:
            raise ContenderFailed(f"{part} is broken")


def bench_of(*own: Contender, goals: tuple[Goal, ...] = ()) -> Bench:
    """With nothing but these."""
    mine: Any = own
    return Bench("fake", "Fakes", lambda _: mine, lambda _: mine, "Hand", (), goals)


async def test_contenders_take_turns() -> None:
    """Each is measured once in a round, and each round begins with another one."""
    trace: list[str] = []
    fakes = [Fake(name, trace=trace) for name in "abc"]
    lines: list[str] = []
    results = await run_rounds(fakes, TINY, lines.append)
    assert "".join(trace) == "abcbca"
    assert len(lines) == 6
    assert results.samples("clients64_rate", "b") == pytest.approx([100.0, 100.0])
    assert results.samples("memory_mib", "b") == [40.0, 40.0]
    assert results.samples("failover_max_ms", "b") == [200.0]
    assert not any(fake.running for fake in fakes)


@pytest.mark.parametrize("part", ["start", "load", "failover"])
async def test_one_that_breaks_does_not_end_the_benchmark(part: str) -> None:
    """It is stopped, its reason is on record, and all others have their figures."""
    broken, sound = Fake("fake broken", breaks=part), Fake("sound")
    results = await run_rounds([broken, sound], TINY, lambda _: None)
    made = document(bench_of(broken), 3, [broken, sound], [], results)
    assert made["contenders"][0]["trouble"] == [f"{part} is broken"] * 2
    assert made["contenders"][1]["trouble"] == []
    assert made["measurements"]["failover_ms"]["contenders"]["sound"]["median"] == 200.0
    assert any(f"{part} is broken" in line for line in remarks(made))
    assert not broken.running


# -------------------------------------------------------------------------------------- reports


GOALS = (
    Goal("clients64_rate", "fake fast", "peer", 1.5),
    Goal("serial_p50_ms", "fake fast", "peer", 0.4),
    Goal("failover_ms", "fake fast", "peer", None),
)


async def report() -> dict[str, Any]:
    """Of a contender twice as fast as its peer, and of one that has no leader to lose."""
    fast, peer = Fake("fake fast", rate=200), Fake("peer <&>", rate=100)
    peer.name = "peer"
    fixed = Fake("fixed", elects=False, note="control \x1b[2J characters & <tags>")
    contenders = [fast, peer, fixed]
    results = await run_rounds(contenders, TINY, lambda _: None)
    left_out = [("etcd", "there is no etcd on PATH")]
    return document(bench_of(fast, goals=GOALS), 3, contenders, left_out, results)


async def test_document() -> None:
    """It is JSON, names who is absent, and says of each goal whether it was reached."""
    made = json.loads(json.dumps(await report()))
    assert made["left_out"] == [{"name": "etcd", "reason": "there is no etcd on PATH"}]
    assert "fixed" not in made["measurements"]["failover_ms"]["contenders"]
    goals = {row["measurement"]: row for row in made["ratios"] if row["goal"] is not None}
    assert goals["clients64_rate"]["median"] == pytest.approx(2.0)
    assert (goals["clients64_rate"]["goal"], goals["clients64_rate"]["reached"]) == (
        ">= 1.5x",
        True,
    )
    assert (goals["serial_p50_ms"]["goal"], goals["serial_p50_ms"]["reached"]) == ("<= 0.4x", False)
    assert goals["failover_ms"]["reached"] is None
    assert made["contenders"][0]["failed_writes"] == 2


async def test_tables() -> None:
    """A column a contender, a row a measurement; a row a goal."""
    made = await report()
    figures, goals = figures_table(made), ratios_table(made)
    assert [column.header for column in figures.columns[1:]] == ["fake fast", "peer", "fixed"]
    assert figures.row_count == len(made["measurements"])
    assert goals.row_count == len(GOALS)


async def test_chart_is_well_formed() -> None:
    """Whatever names and notes hold, the chart is a picture with every contender in it."""
    made = await report()
    root = ElementTree.fromstring(chart(made))
    words = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("peer") == len(made["measurements"])
    assert any("<tags>" in text for text in words)


async def test_chart_of_sizes_is_well_formed() -> None:
    """A combination in which nothing was acknowledged leaves a gap, not an error."""
    cells = await sizes.run_sizes(
        lambda nodes: [Fake("fake", rate=10 * nodes, breaks="load" if nodes == 7 else "")],
        rounds=1,
        seconds=0,
        tell=lambda _: None,
    )
    made = json.loads(json.dumps(sizes.document("fake", cells, 1)))
    assert len(made["cells"]) == len(sizes.NODES) * len(sizes.VALUE_BYTES) * len(sizes.CLIENTS)
    assert [cell["rate_per_s"] for cell in made["cells"] if cell["nodes"] == 7] == [None] * 12
    assert sizes.table(made, "fake").row_count == len(sizes.NODES) * len(sizes.VALUE_BYTES)
    ElementTree.fromstring(sizes.chart(made))


# -------------------------------------------------------------------------------------- profile


def call_events(message: str, rpc: str, times: dict[tuple[str, str], float]) -> Iterator[Any]:
    """Events of a request and its response: (node, kind) to time; the response's has an `r`."""
    for (node, kind), at_ms in times.items():
        response = kind.endswith("-response")
        fields = {
            "message": message + "r" * response,
            "rpc": rpc,
            "type": "response" if response else "request",
            "to": "n2",
        }
        yield TimelineEvent(node, 0, 0, at_ms, kind.removesuffix("-response"), fields)


def written(number: int, base: float) -> tuple[Write, list[TimelineEvent]]:
    """One write from client over leader n1 to follower n2, and a heartbeat in the middle."""
    client, append, heartbeat = f"client-{number}", f"n1-{number}a", f"n1-{number}h"
    events = [
        *call_events(
            client, "Put", {("n1", "received"): base + 1, ("n1", "sent-response"): base + 9}
        ),
        *call_events(
            heartbeat,
            "AppendEntries",
            {
                ("n1", "sent"): base + 1.5,
                ("n2", "received"): base + 1.6,
                ("n2", "sent-response"): base + 1.7,
                ("n1", "received-response"): base + 1.8,
            },
        ),
        *call_events(
            append,
            "AppendEntries",
            {
                ("n1", "sent"): base + 2,
                ("n2", "received"): base + 4,
                ("n2", "sent-response"): base + 7,
                ("n1", "received-response"): base + 8,
            },
        ),
        TimelineEvent("n2", 0, 0, base + 6, "saved", {"effects": 1}),
        TimelineEvent("n1", 0, 0, base + 5, "saved", {"effects": 1}),
    ]
    return Write(client, base, base + 10), events


def profiled() -> tuple[list[Write], NodeEvents, dict[str, NodeEvents]]:
    """Forty such writes, the last one slow at the client."""
    writes, events = [], []
    for number in range(40):
        write, more = written(number, number * 100.0)
        writes.append(write)
        events += more
    writes[-1] = Write(writes[-1].message, writes[-1].sent_ms, writes[-1].done_ms + 50)
    by_node = {
        node: NodeEvents.of([one for one in events if one.node == node], "AppendEntries")
        for node in ("n1", "n2")
    }
    return writes, by_node["n1"], {"n2": by_node["n2"]}


def test_serial_profile_adds_up() -> None:
    """The parts of a write add up to what its client saw; heartbeats and slow ones do not count."""
    stages = serial_stages(*profiled())
    assert [percentile(stage.times_ms, 0.5) for stage in stages] == [1, 1, 2, 2, 1, 1, 1, 1]
    assert {len(stage.times_ms) for stage in stages} == {39}


def test_busy_profile() -> None:
    """Of many clients: the parts of a write, and those of the calls that carried entries."""
    ways, calls = busy_stages(*profiled())
    assert [percentile(stage.times_ms, 0.5) for stage in ways] == [1, 8, 1]
    assert [percentile(stage.times_ms, 0.5) for stage in calls] == [2, 2, 1, 1]
    assert len(calls[0].times_ms) == 40


def test_profile_without_events() -> None:
    """Timelines that hold none of the writes are an error, never an empty table."""
    writes, leader, _ = profiled()
    with pytest.raises(ValueError, match="no write could be followed"):
        serial_stages(writes, leader, {"n2": NodeEvents()})


# ---------------------------------------------------------------------------------------- peers


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1))
def test_ceiling_messages(values: list[bytes]) -> None:
    """What the ceiling program packs, it unpacks: no value is lost on the way to a disk."""
    assert ceiling.unpack(ceiling.pack(values)) == values


@given(st.integers(0, 2**64 - 1), st.text(max_size=200), st.binary(max_size=300))
def test_etcd_messages(number: int, key: str, value: bytes) -> None:
    """Requests and responses are protobuf as etcd speaks it."""
    assert dict(etcd.fields_of(etcd.put_request(key, value))) == {1: key.encode(), 2: value}
    assert dict(etcd.fields_of(bytes([4 << 3]) + etcd.varint(number))) == {4: number}


def test_etcd_message_by_hand() -> None:
    """As protoc writes it."""
    assert etcd.put_request("k", b"vv") == b"\x0a\x01k\x12\x02vv"


def test_absent_peers_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that cannot be measured here is named with the reason; the others are found."""

    def absent(_nodes: int) -> list[Contender]:
        raise Left("there is no such program")

    monkeypatch.setattr(etcd, "contenders", absent)
    places = (
        PeerPlace("ceiling", "tests.benchmarks.ceiling"),
        PeerPlace("etcd", "tests.benchmarks.etcd"),
        PeerPlace("gone", "tests.benchmarks.gone"),
    )
    found, left_out = find_peers(places, 3)
    assert [one.name for one in found] == ["ceiling", "ceiling direct", "ceiling stream"]
    assert left_out[0] == ("etcd", "there is no such program")
    assert left_out[1][0] == "gone"
    _, left_out = find_peers(places[:1], 5)
    assert left_out == [("ceiling", "the ceiling program has 3 nodes, and 5 were asked for")]


def test_peers_by_name() -> None:
    """`--peers` takes names, in any order; `none` is none; an unknown name is refused."""
    bench = load_bench("raft")
    assert [peer.name for peer in chosen_peers(bench, "etcd,ceiling")] == ["etcd", "ceiling"]
    assert chosen_peers(bench, "none") == ()
    assert chosen_peers(bench, None) == bench.peers
    with pytest.raises(LabError, match="did you mean etcd"):
        chosen_peers(bench, "etc")


def test_goals_name_what_there_is() -> None:
    """A goal about a measurement or contender that does not exist would never be seen."""
    bench = load_bench("raft")
    names = {one.name for one in bench.own(3)}
    known = {*names, "ceiling", "ceiling direct", "ceiling stream", "etcd", "pysyncobj"}
    measurements = {"start_ms", "serial_p50_ms", "serial_rate", "clients64_rate", "memory_mib"}
    measurements |= {"failover_ms", "failover_p90_ms"}
    for goal in bench.goals:
        assert goal.of in names
        assert goal.to in known - {goal.of}
        assert goal.measurement in measurements


# ---------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("rfat", "no lab is called"),
        ("raft --rounds 0", "expected 1 to 100"),
        ("raft --nodes 2", "do not survive a kill"),
        ("raft --nodes 10", "expected 3 to 9"),
        ("raft --peers zookeeper", "no such peer"),
        ("raft --sweep --profile", "not both"),
        ("raft --profile --svg x.svg", "tables only"),
        ("raft --svg /nowhere/at/all.svg", "cannot be written"),
    ],
)
def test_nonsense_is_refused(words: str, cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, before anything is started."""
    assert run(["bench", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert cause in err
    assert err.count("\n") == 1
