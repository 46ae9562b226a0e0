"""Stories of a few Raft servers as text that a person can review.

Servers are stepped by hand: nothing moves unless a command says so, and there is no time. A block
is commands, a line `----`, and what came of them:

    fire n1 election
    ----
    n1 * campaign term=1 pre_vote=true
    n1 -> n2 PreVoteRequest term=1
    n1 -> n3 PreVoteRequest term=1

The commands are the methods `do_...` below. In the outcome, `a -> b` is a message that sets out,
`b <- a` one that arrives, `*` a server's own remark, `!!` a call that failed; an entry is written
index/term. Timers are not shown; one of 0 ms fires right after the command.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from random import Random

from google.protobuf.message import Message

from nodes.core import (
    Append,
    Call,
    Caller,
    CallFailed,
    Discard,
    Effect,
    Env,
    Event,
    NodeId,
    Note,
    Now,
    Requested,
    Respond,
    Responded,
    Save,
    SetTimer,
    Started,
    TimerFired,
    Truncate,
)
from nodes.cores.raft import Raft
from nodes.sim.disk import SimDisk
from protos import kv_pb2 as kv
from protos import raft_pb2 as pb
from tests.support.raft_bench import DEFAULTS

RULE = "----"
CLIENT = "client"
MESSAGES_MAX = 1_000
HIDDEN_FIELDS = {"leader_id", "candidate_id", "round"}  # said by the arrow, or of no interest
CLAIMS = {"vote_granted", "success", "installed"}  # a false one is worth saying


class BadTranscript(Exception):
    """A command that nobody understands; names the line."""


@dataclass(frozen=True)
class Flying:
    """A message on its way: a call, or the response to it."""

    source: NodeId
    call: Call
    response: Message | None = None


class Stage:
    """The servers of one story, and what is on its way between them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ids: tuple[NodeId, ...] = ()
        self.cores: dict[NodeId, Raft | None] = {}
        self.now = Now(10_000, 1_700_000_000_000)

    # ---------------------------------------------------------------------------------- commands

    def do_cluster(self, size: str, *settings: str) -> None:
        """cluster SIZE [SETTING=VALUE ...]: servers n1 ... n`size` start."""
        self.ids = tuple(f"n{number}" for number in range(1, int(size) + 1))
        values = dict(setting.split("=") for setting in settings)
        self.params = DEFAULTS | {k: int(v) if v.isdigit() else v for k, v in values.items()}
        self.disks = {node: SimDisk(Random(0)) for node in self.ids}
        self.flying: deque[tuple[NodeId, NodeId, Flying]] = deque()
        self.callers: dict[int, Flying] = {}
        self.call_ids = count(1)
        self.isolated: set[NodeId] = set()
        for node in self.ids:
            self.do_restart(node)

    def do_fire(self, node: NodeId, timer: str) -> None:
        """fire NODE TIMER: the timer runs out."""
        self.step(node, TimerFired(timer))

    def do_wait(self, ms: str) -> None:
        """wait MS: the clocks go on; no timer fires by itself."""
        self.now = Now(self.now.mono_ms + int(ms), self.now.wall_ms + int(ms))

    def do_deliver(self, source: str = "", target: str = "") -> None:
        """deliver [A B]: the oldest message from A to B arrives; without names, all do, and what
        follows from them."""
        for _ in range(MESSAGES_MAX):
            found = self.next_message(source, target)
            if found is None:
                if source:
                    raise BadTranscript(f"nothing is on its way from {source} to {target}")
                return
            self.flying.remove(found)
            self.arrive(*found)
            if source:
                return
        raise BadTranscript(f"still busy after {MESSAGES_MAX} messages")

    def do_drop(self, source: str, target: str) -> None:
        """drop A B: all that is on its way from A to B is lost."""
        while (found := self.next_message(source, target)) is not None:
            self.flying.remove(found)
            self.lose(found[2])

    def do_isolate(self, *nodes: NodeId) -> None:
        """isolate NODE...: what they and the others say to each other from now on is lost."""
        self.isolated = set(nodes)

    def do_heal(self) -> None:
        """heal: nobody is isolated any more."""
        self.isolated = set()

    def do_crash(self, *nodes: NodeId) -> None:
        """crash NODE...: all but the disk is gone."""
        for node in nodes:
            self.cores[node] = None
            self.callers = {id: f for id, f in self.callers.items() if f.call.peer != node}

    def do_restart(self, *nodes: NodeId) -> None:
        """restart NODE...: comes up with what is on its disk."""
        for node in nodes:
            peers = tuple(id for id in self.ids if id != node)
            self.cores[node] = Raft(Env(node, peers, Random(0), self.params))
            self.step(node, self.disks[node].load(amnesia=False))

    def do_put(self, node: NodeId, key: str, value: str) -> None:
        """put NODE KEY VALUE: a client asks the node to write."""
        self.ask(node, kv.PutRequest(key=key, value=value.encode()))

    def do_get(self, node: NodeId, key: str) -> None:
        """get NODE KEY: a client asks the node to read."""
        self.ask(node, kv.GetRequest(key=key))

    def do_transfer(self, node: NodeId, target: NodeId) -> None:
        """transfer NODE TARGET: an operator asks the node to hand leadership over."""
        self.ask(node, pb.TransferLeadershipRequest(target=target))

    def do_add(self, node: NodeId, server: NodeId) -> None:
        """add NODE SERVER: an operator asks the node to add a voter."""
        self.ask(node, pb.ChangeMembershipRequest(add=server))

    def do_remove(self, node: NodeId, server: NodeId) -> None:
        """remove NODE SERVER: an operator asks the node to remove a voter."""
        self.ask(node, pb.ChangeMembershipRequest(remove=server))

    def do_state(self) -> None:
        """state: a line a server: role, term, vote, commit_index, and the terms of its log."""
        for node in self.ids:
            core = self.cores[node]
            self.lines.append(f"{node} {describe_state(core)}" if core else f"{node} down")

    # --------------------------------------------------------------------------------- machinery

    def play(self, command: str) -> None:
        """Carries out one command. Raises BadTranscript when it makes no sense."""
        name, *arguments = command.split()
        action = getattr(self, f"do_{name}", None)
        if action is None:
            raise BadTranscript(f"no command {name!r}")
        try:
            action(*arguments)
        except (TypeError, KeyError, ValueError) as error:
            raise BadTranscript(f"{command!r}: {error}") from error

    def ask(self, node: NodeId, request: Message) -> None:
        """A client's request arrives; its responses are shown when they leave."""
        self.step(node, Requested(Caller(CLIENT, next(self.call_ids)), request))

    def next_message(self, source: str, target: str) -> tuple[NodeId, NodeId, Flying] | None:
        """The oldest message, of those from `source` to `target` if they are named."""
        for found in self.flying:
            if not source or found[:2] == (source, target):
                return found
        return None

    def arrive(self, source: NodeId, target: NodeId, message: Flying) -> None:
        """A message reaches its target, if it can."""
        content = message.response or message.call.request
        cut = (source in self.isolated) != (target in self.isolated)
        if cut or (self.cores[target] is None):
            self.lose(message)
            return
        self.lines.append(f"{target} <- {source} {type(content).__name__}")
        if message.response is not None:
            self.step(target, Responded(message.call, message.response))
            return
        call_id = next(self.call_ids)
        self.callers[call_id] = message
        self.step(target, Requested(Caller(source, call_id), message.call.request))

    def lose(self, message: Flying) -> None:
        """The caller gets no response: some time later its call fails."""
        if self.cores[message.source] is None:
            return
        request = type(message.call.request).__name__
        self.lines.append(f"{message.source} !! {request} to {message.call.peer} failed")
        self.step(message.source, CallFailed(message.call, "deadline"))

    def step(self, node: NodeId, event: Event) -> None:
        """Steps a server, shows and carries out the effects, and fires its timers of 0 ms."""
        core = self.cores[node]
        if core is None:
            raise BadTranscript(f"{node} is down")
        at_once: list[str] = []
        for effect in core.step(event, self.now):
            if isinstance(effect, SetTimer) and effect.delay_ms == 0:
                at_once.append(effect.name)
            self.carry_out(node, effect, quiet=isinstance(event, Started))
        self.disks[node].sync()
        for timer in dict.fromkeys(at_once):
            self.step(node, TimerFired(timer))

    def carry_out(self, node: NodeId, effect: Effect, *, quiet: bool) -> None:
        """Shows an effect and does what it says."""
        text = describe(effect)
        match effect:
            case Save() | Append() | Truncate() | Discard():
                self.disks[node].write(effect)
            case Call(peer, _, _):
                self.flying.append((node, peer, Flying(node, effect)))
            case Respond(caller, response) if caller.node != CLIENT:
                message = self.callers.pop(caller.call_id)
                answer = Flying(message.source, message.call, response)
                self.flying.append((node, caller.node, answer))
        if text and not quiet:
            self.lines.append(f"{node} {text}")


# ---------------------------------------------------------------------------------------- in words


def describe(effect: Effect) -> str:
    """One effect as the rest of a line that begins with the node; empty for what is not shown."""
    match effect:
        case Save(slot, pb.Snapshot() as snapshot):
            return f"saves {slot} {snapshot.last_included_index}/{snapshot.last_included_term}"
        case Save(slot, state):
            return f"saves {slot}{fields(state)}"
        case Append(_, _, entries):
            return "appends " + ", ".join(map(describe_entry, entries))
        case Truncate(_, from_index):
            return f"truncates its log from {from_index}"
        case Discard(_, through_index):
            return f"discards its log up to {through_index}"
        case Call(peer, request, _):
            return f"-> {peer} {type(request).__name__}{fields(request)}"
        case Respond(caller, response):
            return f"-> {caller.node} {type(response).__name__}{fields(response)}"
        case Note(kind, values):
            return f"* {kind}" + "".join(f" {name}={word(value)}" for name, value in values.items())
        case _:
            return ""


def describe_state(core: Raft) -> str:
    """A server in one line."""
    view = core.view()
    assert isinstance(view, pb.RaftView)
    terms = " ".join(str(entry.term) for entry in core.log.tail(core.log.first_index))
    start = f" from {core.log.first_index}" if core.log.base_index else ""
    snapshot = f" snapshot={core.log.snapshot_index}" if core.log.snapshot_index else ""
    return (
        f"{pb.Role.Name(view.role).lower()} term={view.term} voted_for={view.voted_for or '-'}"
        f" commit={view.commit_index}{snapshot} log{start}: {terms or '-'}"
    )


def fields(message: Message) -> str:
    """The fields that are set, each with a space before it."""
    shown = []
    for descriptor in message.DESCRIPTOR.fields:
        name, value = descriptor.name, getattr(message, descriptor.name)
        if name in HIDDEN_FIELDS:
            continue
        if name in CLAIMS:
            shown.append(f"{name}={word(value)}")
        elif name == "entries":
            if value:
                shown.append(f"entries=[{', '.join(map(describe_entry, value))}]")
        elif descriptor.message_type is not None:
            if message.HasField(name):
                shown.append(f"{name}({fields(value).strip()})")
        elif value:
            shown.append(f"{name}={word(value)}")
    return "".join(f" {text}" for text in shown)


def describe_entry(entry: Message) -> str:
    """index/term and content."""
    assert isinstance(entry, pb.LogEntry)
    what = "no-op"
    if entry.HasField("configuration"):
        what = "voters " + ",".join(entry.configuration.voters)
    elif entry.HasField("command"):
        what = f"{entry.command.put.key}={entry.command.put.value.decode()}"
    return f"{entry.index}/{entry.term} {what}"


def word(value: object) -> str:
    """A field's value."""
    match value:
        case bool():
            return "yes" if value else "no"
        case bytes():
            text = value.decode(errors="replace")
            return text if text.isprintable() else f"<{len(value)} bytes>"
        case str() | int():
            return str(value)
        case _:
            return ",".join(map(str, value))  # type: ignore[call-overload]  # a repeated field


# ----------------------------------------------------------------------------------------- playing


def replay(transcript: str) -> str:
    """The same transcript with what really comes of its commands.

    Raises BadTranscript with the number of the line that makes no sense.
    """
    stage, output = Stage(), list[str]()
    commands: list[str] = []
    in_outcome = False
    for number, line in enumerate([*transcript.splitlines(), ""], start=1):
        if line == RULE:
            in_outcome = True
        elif not line:
            if commands:
                output += [*commands, RULE, *stage.lines, ""]
            commands, stage.lines, in_outcome = [], [], False
        elif line.startswith("#"):
            output += [line] if not commands else []
            if commands and not in_outcome:
                raise BadTranscript(f"line {number}: a comment belongs above its block")
        elif not in_outcome:
            commands.append(line)
            try:
                stage.play(line)
            except BadTranscript as error:
                raise BadTranscript(f"line {number}: {error}") from error
    return "\n".join(output)
