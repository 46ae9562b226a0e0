"""The smallest core that uses everything a host offers."""

from __future__ import annotations

from nodes.core import (
    Call,
    Caller,
    Core,
    Env,
    NodeId,
    Started,
    handles,
    on_response,
    on_timer,
)
from tests.support import ping_pb2 as pb


class Ping(Core):
    """Echoes, counts durably, logs what it counted, and asks peers to echo."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self.total = 0
        self.echoes = 0
        self.first_index = 1
        self.amounts: list[int] = []
        self.relays: dict[tuple[NodeId, str], list[Caller]] = {}
        self.sleepers: list[Caller] = []
        self.accounts: dict[str, pb.Account] = {}

    def on_start(self, started: Started) -> None:
        counter = started.slots.get("counter")
        if isinstance(counter, pb.Counter):
            self.total = counter.total
        for name, account in started.slots.items():
            if isinstance(account, pb.Account):
                self.accounts[name] = account
        if "added" in started.logs:
            self.first_index = started.logs["added"].first_index
            for entry in started.logs["added"].entries:
                assert isinstance(entry, pb.Added)
                self.amounts.append(entry.amount)

    @handles(pb.EchoRequest)
    def echo(self, request: pb.EchoRequest, _: Caller) -> pb.EchoResponse:
        self.echoes += 1
        return pb.EchoResponse(text=request.text, node_id=self.env.node_id)

    @handles(pb.AddRequest)
    def add(self, request: pb.AddRequest, _: Caller) -> pb.AddResponse:
        if request.amount == 0:
            refused = pb.AddResponse()
            refused.refused.reason = "nothing to add"
            refused.refused.hint = "n1"
            return refused
        if request.amount == 13:
            unknown = pb.AddResponse()
            unknown.outcome_unknown.reason = "nobody can say"
            return unknown
        self.total += request.amount
        self.save("counter", pb.Counter(total=self.total))
        next_index = self.first_index + len(self.amounts)
        self.append("added", next_index, [pb.Added(amount=request.amount)])
        self.amounts.append(request.amount)
        self.note("added", amount=request.amount, total=self.total)
        return pb.AddResponse(total=self.total)

    @handles(pb.TransferRequest)
    def transfer(self, request: pb.TransferRequest, caller: Caller) -> None:
        source, target = f"accounts/{request.source}", f"accounts/{request.target}"
        for name, amount in ((source, -request.amount), (target, request.amount)):
            account = self.accounts.setdefault(name, pb.Account())
            account.balance += amount
            account.transfers += 1
        self.crash_point("transfer-decided")
        self.save_all({name: self.accounts[name] for name in (source, target)})
        self.crash_point("transfer-saved")
        self.respond(caller, pb.TransferResponse(balance=self.accounts[source].balance))
        self.crash_point("transfer-answered")

    @handles(pb.CompactRequest)
    def compact(self, request: pb.CompactRequest, _: Caller) -> pb.CompactResponse:
        self.discard("added", request.through_index)
        dropped = max(0, request.through_index + 1 - self.first_index)
        self.amounts = self.amounts[dropped:]
        self.first_index += dropped
        return pb.CompactResponse()

    @handles(pb.RelayRequest)
    def relay(self, request: pb.RelayRequest, caller: Caller) -> pb.RelayResponse | None:
        if request.peer not in self.env.peers:
            refused = pb.RelayResponse()
            refused.refused.reason = f"{request.peer} is no peer"
            return refused
        self.relays.setdefault((request.peer, request.text), []).append(caller)
        timeout_ms = request.timeout_ms or 1000
        self.call(request.peer, pb.EchoRequest(text=request.text), timeout_ms=timeout_ms)
        self.crash_point("relay-sent")
        return None

    @on_response(pb.EchoRequest, pb.EchoResponse)
    def relayed(self, peer: NodeId, request: pb.EchoRequest, response: pb.EchoResponse) -> None:
        self._end_relay(peer, request.text, pb.RelayResponse(text=response.text))

    def on_call_failed(self, call: Call, reason: str) -> None:
        if isinstance(call.request, pb.EchoRequest):
            self._end_relay(call.peer, call.request.text, pb.RelayResponse(failure=reason))

    def _end_relay(self, peer: NodeId, text: str, response: pb.RelayResponse) -> None:
        callers = self.relays.get((peer, text), [])
        if callers:
            self.respond(callers.pop(0), response)

    @handles(pb.WaitRequest)
    def wait(self, request: pb.WaitRequest, caller: Caller) -> None:
        self.sleepers.append(caller)
        self.set_timer("wake", request.delay_ms)

    @on_timer("wake")
    def wake(self) -> None:
        for caller in self.sleepers:
            self.respond(caller, pb.WaitResponse())
        self.sleepers = []

    @handles(pb.BreakRequest)
    def break_down(self, _: pb.BreakRequest, __: Caller) -> pb.BreakResponse:
        raise RuntimeError("broken\x1b[31m on purpose")

    def view(self) -> pb.PingView:
        return pb.PingView(
            total=self.total,
            first_index=self.first_index,
            next_index=self.first_index + len(self.amounts),
            echoes=self.echoes,
            logged_total=sum(self.amounts),
            wall_ms=self.now.wall_ms,
        )
