"""What a scenario does with the bank: it asks for transactions, and looks at locks, doubts and
amounts.

Where a resource lives is worked out here, and not asked of the nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from labs.commit.bank import Transaction, amounts, ask, at_rest, judge, read_amount, resolve
from labs.kit.appends import HistoryWrong
from labs.kit.check import Failed, expect, require
from labs.kit.registry import wait_unit_ms
from nodes.cluster.api import Cluster, Indeterminate, Refused
from nodes.core import NodeId
from nodes.cores.commit.ledger import customers, opening_amounts
from protos import commit_pb2 as pb


class Desk:
    """A cluster of the bank, and all that was asked of it. Waits are in units of its longest
    timeout."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.unit_ms = wait_unit_ms(cluster.spec)
        self.opening = opening_amounts(cluster.params)
        self.coordinator = cluster.nodes[0]  # it holds nothing
        self.participants = cluster.nodes[1:]
        self.made: list[Transaction] = []
        self.connected = 0

    def setting(self, name: str) -> int:
        """A setting that is a number."""
        value = self.cluster.params[name]
        assert isinstance(value, int)
        return value

    # ----------------------------------------------------------------------------------- resources

    def home(self, resource: str) -> NodeId:
        """The participant that holds it: one after the other, as the bank opens."""
        return self.participants[list(self.opening).index(resource) % len(self.participants)]

    def account(self, node: NodeId, number: int = 0) -> str:
        """One of the accounts of customers that a participant holds."""
        names = customers(self.setting("accounts"))
        here = [f"account/{name}" for name in names if self.home(f"account/{name}") == node]
        return here[number]

    def shift(self, deltas: Mapping[NodeId, int], number: int = 0) -> dict[str, int]:
        """What changes one account at each of these participants."""
        return {self.account(node, number): delta for node, delta in deltas.items()}

    def round_trip(self, amount: int = 10, number: int = 0) -> dict[str, int]:
        """Money that goes from the first participant to all others."""
        first, *others = self.participants
        shares = dict.fromkeys(others, amount)
        return self.shift({first: -amount * len(others), **shares}, number)

    # -------------------------------------------------------------------------------- transactions

    def ask(
        self, node: NodeId, changes: Mapping[str, int], *, since_ms: int = 0, name: str = ""
    ) -> asyncio.Task[Transaction]:
        """Asks a node for a transaction, which goes on meanwhile."""
        name = name or f"t{len(self.made) + 1}"
        one = Transaction(name, node, dict(changes), since_ms)
        self.made.append(one)
        return asyncio.ensure_future(self._asked(one))

    async def again(self, one: Transaction) -> Transaction:
        """What a client is told that asks again under the same name."""
        return await self._asked(replace(one, outcome=pb.UNDECIDED, reason=""))

    async def _asked(self, one: Transaction) -> Transaction:
        # More than the phases of a transaction may take together.
        await ask(self.cluster, one, 3 * self.unit_ms)
        return one

    async def done(
        self, node: NodeId, changes: Mapping[str, int], *, since_ms: int = 0
    ) -> Transaction:
        """The same, and waits for what the client is told."""
        return await self.ask(node, changes, since_ms=since_ms)

    async def committed(self, node: NodeId, changes: Mapping[str, int]) -> Transaction:
        """A transaction to which nobody has a reason to object, to its very end."""
        one = await self.done(node, changes)
        self.expect_outcome(one, pb.COMMITTED, "everyone can do its share, and nothing fails")
        await self.rest()
        return one

    def expect_outcome(self, one: Transaction, wanted: pb.Outcome, why: str) -> None:
        """What the client was told."""
        said = f", since {one.reason}" if one.reason else ""
        expect(
            one.outcome == wanted,
            f"{one.name} is {word(wanted)}: {why}",
            f"{one.node} said that it is {word(one.outcome)}{said}",
        )

    async def connect(self, *nodes: NodeId) -> None:
        """A transaction through each of these that changes nothing: where packets are late or get
        lost from now on, connections are there already."""
        for node in nodes or (self.coordinator,):
            self.connected += 1
            nothing = self.shift(dict.fromkeys(self.participants, 0))
            await ask(
                self.cluster,
                Transaction(f"hello{self.connected}", node, nothing),
                3 * self.unit_ms,
            )
        await self.rest()

    async def answers(self, node: NodeId) -> None:
        """Waits until clients reach a node that was restarted: their old connection to it may look
        sound until they use it."""

        async def read() -> bool:
            request = pb.ReadRequest(resource=self.account(node))
            try:
                await self.cluster.call(node, request, timeout_ms=self.unit_ms)
            except (Indeterminate, Refused):
                return False
            return True

        await self.cluster.until(f"{node} answers again", read, within_ms=20 * self.unit_ms)

    async def slow(self, node: NodeId, late_ms: int) -> None:
        """What this participant sends the coordinator is late by so much; so is its vote."""
        await self.connect()
        await self.cluster.faults.delay(node, self.coordinator, late_ms, one_way=True)

    # ----------------------------------------------------------------------------------- the nodes

    async def view(self, node: NodeId) -> pb.CommitView:
        """What a node that is up shows."""
        found = await self.cluster.view(node)
        require(isinstance(found, pb.CommitView), f"{node} shows nothing")
        assert isinstance(found, pb.CommitView)
        return found

    async def in_doubt(self, *nodes: NodeId) -> bool:
        """All of these have voted yes on something, and do not know the outcome."""
        for node in nodes:
            found = await self.cluster.view(node)
            if not isinstance(found, pb.CommitView) or not found.in_doubt:
                return False
        return True

    async def until_in_doubt(self, *nodes: NodeId) -> None:
        """Waits for it."""

        async def all_are() -> bool:
            return await self.in_doubt(*nodes)

        await self.cluster.until(
            f"{', '.join(nodes)} voted yes and in doubt", all_are, within_ms=2 * self.unit_ms
        )

    async def amount(self, resource: str) -> int:
        """The last committed one, as its home tells any client."""
        return await read_amount(self.cluster, self.home(resource), resource, self.unit_ms)

    async def lock_on(self, resource: str) -> str:
        """Which transaction holds it, by its client's name; nothing if none does."""
        for lock in (await self.view(self.home(resource))).locks:
            if lock.resource == resource:
                return lock.holder.partition("#")[0]
        return ""

    async def kill(self, *nodes: NodeId) -> None:
        """Without a goodbye."""
        await self.cluster.faults.kill(*nodes)

    async def free(self, *nodes: NodeId) -> bool:
        """None of these has a lock or a doubt."""
        for node in nodes:
            found = await self.cluster.view(node)
            if not isinstance(found, pb.CommitView) or found.locks or found.in_doubt:
                return False
        return True

    async def until_free(self, why: str, units: float, *nodes: NodeId) -> None:
        """Waits until they all know, whoever else is down."""

        async def all_are() -> bool:
            return await self.free(*nodes)

        what = f"{', '.join(nodes)} decided, and without a lock: {why}"
        await self.cluster.until(what, all_are, within_ms=int(units * self.unit_ms))

    async def heal(self) -> None:
        """All faults end."""
        await self.cluster.faults.heal()

    # -------------------------------------------------------------------------------- in the end

    async def rest(self, units: int = 4) -> None:
        """Waits until all is decided, told and let go of."""
        await self.cluster.until(
            "everything decided, everyone told, and no lock left",
            lambda: at_rest(self.cluster),
            within_ms=units * self.unit_ms,
        )

    async def balance(self, units: int = 4) -> None:
        """After all faults: everyone decides, clients hear what became of each transaction, and the
        amounts are those of all that was committed, each once."""
        await self.heal()
        await self.rest(units)
        unknown = [one for one in self.made if one.outcome == pb.UNDECIDED]
        try:
            await asyncio.wait_for(resolve(self.cluster, unknown), units * self.unit_ms / 1000)
        except TimeoutError:
            late = [one.name for one in unknown if one.outcome == pb.UNDECIDED]
            raise Failed(
                "clients that ask again hear what became of a transaction",
                f"nobody could say what became of {', '.join(late)}",
            ) from None
        await self.rest(units)
        try:
            judge(self.opening, self.made, await amounts(self.cluster))
        except HistoryWrong as wrong:
            raise Failed(
                "the amounts of all that was committed, each of it once", str(wrong)
            ) from None


def word(outcome: pb.Outcome) -> str:
    """As people say it."""
    return pb.Outcome.Name(outcome).lower()
