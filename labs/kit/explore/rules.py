"""By which rules the states of a small cluster follow each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from google.protobuf.message import Message

from labs.kit.explore.state import LEAST, Budget, Move, Node, State, digest_of
from labs.kit.explore.step import Step
from nodes.core import DURABLE, Call, Core, Env, NodeId, Param, Respond
from nodes.sim.cluster import Observer
from nodes.sim.disk import SimDisk


class Rules:
    """`requests` are what clients ask, in this order, of any node."""

    def __init__(
        self,
        core_types: Mapping[NodeId, type[Core]],
        params: Mapping[str, Param],
        requests: Sequence[Message],
    ) -> None:
        self.ids = tuple(core_types)
        self.params = params
        self._core_types = tuple(core_types.values())
        self._requests = requests
        self._envs = tuple(
            Env(node, tuple(peer for peer in self.ids if peer != node), LEAST, params)
            for node in self.ids
        )

    def new_core(self, number: int) -> Core:
        """As a node has it that comes up."""
        return self._core_types[number](self._envs[number])

    def next_request(self, state: State) -> Message:
        """What the next client asks."""
        return self._requests[(len(self._requests) - state.budget.requests) % len(self._requests)]

    def first(self, observers: Sequence[Observer], budget: Budget) -> State:
        """All nodes have just come up with empty disks."""
        disk = SimDisk(LEAST)
        nodes = tuple(Node(None, disk, b"") for _ in self.ids)
        state = State(nodes, (), (), 0, 0, budget, observers, digest_of(observers))
        for node in range(len(self.ids)):
            state = self.follow(state, Move("start", node))
        return state

    def follow(self, state: State, move: Move) -> State:
        """The state after it. Raises Violation when an observer or a core does."""
        return Step(self, state).take(move)

    def moves(self, state: State) -> Iterator[Move]:
        """Everything that may happen in this state."""
        budget = state.budget
        for place, packet in enumerate(state.packets):
            target = self.ids.index(packet.target)
            if state.nodes[target].core is not None:
                yield from self._with_crashes(state, Move("deliver", target, packet=place))
            if budget.losses:
                yield Move("lose", target, packet=place)
        for number, node in enumerate(state.nodes):
            if node.core is None:
                yield Move("start", number)
                continue
            if budget.timers:
                for name, _ in node.timers:
                    yield from self._with_crashes(state, Move("fire", number, timer=name))
            if budget.requests:
                yield from self._with_crashes(state, Move("ask", number))
            if budget.crashes:
                yield Move("crash", number)

    def _with_crashes(self, state: State, move: Move) -> Iterator[Move]:
        """The move, and the same with a crash at each point in the middle of its step."""
        yield move
        if not state.budget.crashes:
            return
        effects = Step(self, state).effects_of(move)
        seen = [isinstance(effect, (*DURABLE, Call, Respond)) for effect in effects]
        if not any(isinstance(effect, DURABLE) for effect in effects):
            return
        for keep in range(1, len(effects)):
            # Crashes that differ only in what nobody can see are one crash.
            if seen[keep - 1] and any(seen[keep:]):
                yield replace(move, keep=keep)

    def describe(self, state: State, move: Move) -> str:
        """A line for people: what happens in this state with this move."""
        node = self.ids[move.node]
        crash = "" if move.keep is None else f", and crashes after effect {move.keep} of that step"
        match move.kind:
            case "start":
                return f"{node} comes up"
            case "crash":
                return f"{node} crashes"
            case "fire":
                return f"{node}: timer {move.timer}{crash}"
            case "ask":
                return f"a client asks {node}: {type(self.next_request(state)).__name__}{crash}"
        packet = state.packets[move.packet]
        what = type(packet.call.request).__name__
        if packet.response is not None:
            what = f"the response to {what}"
        if move.kind == "lose":
            return f"{what} from {packet.source} to {packet.target} is lost"
        return f"{what} of {packet.source} reaches {packet.target}{crash}"
