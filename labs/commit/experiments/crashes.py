"""Where a node dies decides what becomes of a transaction: the crash matrix, cell by cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labs.commit.bank import amounts, transfer
from labs.commit.crash_matrix import Story, outcome_in
from labs.commit.experiments.tools import (
    BankClient,
    adds_up,
    at_rest_within,
    commit_experiment,
    connected,
    dies_at,
    down,
    view_of,
)
from labs.kit.experiment import Expectation, Figures, Measurement, Trial, Variant
from labs.kit.lab import Setting
from nodes.core import NodeId
from protos import commit_pb2 as pb

COORDINATOR = "n1"
COMMITS = Story(
    "commits", COORDINATOR, transfer("alice", "bob", 1) | {"stock/book": -1}, pb.COMMITTED
)
ABORTS = Story(
    "aborts", COORDINATOR, transfer("alice", "bob", 5000) | {"stock/book": -1}, pb.ABORTED
)
# Alice's account is at n2 and Bob's at n3: in the one story n2 is one of three that say yes, in the
# other it says no, and n3 has said yes in vain.
PARTICIPANT = {COMMITS.name: "n2", ABORTS.name: "n3"}
LAST_PREPARE = 2  # the coordinator has then asked all three
ON_ITS_WAY_MS = 200  # what was sent before the crash arrives within that time


@dataclass(frozen=True, slots=True)
class Cell:
    """A node dies at a point, once it has passed it so often: what has to become of the
    transaction, and whether the others stay in doubt until the node is back."""

    role: str
    point: str
    committed: bool
    blocks: bool = False
    after: int = 0

    @property
    def id(self) -> str:
        """As part of a measurement's name."""
        last = "_to_all" if self.after else ""
        return f"{self.role}_{self.point.replace('-', '_')}{last}"


def _coordinator(point: str, *, committed: bool, blocks: bool = False, after: int = 0) -> Cell:
    return Cell("coordinator", point, committed, blocks, after)


def _participant(point: str, *, committed: bool) -> Cell:
    return Cell("participant", point, committed)


def _two_phase(*, cooperative: bool) -> tuple[Cell, ...]:
    """If the participants ask each other, one that knows or has not voted ends the doubt of all."""
    alone = not cooperative
    return (
        _coordinator("prepare-sent", committed=False, blocks=alone),
        _coordinator("prepare-sent", committed=False, blocks=True, after=LAST_PREPARE),
        _coordinator("before-decision-logged", committed=False, blocks=True),
        _coordinator("decision-logged", committed=True, blocks=True),
        _coordinator("outcome-sent", committed=True, blocks=alone),
        _coordinator("before-end-logged", committed=True),
        _coordinator("end-logged", committed=True),
        _participant("before-vote-logged", committed=False),
        _participant("vote-logged", committed=False),
        _participant("vote-sent", committed=True),
        _participant("before-outcome-logged", committed=True),
        _participant("outcome-logged", committed=True),
    )


BEGIN = (
    _coordinator("before-begin-logged", committed=False),
    _coordinator("begin-logged", committed=False),
)
THREE_PHASE = (
    *BEGIN,
    _coordinator("prepare-sent", committed=False),
    _coordinator("prepare-sent", committed=False, after=LAST_PREPARE),
    _coordinator("before-precommit-logged", committed=False),
    _coordinator("precommit-logged", committed=False),
    _coordinator("precommit-sent", committed=True),
    _coordinator("before-decision-logged", committed=True),
    _coordinator("decision-logged", committed=True),
    _coordinator("outcome-sent", committed=True),
    _coordinator("before-end-logged", committed=True),
    _coordinator("end-logged", committed=True),
    _participant("before-vote-logged", committed=False),
    _participant("vote-logged", committed=False),
    _participant("vote-sent", committed=True),
    _participant("before-precommit-logged", committed=True),
    _participant("precommit-logged", committed=True),
    _participant("before-outcome-logged", committed=True),
    _participant("outcome-logged", committed=True),
)
CELLS = {
    "2pc": _two_phase(cooperative=True),
    "2pc_alone": _two_phase(cooperative=False),
    "2pc_nothing_presumed": (*BEGIN, *_two_phase(cooperative=True)),
    "3pc": THREE_PHASE,
}
# Of a transaction that aborts: nobody comes to a point that only a commit has.
IN_AN_ABORT = (
    _coordinator("before-begin-logged", committed=False),
    _coordinator("begin-logged", committed=False),
    _coordinator("prepare-sent", committed=False),
    _coordinator("prepare-sent", committed=False, after=LAST_PREPARE),
    _coordinator("before-decision-logged", committed=False),
    _coordinator("decision-logged", committed=False),
    _coordinator("outcome-sent", committed=False),
    _participant("before-vote-logged", committed=False),
    _participant("vote-logged", committed=False),
    _participant("vote-sent", committed=False),
    _participant("before-outcome-logged", committed=False),
    _participant("outcome-logged", committed=False),
)
# Without a record of the begin there is none of the abort either.
RECORDED = frozenset(
    {"before-begin-logged", "begin-logged", "before-decision-logged", "decision-logged"}
)
VARIANTS = (
    Variant("2pc"),
    Variant("2pc_alone", {"termination": "coordinator"}),
    Variant("2pc_nothing_presumed", {"presume": "nothing"}, short_real=False),
    Variant("3pc", {"protocol": "3pc"}),
)
_WORDS = {
    "2pc": "2PC, presumed abort, cooperative termination",
    "2pc_alone": "2PC whose participants ask the coordinator only",
    "2pc_nothing_presumed": "2PC with nothing presumed",
    "3pc": "3PC",
}


async def crash_everywhere(trial: Trial) -> None:
    """One transaction for each cell: a node dies, the others do what they can, it comes back."""
    client = BankClient(trial)
    for cell in CELLS[trial.variant]:
        await _crash(trial, client, COMMITS, cell)
    for cell in IN_AN_ABORT if trial.settings["aborts"] == "on" else ():
        if cell.point not in RECORDED or trial.variant in ("2pc_nothing_presumed", "3pc"):
            await _crash(trial, client, ABORTS, cell)
    await adds_up(trial, client)


async def _crash(trial: Trial, client: BankClient, story: Story, cell: Cell) -> None:
    cluster = trial.cluster
    node = COORDINATOR if cell.role == "coordinator" else PARTICIPANT[story.name]
    await connected(trial, client, COMMITS.changes)
    before = await amounts(cluster)
    await trial.inject(dies_at(node, cell.point, cell.after))
    asking = asyncio.create_task(client.transact(story.changes, at=story.coordinator))
    try:
        await down(trial, node, f"at {cell.point}")
        await trial.sleep(ON_ITS_WAY_MS)
        blocked = not await _others_free(trial, node)
        await trial.heal()
        back_ms = trial.now_ms()
        await at_rest_within(trial)
        trial.measure_variant("rest_ms", trial.now_ms() - back_ms)
        one, _ = await asking
    finally:
        asking.cancel()
    outcome = outcome_in(await amounts(cluster), before, story)
    trial.measure_variant("crashes", 1)
    trial.measure_variant("half_done", outcome == pb.UNDECIDED)
    trial.measure_variant("told_otherwise", one.outcome not in (outcome, pb.UNDECIDED))
    if story is COMMITS:
        trial.measure_variant(f"committed_{cell.id}", outcome == pb.COMMITTED)
        trial.measure_variant(f"blocked_{cell.id}", blocked)
    else:
        trial.measure_variant("aborts_reversed", outcome == pb.COMMITTED)


async def _others_free(trial: Trial, dead: NodeId) -> bool:
    """Whether all locks of those that are up are released while the node is away."""

    async def free() -> bool:
        shown = [await view_of(trial, node) for node in trial.cluster.nodes if node != dead]
        return not any(view is None or view.locks or view.in_doubt for view in shown)

    away_ms = trial.number_of("away_ms")
    try:
        await trial.cluster.until("no lock is held", free, within_ms=away_ms)
    except TimeoutError:
        return False
    return True


# ----------------------------------------------------------------------------------- what comes out


def _of_variant(name: str) -> Iterator[Measurement]:
    words = _WORDS[name]
    for cell in CELLS[name]:
        passes = ", all three asked" if cell.after else ""
        where = f"the {cell.role} dies at {cell.point}{passes}: {words}"
        yield Measurement(
            f"committed_{cell.id}_{name}", "share", f"is committed in the end; {where}", "mean"
        )
        yield Measurement(
            f"blocked_{cell.id}_{name}", "share", f"others wait for it in doubt; {where}", "mean"
        )
    yield Measurement(f"crashes_{name}", "crashes", f"that were carried out: {words}", "sum")
    yield Measurement(f"half_done_{name}", "transactions", f"that happened in part: {words}", "sum")
    yield Measurement(
        f"told_otherwise_{name}",
        "transactions",
        f"of which a client was told something else than what is so: {words}",
        "sum",
    )
    yield Measurement(
        f"aborts_reversed_{name}",
        "transactions",
        f"that one participant refused and that are committed: {words}",
        "sum",
    )
    yield Measurement(
        f"rest_ms_{name}", "ms", f"from the node's return until nothing is open: {words}", "max"
    )


def _are(kind: str, name: str, expected: Callable[[Cell], bool]) -> Callable[[Figures], bool]:
    def holds(figures: Figures) -> bool:
        return all(
            figures.value(f"{kind}_{cell.id}_{name}") == expected(cell) for cell in CELLS[name]
        )

    return holds


def _cells(kind: str, name: str) -> tuple[str, ...]:
    return tuple(f"{kind}_{cell.id}_{name}" for cell in CELLS[name])


_COMMITTED = {
    "2pc": "in 2PC it is committed if the coordinator's decision is on its disk, and at a "
    "participant from the moment at which its yes has left; everywhere else it is aborted",
    "2pc_alone": "whom a participant in doubt asks changes nothing of the outcome",
    "2pc_nothing_presumed": "nor does what is presumed",
    "3pc": "in 3PC it is committed from the moment at which the first participant has been told "
    "that all voted yes",
}
_BLOCKED = {
    "2pc": "2PC blocks if the coordinator dies when all have voted yes and nobody has been told "
    "the outcome, and at no other point",
    "2pc_alone": "if participants ask the coordinator only, they also wait for it when another one "
    "knows the outcome or has not voted",
    "2pc_nothing_presumed": "records of begin and abort do not keep it from blocking",
    "3pc": "3PC blocks at no point",
}


def _expected_of(name: str) -> tuple[Expectation, ...]:
    id = name.replace("_", "-")
    sums = tuple(f"{what}_{name}" for what in ("half_done", "told_otherwise"))
    return (
        Expectation(
            f"outcomes-{id}",
            _COMMITTED[name],
            _are("committed", name, lambda cell: cell.committed),
            _cells("committed", name),
        ),
        Expectation(
            f"blocked-{id}",
            _BLOCKED[name],
            _are("blocked", name, lambda cell: cell.blocks),
            _cells("blocked", name),
        ),
        Expectation(
            f"all-or-none-{id}",
            "no transaction is done in part, and no client is told anything that is not so: "
            f"{_WORDS[name]}",
            lambda m: not any(map(m.value, sums)),
            sums,
        ),
        Expectation(
            f"a-no-is-final-{id}",
            f"what one participant refused is committed nowhere: {_WORDS[name]}",
            lambda m: m.value(f"aborts_reversed_{name}") == 0,
            (f"aborts_reversed_{name}",),
        ),
    )


CRASH_MATRIX = commit_experiment(
    id="crash-matrix",
    title="A crash at every named point",
    question="The coordinator or a participant dies, before or after each write to its disk and "
    "each message: what has become of the transaction, and who has to wait until it is back?",
    trial=crash_everywhere,
    faults=("crash-at",),
    nodes=4,
    params={"opening_amount": 1000},
    settings=(
        Setting("away_ms", 3000, "how long a node stays away that others wait for", minimum=1),
        Setting("aborts", "on", "also a transaction that aborts", choices=("on", "off")),
    ),
    short={"aborts": "off"},
    variants=VARIANTS,
    trials_sim=3,
    measurements=tuple(one for variant in VARIANTS for one in _of_variant(variant.name)),
    expectations=tuple(one for variant in VARIANTS for one in _expected_of(variant.name)),
)

EXPERIMENTS = (CRASH_MATRIX,)
