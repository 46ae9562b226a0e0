"""Faults in a world of variables: what they set, how they add up, what is refused, and healing."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from nodes.cluster import fault_kinds as kinds
from nodes.cluster import toxics
from nodes.cluster.api import Link, LinkState, NodeState, RpcFault, RuntimeFailure, Toxic, World
from nodes.cluster.faults import FAULTS, Fault, FaultRefused, Faults, fault_from_dict
from tests.cluster.fake_world import FakeWorld

NODES = ("n1", "n2", "n3", "n4", "n5")
SILENT = {toxics.timeout("upstream").name, toxics.timeout("downstream").name}

EXAMPLES: list[Fault] = [
    kinds.Partition((("n1", "n2"), ("n3", "n4", "n5"))),
    kinds.Partition((("n1",),)),
    kinds.Isolate("n3"),
    kinds.Cut("n1", "n2"),
    kinds.Cut("n1", "client", one_way=True),
    kinds.Sever("client", "n1"),
    kinds.Delay("n1", "n2", 200, 50, one_way=True),
    kinds.Bandwidth("n1", "n2", 100),
    kinds.Slice("n1", "n2", 64, 10, 20),
    kinds.SlowClose("n1", "n2", 300),
    kinds.Limit("n1", "n2", 5_000),
    kinds.Reset("n1", "n2", 100),
    kinds.Kill(("n1", "n2")),
    kinds.Pause(("n1",)),
    kinds.Resume(("n1",)),
    kinds.Restart(("n1",)),
    kinds.Wipe(("n1",)),
    kinds.PowerCut(("n1",)),
    kinds.CrashAt(("n1", "n2"), "decision-logged", 2),
    kinds.Skew(("n1",), offset_ms=-5_000, rate=0.5),
    kinds.Lose(10, ("n1",), "n2", "responses"),
    kinds.Duplicate(10.5),
    kinds.Reorder(10, ("n1", "n2"), hold_ms=80),
    kinds.Heal(),
]


@pytest.fixture
def world() -> FakeWorld:
    """Five nodes, all up."""
    return FakeWorld()


@pytest.fixture
def faults(world: FakeWorld) -> Faults:
    """Its faults."""
    checked: World = world
    return Faults(checked)


def _crossing(world: FakeWorld) -> set[str]:
    """The links on which nothing gets through, in either direction."""
    return {
        link.name
        for link, state in world.links.items()
        if {toxic.name for toxic in state.toxics} == SILENT
    }


class TestLinks:
    """What faults of the network set."""

    async def test_a_partition_silences_what_crosses(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """Both streams of every link between the groups, and nothing else; clients are left."""
        await faults.partition(("n1", "n2"), ("n3", "n4", "n5"))
        expected = {
            f"{a}->{b}" for a in NODES for b in NODES if (a in ("n1", "n2")) != (b in ("n1", "n2"))
        }
        assert _crossing(world) == expected
        assert len(world.links) == 12

    async def test_one_group_is_parted_from_the_rest(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """A single group means: it against everyone else."""
        done = await faults.partition("n4")
        assert _crossing(world) == {f"n4->{n}" for n in NODES if n != "n4"} | {
            f"{n}->n4" for n in NODES if n != "n4"
        }
        assert "n4 | n1, n2, n3, n5" in done.sentence
        assert "n1, n2, n3 and n5 can reach a majority" in done.watch_for

    async def test_who_is_in_no_group_is_a_bridge(self, world: FakeWorld, faults: Faults) -> None:
        """It keeps all its links, and the sentence says so."""
        done = await faults.partition(("n1", "n2"), ("n4", "n5"))
        assert not any("n3" in (link.source, link.target) for link in world.links)
        assert "n3, named in no group, keeps all links: a bridge" in done.sentence

    async def test_isolation_leaves_clients(self, world: FakeWorld, faults: Faults) -> None:
        """No node hears it; clients do."""
        await faults.isolate("n3")
        assert len(_crossing(world)) == len(world.links) == 8
        assert all(link.source != "client" for link in world.links)

    async def test_a_one_way_cut_is_two_streams(self, world: FakeWorld, faults: Faults) -> None:
        """Packets from n1 to n2 travel upstream on n1->n2 and downstream on n2->n1."""
        await faults.cut("n1", "n2", one_way=True)
        assert world.links == {
            Link("n1", "n2"): LinkState(toxics=(toxics.timeout("upstream"),)),
            Link("n2", "n1"): LinkState(toxics=(toxics.timeout("downstream"),)),
        }

    async def test_clients_have_one_link_a_node(self, world: FakeWorld, faults: Faults) -> None:
        """Both directions of a client's traffic are on client->n1."""
        await faults.cut("client", "n1", one_way=True)
        await faults.delay("n1", "client", 100, one_way=True)
        expected = (toxics.timeout("upstream"), toxics.latency("downstream", 100))
        assert world.links == {Link("client", "n1"): LinkState(toxics=expected)}

    async def test_severed_links_refuse(self, world: FakeWorld, faults: Faults) -> None:
        """Both proxies of the pair are disabled."""
        await faults.sever("n1", "n2")
        assert world.links == {
            Link("n1", "n2"): LinkState(enabled=False),
            Link("n2", "n1"): LinkState(enabled=False),
        }

    async def test_different_faults_add_up(self, world: FakeWorld, faults: Faults) -> None:
        """A delay, a limit and a cut on one link are all there, and one heal removes them."""
        await faults.delay("n1", "n2", 100)
        await faults.inject(kinds.Bandwidth("n1", "n2", 10))
        done = await faults.cut("n1", "n2", one_way=True)
        types = [toxic.type for toxic in world.links[Link("n1", "n2")].toxics]
        assert types == ["latency", "latency", "bandwidth", "bandwidth", "timeout"]
        assert "still in force: delay, bandwidth" in done.sentence
        assert [entry["kind"] for entry in faults.active()] == ["delay", "bandwidth", "cut"]
        await faults.heal()
        assert (world.links, faults.active()) == ({}, [])

    async def test_of_one_type_the_later_wins_and_says_so(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """There is one toxic of a type on a stream."""
        await faults.delay("n1", "n2", 100)
        done = await faults.delay("n2", "n1", 300, one_way=True)
        assert "replaces what an earlier fault set on n2->n1 and n1->n2" in done.sentence
        streams = {t.stream: t.attributes["latency"] for t in world.links[Link("n1", "n2")].toxics}
        assert streams == {"upstream": 100, "downstream": 300}

    async def test_the_same_fault_twice_is_once(self, world: FakeWorld, faults: Faults) -> None:
        """It is in force already; nothing is sent, nothing is listed twice."""
        await faults.isolate("n1")
        sent = len(world.log)
        assert "already" in (await faults.isolate("n1")).sentence
        assert (len(world.log), len(faults.active())) == (sent, 1)

    async def test_a_failure_is_rolled_back(self, world: FakeWorld, faults: Faults) -> None:
        """Links are as before and the fault is not listed."""
        await faults.delay("n1", "n2", 100)
        before = dict(world.links)
        world.fails = {"links"}
        with pytest.raises(RuntimeFailure, match="told to fail"):
            await faults.isolate("n3")
        assert world.links == before
        assert [entry["kind"] for entry in faults.active()] == ["delay"]


class TestNodes:
    """Kill, pause and their ways back."""

    async def test_killed_nodes_are_listed_until_they_are_back(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """One of two comes back: the other stays listed, since when it went down."""
        await faults.kill("n1", "n2")
        assert faults.active()[0]["nodes"] == ["n1", "n2"]
        since_ms = faults.active()[0]["since_ms"]
        await faults.restart("n1")
        assert (faults.active()[0]["nodes"], faults.active()[0]["since_ms"]) == (["n2"], since_ms)
        await faults.restart("n2")
        assert faults.active() == []

    @pytest.mark.parametrize(
        ("first", "then", "reason"),
        [
            ("kill", "kill", "n1 is down already; `lab fault restart n1`"),
            ("kill", "power_cut", "n1 is down already"),
            ("kill", "pause", "n1 is down; start it first"),
            ("kill", "resume", "n1 is down, not paused"),
            ("pause", "pause", "n1 is paused already"),
            (None, "resume", "n1 is up, not paused"),
        ],
    )
    async def test_what_cannot_follow_is_refused(
        self, world: FakeWorld, faults: Faults, first: str | None, then: str, reason: str
    ) -> None:
        """With one line that says the way out, and nothing done, not even to the other node."""
        if first is not None:
            await getattr(faults, first)("n1")
        before = list(world.log)
        with pytest.raises(FaultRefused, match=reason):
            await getattr(faults, then)(*(["n1"] if then == "resume" else ["n2", "n1"]))
        assert world.log == before

    async def test_restart_and_wipe_do_what_is_needed(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """A node that is up or paused is killed first, one that is down is only started."""
        await faults.pause("n2")
        await faults.kill("n3")
        world.log.clear()
        await faults.restart("n1")
        await faults.restart("n2")
        await faults.wipe("n3")
        assert world.log == [
            *("kill n1", "start n1", "kill n2", "start n2"),
            *("wipe n3", "start n3"),
        ]
        assert faults.active() == []

    async def test_killing_a_paused_node_ends_its_pause(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """It is listed as killed only."""
        await faults.pause("n1", "n2")
        await faults.power_cut("n1")
        assert [(e["kind"], e["nodes"]) for e in faults.active()] == [
            ("pause", ["n2"]),
            ("power-cut", ["n1"]),
        ]

    async def test_a_half_done_kill_is_rolled_back(self, world: FakeWorld, faults: Faults) -> None:
        """The second cannot be killed: the first is started again."""
        world.fails = {"kill n2"}
        with pytest.raises(RuntimeFailure):
            await faults.kill("n1", "n2")
        assert world.states["n1"] is NodeState.UP
        assert faults.active() == []

    async def test_a_restart_that_fails_leaves_it_listed_as_down(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """Killed, not started: heal knows of it, and so does who looks."""
        world.fails = {"start n1"}
        with pytest.raises(RuntimeFailure, match="n1: told to fail"):
            await faults.restart("n1", "n2")
        assert world.states["n2"] is NodeState.UP
        assert [(e["kind"], e["nodes"]) for e in faults.active()] == [("kill", ["n1"])]
        world.fails = set()
        await faults.heal()
        assert world.states["n1"] is NodeState.UP


class TestClocksAndCalls:
    """What lives in a node's process and must come back with it."""

    async def test_a_restarted_node_keeps_its_faults(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """Skew and call faults are set again, before the restart counts as done."""
        await faults.skew("n1", offset_ms=5_000, rate=0.5)
        await faults.lose(20, "n1", peer="n2", which="requests")
        await faults.kill("n1")
        assert "n1" not in world.clocks
        await faults.restart("n1")
        assert world.clocks["n1"] == (5_000, 0.5)
        assert world.rpc_faults["n1"] == (RpcFault("lose_request", 20, "n2"),)

    async def test_nodes_that_do_not_run_get_it_later(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """Said in the sentence, done when they run again."""
        await faults.pause("n1")
        await faults.kill("n2")
        done = await faults.duplicate(50)
        assert "for n1 and n2, not running now, it begins later" in done.sentence
        assert sorted(world.rpc_faults) == ["n3", "n4", "n5"]
        await faults.resume("n1")
        await faults.restart("n2")
        assert sorted(world.rpc_faults) == list(NODES)

    async def test_call_faults_add_up_by_kind_and_peer(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """Another kind joins, the same kind on the same calls is replaced."""
        await faults.lose(10, "n1")
        await faults.reorder(30, "n1", hold_ms=70)
        await faults.lose(40, "n1", which="responses")
        assert world.rpc_faults["n1"] == (
            RpcFault("lose_request", 10),
            RpcFault("lose_response", 40),
            RpcFault("reorder", 30, None, 70),
        )

    async def test_seeds_differ_by_node_and_repeat_by_run(self) -> None:
        """Nodes draw differently, and a second run draws the same."""
        seen = []
        for _ in range(2):
            world = FakeWorld()
            await Faults(world, seed=7).lose(10)
            seen.append(dict(world.seeds))
        assert seen[0] == seen[1]
        assert len(set(seen[0].values())) == 5

    async def test_a_failure_restores_what_was(self, world: FakeWorld, faults: Faults) -> None:
        """The clocks that were set already are as before."""
        await faults.skew("n1", offset_ms=100)
        world.fails = {"clock n2"}
        with pytest.raises(RuntimeFailure):
            await faults.skew("n1", "n2", offset_ms=900)
        assert world.clocks["n1"] == (100, 1.0)
        assert [entry["fault"]["offset_ms"] for entry in faults.active()] == [100]


class TestHealing:
    """One word that undoes everything."""

    async def test_everything_is_healed(self, world: FakeWorld, faults: Faults) -> None:
        """Links, calls, clocks, paused and dead nodes, also one that died by itself."""
        await faults.partition("n1")
        await faults.lose(10)
        await faults.skew("n2", rate=2)
        await faults.pause("n3")
        await faults.kill("n4")
        world.die("n5")
        await faults.heal()
        assert faults.active() == []
        assert world.links == {}
        assert set(world.states.values()) == {NodeState.UP}
        assert set(world.rpc_faults.values()) <= {()}
        assert set(world.clocks.values()) <= {(0, 1.0)}

    @pytest.mark.parametrize(
        ("failing", "kept"),
        [
            ("links clean", ["isolate"]),
            ("calls n2", ["lose"]),
            ("clock n2", ["skew"]),
            ("resume n3", ["pause"]),
            ("start n4", ["kill"]),
        ],
    )
    async def test_what_cannot_be_healed_is_named_and_kept(
        self, world: FakeWorld, faults: Faults, failing: str, kept: list[str]
    ) -> None:
        """All the rest is healed, and the next heal tries again."""
        await faults.isolate("n1")
        await faults.lose(10, "n2")
        await faults.skew("n2", offset_ms=50)
        await faults.pause("n3")
        await faults.kill("n4")
        world.fails = {failing}
        with pytest.raises(RuntimeFailure, match="could not heal") as failure:
            await faults.heal()
        assert "\n" not in str(failure.value)
        assert [entry["kind"] for entry in faults.active()] == kept
        world.fails = set()
        await faults.heal()
        assert faults.active() == []
        assert set(world.states.values()) == {NodeState.UP}

    @pytest.mark.filterwarnings("always:coroutine .* was never awaited:RuntimeWarning")
    async def test_a_healing_that_is_cancelled_leaves_nothing_unawaited(
        self, faults: Faults, recwarn: pytest.WarningsRecorder
    ) -> None:
        """As when a check fails while several nodes are about to start."""
        await faults.kill("n1", "n2", "n3")
        healing = asyncio.create_task(faults.heal())
        await asyncio.sleep(0)  # Its starts are tasks by now, and none has begun.
        healing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await healing
        gc.collect()
        assert [str(warning.message) for warning in recwarn] == []


class TestChecks:
    """What makes no sense is refused before anything is done."""

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (kinds.Partition(()), "at least one group"),
            (kinds.Partition((("n1",), ())), "is empty"),
            (kinds.Partition((("n1", "n2"), ("n2",))), "n2 is named twice"),
            (kinds.Partition((NODES,)), "nothing to partition"),
            (kinds.Partition((("n1",), ("n9",))), "no node 'n9'; known: n1, n2"),
            (kinds.Partition((("client",),)), "client is no node"),
            (kinds.Isolate("leader"), "no node 'leader'"),
            (kinds.Cut("n1", "n1"), "no link to itself"),
            (kinds.Cut("client", "client"), "no link to itself"),
            (kinds.Delay("n1", "n2", 0), "changes nothing"),
            (kinds.Delay("n1", "n2", 100, 200), "jitter of 200 ms"),
            (kinds.Bandwidth("n1", "n2", 0), "at least 1"),
            (kinds.Slice("n1", "n2", 0), "at least 1"),
            (kinds.Limit("n1", "n2", -1), "at least 0"),
            (kinds.Kill(()), "kill needs a node"),
            (kinds.Kill(("n1", "n1")), "named twice"),
            (kinds.Skew(("n1",)), "needs an offset or a rate"),
            (kinds.Skew(("n1",), rate=0), "clock rate"),
            (kinds.Skew(("n1",), rate=float("nan")), "clock rate"),
            (kinds.Skew(("n1",), offset_ms=10**15), "ten years"),
            (kinds.Lose(0), "must be above 0"),
            (kinds.Lose(101), "at most 100"),
            (kinds.Lose(float("nan")), "must be above 0"),
            (kinds.Lose(10, ("n1",), "n1"), "no calls to itself"),
            (kinds.Lose(10, which="none"), "requests, responses or both"),  # type: ignore[arg-type]  # wrong on purpose
            (kinds.Duplicate(5, ("n7",)), "no node 'n7'"),
            (kinds.Reorder(5, hold_ms=0), "no time to hold"),
        ],
    )
    async def test_bad_faults(
        self, world: FakeWorld, faults: Faults, fault: Fault, reason: str
    ) -> None:
        """One line with the reason; nothing was touched and nothing is listed."""
        with pytest.raises(FaultRefused, match=reason) as refused:
            await faults.inject(fault)
        assert "\n" not in str(refused.value)
        assert (world.log, faults.active()) == ([], [])

    async def test_what_cannot_act_here_names_who_can(
        self, world: FakeWorld, faults: Faults
    ) -> None:
        """A runtime without byte streams refuses to slice them."""
        world.supports = frozenset(FAULTS) - {"slice"}
        with pytest.raises(FaultRefused, match="--runtime local or compose"):
            await faults.inject(kinds.Slice("n1", "n2", 10))

    async def test_events_tell_what_was_done(self, world: FakeWorld) -> None:
        """Each fault and each healing, with the sentence and the time."""
        told: list[tuple[str, dict[str, Any]]] = []
        faults = Faults(world, lambda kind, details: told.append((kind, details)))
        await faults.kill("n1")
        await faults.heal()
        assert [kind for kind, _ in told] == ["fault", "heal"]
        assert told[0][1]["fault"] == {"do": "kill", "nodes": ["n1"]}
        assert told[0][1]["sentence"] == "killed n1 without warning"


class TestDictionaries:
    """Faults as schedules write them."""

    @pytest.mark.parametrize("fault", EXAMPLES, ids=repr)
    def test_every_fault_survives_the_round_trip(self, fault: Fault) -> None:
        """To a dictionary and back is the same fault; it has a sentence and a hint of one line."""
        assert fault_from_dict(fault.to_dict()) == fault
        fault.check(NODES)
        for line in (fault.sentence(), fault.sentence(NODES), fault.watch_for(NODES)):
            assert line
            assert "\n" not in line

    def test_every_kind_has_an_example(self) -> None:
        """No fault goes untested here."""
        assert {fault.kind for fault in EXAMPLES} == set(FAULTS)

    def test_a_schedule_reads_naturally(self) -> None:
        """Lists for groups, a plain name where one node is meant."""
        partition = fault_from_dict({"do": "partition", "groups": [["n1"], ["n2", "n3"]]})
        assert partition == kinds.Partition((("n1",), ("n2", "n3")))
        assert fault_from_dict({"do": "kill", "nodes": "n1"}) == kinds.Kill(("n1",))
        assert kinds.Cut("n1", "n2").to_dict() == {"do": "cut", "a": "n1", "b": "n2"}

    @pytest.mark.parametrize(
        ("plain", "reason"),
        [
            ({}, "unknown fault None"),
            ({"do": "particion"}, "did you mean partition"),
            ({"do": ["kill"]}, "unknown fault"),
            ({"do": "kill"}, "kill lacks the field nodes"),
            ({"do": "kill", "nodes": ["n1"], "node": "n1"}, "no field 'node'; did you mean nodes"),
            ({"do": "kill", "nodes": 5}, "nodes is 5, but must be a list of nodes"),
            ({"do": "kill", "nodes": [5]}, "must be the name of a node"),
            ({"do": "delay", "a": "n1", "b": "n2", "delay_ms": "200ms"}, "must be a whole number"),
            ({"do": "delay", "a": "n1", "b": "n2", "delay_ms": True}, "must be a whole number"),
            ({"do": "cut", "a": "n1", "b": "n2", "one_way": 1}, "must be true or false"),
            ({"do": "lose", "percent": "10"}, "must be a number"),
            ({"do": "lose", "percent": 10, "which": "all"}, "must be requests, responses or both"),
            ({"do": "partition", "groups": "n1"}, "must be a list of groups"),
        ],
    )
    def test_bad_dictionaries(self, plain: dict[str, Any], reason: str) -> None:
        """Unknown kinds and fields, missing ones and wrong types, each with its line."""
        with pytest.raises(FaultRefused, match=reason):
            fault_from_dict(plain)


def test_the_toxics_of_a_fault_are_toxiproxys() -> None:
    """Each fault of a link sets the toxic that the design names for it."""
    expected = {
        "cut": "timeout",
        "delay": "latency",
        "bandwidth": "bandwidth",
        "slice": "slicer",
        "slow-close": "slow_close",
        "limit": "limit_data",
        "reset": "reset_peer",
    }
    for fault in EXAMPLES:
        if fault.kind in expected and isinstance(fault, kinds.LinkFault):
            for _link, toxic in fault.link_effects(NODES):
                assert isinstance(toxic, Toxic)
                assert toxic.type == expected[fault.kind]


# ------------------------------------------------------------------------------------ crash points


async def test_crash_points_of_several_faults_add_up(world: FakeWorld, faults: Faults) -> None:
    """A later fault at the same point replaces the earlier one, on the list, too."""
    await faults.crash_at("decided", "n1", "n2")
    await faults.crash_at("told", "n1", after=3)
    await faults.crash_at("decided", "n1", after=1)
    assert world.crash_points == {"n1": {"told": 3, "decided": 1}, "n2": {"decided": 0}}
    assert [entry["sentence"] for entry in faults.active()] == [
        "n2 dies at decided; not reached so far",
        "n1 dies at told, after 3 passes; not reached so far",
        "n1 dies at decided, after 1 pass; not reached so far",
    ]


async def test_a_node_that_died_is_started_without_that_point(
    world: FakeWorld, faults: Faults
) -> None:
    """What it died of is over; its other points hold on."""
    await faults.crash_at("decided", "n1")
    await faults.crash_at("told", "n1")
    world.come_to("n1", "decided")
    assert [entry["sentence"] for entry in faults.active()] == [
        "n1 dies at decided; n1 has died there",
        "n1 dies at told; not reached so far",
    ]
    with pytest.raises(FaultRefused, match="n1 is down, since it died at decided; `lab fault"):
        await faults.crash_at("decided", "n1")
    await faults.restart("n1")
    assert [entry["sentence"] for entry in faults.active()] == [
        "n1 dies at told; not reached so far"
    ]
    assert world.crash_points["n1"] == {"told": 0}


async def test_a_node_that_is_down_has_its_points_from_the_next_start(
    world: FakeWorld, faults: Faults
) -> None:
    """And says so."""
    await faults.kill("n1")
    done = await faults.crash_at("recovered", "n1")
    assert done.sentence == ("n1 dies at recovered; for n1, down now, it holds from the next start")
    await faults.restart("n1")
    assert world.crash_points["n1"] == {"recovered": 0}


async def test_healing_disarms_before_it_starts(world: FakeWorld, faults: Faults) -> None:
    """Nodes that are up, paused, and down."""
    await faults.crash_at("decided", "n1", "n2", "n3")
    await faults.crash_at("told", "n3")
    await faults.pause("n2")
    world.come_to("n3", "decided")
    await faults.heal()
    assert world.crash_points == {"n1": {}, "n2": {}, "n3": {}}
    assert world.log.index("crash points n3", 4) < world.log.index("start n3")
    assert set(world.states.values()) == {NodeState.UP}
    assert faults.active() == []


async def test_crash_points_that_fail_to_be_set_are_taken_back(
    world: FakeWorld, faults: Faults
) -> None:
    """All or nothing, as with every fault."""
    world.fails = {"crash points n2"}
    with pytest.raises(RuntimeFailure):
        await faults.crash_at("decided", "n1", "n2")
    assert faults.active() == []
    assert world.crash_points == {"n1": {}}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (kinds.CrashAt(("n1",), ""), "needs a point"),
        (kinds.CrashAt(("n1",), "x" * 65), "needs a point"),
        (kinds.CrashAt((), "x"), "needs a node"),
        (kinds.CrashAt(("n9",), "x"), "there is no node 'n9'"),
        (kinds.CrashAt(("n1",), "x", -1), "expected 0 to 1,000,000 passes"),
    ],
)
async def test_crash_points_that_make_no_sense(faults: Faults, fault: Fault, said: str) -> None:
    """Are refused before anything happens."""
    with pytest.raises(FaultRefused, match=said):
        await faults.inject(fault)


async def test_a_paused_node_takes_no_crash_points(faults: Faults) -> None:
    """It cannot hear of them."""
    await faults.pause("n1")
    with pytest.raises(FaultRefused, match="n1 is paused"):
        await faults.crash_at("decided", "n1")
