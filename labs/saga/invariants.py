"""What must hold in the shop at every step, whatever fails.

Each invariant watches a simulated cluster between steps. It looks at what nodes are asked, what
they ask and answer and what they put on their disks, never into the core, so that a learner's saga
is held to the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import Message

from labs.kit.violation import InvariantViolated
from labs.saga.violation import copied, on_disk, rows_of, word
from nodes.core import Call, Effect, Event, NodeId, Respond, Responded, Started, saves_of
from nodes.sim.cluster import Observer, SimCluster
from protos import saga_pb2 as pb

__all__ = ["Books", "Ends", "Sagas", "invariants"]

PLAN = (pb.RESERVE, pb.CHARGE, pb.SHIP, pb.CONFIRM)
OVER = (pb.COMPLETED, pb.COMPENSATED)
SERVICES = {"reservations": 1, "charges": 2, "shipments": 3}  # the place of the node
# What may become of a row, by the state that it had; a row that is not there has none.
NEXT: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "reservations": {
        "": ("pending", "refused"),
        "pending": ("confirmed", "released"),
        "confirmed": ("confirmed",),
        "released": (),
        "refused": ("refused",),
    },
    "charges": {
        "": ("charged", "refused"),
        "charged": ("refunded",),
        "refunded": (),
        "refused": ("refused",),
    },
    "shipments": {
        "": ("booked", "refused"),
        "booked": ("cancelled",),
        "cancelled": (),
        "refused": ("refused",),
    },
}
# The states in which a service has done its part of an order, and those in which it has none.
DONE = {"reservations": "confirmed", "charges": "charged", "shipments": "booked"}
UNDONE = {
    "reservations": ("", "released", "refused"),
    "charges": ("", "refunded", "refused"),
    "shipments": ("", "cancelled", "refused"),
}


def invariants() -> list[Observer]:
    """Fresh watchers for one run."""
    return [Books(), Sagas(), Ends()]


class Books:
    """Goods, money and places add up at every service after every local transaction, and what was
    done once for an order is not done again (S3), nor after it was undone (S6)."""

    def __init__(self) -> None:
        self.rows: dict[NodeId, dict[str, Message]] = {}

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if isinstance(event, Started):
            self.rows[node] = dict(event.slots)
        rows = self.rows.setdefault(node, {})
        touched = isinstance(event, Started)  # A crash may have left half of something.
        for effect in effects:
            for save in saves_of(effect):
                touched = True
                self.check_change(node, save.slot, rows.get(save.slot), save.state)
                rows[save.slot] = save.state
                if save.removes:
                    del rows[save.slot]
            if touched and isinstance(effect, Call | Respond):
                self.add_up(cluster, node, rows)
                touched = False
        if touched:
            self.add_up(cluster, node, rows)

    def check_change(self, node: NodeId, slot: str, old: Message | None, new: Message) -> None:
        """A part of an order goes forwards, then perhaps back, and ends there."""
        table, _, order = slot.partition("/")
        if table not in NEXT:
            return
        before, after = getattr(old, "state", ""), getattr(new, "state", "")
        if after in NEXT[table][before]:
            return
        if before == "refused":
            name = "what comes after its compensation is refused (S6)"
        elif not before:
            name = "a compensation without its step does nothing, and is remembered (S5)"
        else:
            name = "each effect happens at most once for an order (S3)"
        raise InvariantViolated(
            name, f"at {node} order {order} had {before or 'no'} {table}, and has {after} ones"
        )

    def add_up(self, cluster: SimCluster, node: NodeId, rows: Mapping[str, Message]) -> None:
        """Nothing is lost or made."""
        opening = {
            name: int(cluster.params[f"opening_{name}"])
            for name in ("stock", "balance", "capacity")
        }
        out: dict[str, int] = {}
        for _, held in rows_of(rows, "reservations", pb.Reservation):
            if held.state in ("pending", "confirmed"):
                out[held.item] = out.get(held.item, 0) + held.quantity
        for item, stock in rows_of(rows, "stock", pb.Stock):
            self.expect(
                "goods add up", node, item, stock.quantity + out.get(item, 0), opening["stock"]
            )
        taken: dict[str, int] = {}
        for _, charge in rows_of(rows, "charges", pb.Charge):
            if charge.state == "charged":
                taken[charge.customer] = taken.get(charge.customer, 0) + charge.amount
        for name, account in rows_of(rows, "accounts", pb.Account):
            self.expect(
                "money adds up",
                node,
                name,
                account.balance + taken.get(name, 0),
                opening["balance"],
            )
        booked = sum(one.state == "booked" for _, one in rows_of(rows, "shipments", pb.Shipment))
        for name, capacity in rows_of(rows, "capacity", pb.Capacity):
            self.expect("places add up", node, name, capacity.left + booked, opening["capacity"])

    def expect(self, invariant: str, node: NodeId, what: str, found: int, opening: int) -> None:
        """What is left and what orders have is what there was at the beginning."""
        if found != opening:
            raise InvariantViolated(
                invariant, f"{what} at {node}: with what orders have {found}, at first {opening}"
            )


class Sagas:
    """What the orchestrator logs, asks and reports (S1, S2, S4, S8)."""

    def __init__(self) -> None:
        self.logged: dict[str, pb.Saga] = {}
        self.may_be_done: dict[str, set[int]] = {}  # steps that were asked for and not declined

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if isinstance(event, Started):
            for order, saga in rows_of(event.slots, "sagas", pb.Saga):
                self.logged[order] = copied(saga)  # The core goes on with that one.
                if saga.status == pb.COMPENSATING:
                    # That a step was declined may have been heard in the step that crashed.
                    known = {saga.step, *saga.done, *saga.undone}
                    self.may_be_done[order] = self.may_be_done.get(order, set()) & known
        self.hear(event)
        for effect in effects:
            for save in saves_of(effect):
                if isinstance(save.state, pb.Saga):
                    self.check_log(node, save.state)
                    self.logged[save.state.order.id] = save.state
            match effect:
                case Call(_, pb.DoRequest() as request):
                    self.check_intent(node, request)
                case Respond(_, pb.PlaceResponse() | pb.StatusResponse() as response):
                    self.check_report(node, response.saga)

    def hear(self, event: Event) -> None:
        """A step that was declined has no effect; any other that was asked for may have."""
        match event:
            case Responded(Call(_, pb.DoRequest() as request), pb.DoResponse() as response):
                if response.result == pb.DoResponse.DECLINED and not request.compensation:
                    self.may_be_done.get(request.order.id, set()).discard(request.step)

    def check_log(self, node: NodeId, saga: pb.Saga) -> None:
        """What is over stays as it is; what is undone is undone in reverse."""
        order, old = saga.order.id, self.logged.get(saga.order.id)
        if old is not None and old.status in OVER and old != saga:
            raise InvariantViolated(
                "an order that is over stays so (S1)",
                f"{order} was {word(old.status)} at {node}, and is {word(saga.status)} now",
            )
        backwards = [step for step in reversed(saga.done) if step in saga.undone]
        undone = [step for step in saga.undone if step in saga.done]
        if undone != backwards:
            raise InvariantViolated(
                "compensations go backwards (S2)",
                f"{order}: done {names(saga.done)}, undone {names(saga.undone)}",
            )
        if saga.status == pb.COMPLETED and tuple(saga.done) != PLAN:
            raise InvariantViolated(
                "completed is all steps done (S1)", f"{order}: only {names(saga.done)}"
            )
        if saga.status != pb.COMPENSATED:
            return
        left = [step for step in saga.done if step not in saga.undone]
        unsure = sorted(self.may_be_done.get(order, set()) - set(saga.undone))
        if left:
            raise InvariantViolated(
                "compensated is all that was done undone (S1)", f"{order}: left {names(left)}"
            )
        if unsure:
            raise InvariantViolated(
                "what may have been done is undone (S4)", f"{order}: left {names(unsure)}"
            )

    def check_intent(self, node: NodeId, request: pb.DoRequest) -> None:
        """The log says what is asked for, before it is."""
        saga = self.logged.get(request.order.id, pb.Saga())
        back = saga.status == pb.COMPENSATING
        if (saga.step, back) != (request.step, request.compensation):
            raise InvariantViolated(
                "the intent is logged before the call (S8)",
                f"{node} asks for {names([request.step])} of {request.order.id}, and its log is at "
                f"{names([saga.step])}, {word(saga.status)}",
            )
        if not request.compensation:
            self.may_be_done.setdefault(request.order.id, set()).add(request.step)

    def check_report(self, node: NodeId, saga: pb.Saga) -> None:
        """Only what the log says is said to clients to be the end."""
        if saga.status not in OVER:
            return
        logged = self.logged.get(saga.order.id, pb.Saga())
        if logged.status != saga.status:
            raise InvariantViolated(
                "only what is logged is reported as over (S1)",
                f"{node} reports {saga.order.id} as {word(saga.status)}, and its log says "
                f"{word(logged.status)}",
            )


class Ends:
    """An order that is over is so at every service, and stays so: all of it, or nothing; and the
    sale is confirmed only when the shipment is booked."""

    def __init__(self) -> None:
        self.ended: dict[str, pb.Saga] = {}

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        if isinstance(event, Started):
            for _, saga in rows_of(event.slots, "sagas", pb.Saga):
                self.see(cluster, saga)
        changed: set[str] = set()
        for effect in effects:
            for save in saves_of(effect):
                table, _, order = save.slot.partition("/")
                if isinstance(save.state, pb.Saga):
                    self.see(cluster, save.state)
                elif table in SERVICES:
                    changed.add(order)
                    self.check_pivot(cluster, order, save.state)
        for order in sorted(changed & self.ended.keys()):
            self.check(cluster, self.ended[order])

    def see(self, cluster: SimCluster, saga: pb.Saga) -> None:
        """Looks at the services when an order ends."""
        if saga.status in OVER and saga.order.id not in self.ended:
            self.ended[saga.order.id] = copied(saga)
            self.check(cluster, saga)

    def check(self, cluster: SimCluster, saga: pb.Saga) -> None:
        """What an operator has seen to by other means is nobody's business here."""
        if saga.skipped:
            return
        for table, place in SERVICES.items():
            state = self.state(cluster, place, table, saga.order.id)
            completed = saga.status == pb.COMPLETED
            if not (state == DONE[table] if completed else state in UNDONE[table]):
                raise InvariantViolated(
                    "an order is carried out everywhere or nowhere",
                    f"{saga.order.id} is {word(saga.status)}, and at {cluster.nodes[place]} its "
                    f"{table} are {state or 'none'}",
                )

    def check_pivot(self, cluster: SimCluster, order: str, row: Message) -> None:
        """Behind the pivot there is no way back, so nothing of that comes before it."""
        if not isinstance(row, pb.Reservation) or row.state != "confirmed":
            return
        if self.state(cluster, SERVICES["shipments"], "shipments", order) != "booked":
            raise InvariantViolated(
                "a sale is confirmed only when the shipment is booked", f"{order} is confirmed"
            )

    def state(self, cluster: SimCluster, place: int, table: str, order: str) -> str:
        """Of an order's row at a service; empty: there is none."""
        row = on_disk(cluster, cluster.nodes[place]).get(f"{table}/{order}")
        return str(getattr(row, "state", ""))


def names(steps: Iterable[int]) -> str:
    """Steps, as people say them."""
    return ", ".join(pb.Step.Name(step).lower() for step in steps) or "nothing"
