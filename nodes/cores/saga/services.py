"""The services that do the work: stock, payment, shipping, each with tables of its own.

Each step is one local transaction, and so is each compensation (Garcia-Molina and Salem, 1987, 2).
A repetition is known by its key, which is written in the same transaction as the effect. A
compensation that comes before its step is remembered, and the step is refused when it comes.

The protocol is written in layers, each a class that adds one chapter to the one before: Services,
Orchestrator, Choreography, and OrderSaga with the clients' service and the view. A layer calls a
later one only through the hooks at the end of its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

from nodes.core import Caller, Core, Env, NodeId, Started, exercise, handles
from protos import saga_pb2 as pb

ROLES = ("orchestrator", "stock", "payment", "shipping")
ITEMS = ("book", "lamp", "pen")
CUSTOMERS = ("alice", "bob", "carol", "dave")
PLACE_OF_STEP = {pb.RESERVE: 1, pb.CHARGE: 2, pb.SHIP: 3, pb.CONFIRM: 1}
OPENED = "opened"
LOST = "lost"  # the disk was wiped: nobody knows what was sold and charged
SHIPPING = "shipping"

Rows = dict[str, Message]


@dataclass(slots=True)
class Work:
    """What a step comes to: the response, and the rows that make it durable. `effect`: it changes
    something, and is not only remembered."""

    result: pb.DoResponse.Result
    reason: str = ""
    rows: Rows = field(default_factory=dict)
    repeated: bool = False
    effect: bool = False

    def response(self) -> pb.DoResponse:
        """As it is sent."""
        return pb.DoResponse(result=self.result, reason=self.reason, repeated=self.repeated)


def declined(reason: str) -> Work:
    """It cannot be done, now or later."""
    return Work(pb.DoResponse.DECLINED, reason)


class Services(Core):
    """One service a node, by the node's place in the list; the first node orchestrates."""

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        everyone = sorted((env.node_id, *env.peers), key=lambda node: (len(node), node))
        self.places: tuple[NodeId, ...] = tuple(everyone)
        self.role = ROLES[min(self.places.index(env.node_id), len(ROLES) - 1)]
        self.idempotent = env.text("idempotency") == "on"
        self.semantic_locks = env.text("semantic_locks") == "on"
        self.commutative = env.text("updates") == "commutative"
        self.stock: dict[str, int] = {}
        self.reservations: dict[str, pb.Reservation] = {}
        self.accounts: dict[str, int] = {}
        self.charges: dict[str, pb.Charge] = {}
        self.capacity_left = 0
        self.shipments: dict[str, pb.Shipment] = {}
        self.requests: dict[str, pb.Request] = {}
        self.lost_disk = False
        self.effects = 0
        self.repetitions = 0
        self.messages = 0

    def place_of(self, step: pb.Step) -> NodeId:
        """The node whose service does this step."""
        return self.places[PLACE_OF_STEP[step]]

    # ---------------------------------------------------------------------------------- durability

    def on_start(self, started: Started) -> None:
        for name, row in started.slots.items():
            table, _, key = name.partition("/")
            self.load(table, key, row)
        self.lost_disk = started.amnesia or LOST in started.slots
        if self.lost_disk:
            self.write({LOST: pb.Counter(value=1)})
        elif OPENED not in started.slots:
            self.write({**self.opening(), OPENED: pb.Counter(value=1)})

    def load(self, table: str, key: str, row: Message) -> None:
        """Takes a row into memory."""
        match row:
            case pb.Stock():
                self.stock[key] = row.quantity
            case pb.Reservation():
                self.reservations[key] = row
            case pb.Account():
                self.accounts[key] = row.balance
            case pb.Charge():
                self.charges[key] = row
            case pb.Capacity():
                self.capacity_left = row.left
            case pb.Shipment():
                self.shipments[key] = row
            case pb.Request():
                self.requests[key] = row

    def opening(self) -> Rows:
        """What is there when the shop opens."""
        match self.role:
            case "stock":
                quantity = self.env.number("opening_stock")
                return {f"stock/{item}": pb.Stock(quantity=quantity, open=True) for item in ITEMS}
            case "payment":
                balance = self.env.number("opening_balance")
                return {
                    f"accounts/{name}": pb.Account(balance=balance, open=True) for name in CUSTOMERS
                }
            case "shipping":
                left = self.env.number("opening_capacity")
                return {f"capacity/{SHIPPING}": pb.Capacity(left=left, open=True)}
        return {}

    def commit(self, rows: Mapping[str, Message]) -> None:
        """What a step comes to, as one local transaction."""
        self.crash_point("before-effect-saved")
        self.write(rows)
        self.crash_point("effect-saved")

    def write(self, rows: Mapping[str, Message]) -> None:
        """All rows, or none."""
        for name, row in rows.items():
            table, _, key = name.partition("/")
            self.load(table, key, row)
        self.save_all(rows)

    # --------------------------------------------------------------------------------------- steps

    @handles(pb.DoRequest)
    def do(self, request: pb.DoRequest, caller: Caller) -> pb.DoResponse:
        self.messages += 1
        work = self.work(request)
        if work.rows:
            self.commit(work.rows)
        self.tell(request, work)
        return work.response()

    def tell(self, request: pb.DoRequest, work: Work) -> None:
        """What has become of a request, when it is durable."""
        order, step = request.order.id, pb.Step.Name(request.step).lower()
        if work.repeated:
            self.repetitions += 1
            self.note("repeated", order=order, step=step, undone=request.compensation)
        elif work.effect:
            self.effects += 1
            self.note("did", order=order, step=step, undone=request.compensation)
        elif work.result != pb.DoResponse.DONE:
            declined = work.result == pb.DoResponse.DECLINED
            self.note("declined" if declined else "failed", order=order, reason=work.reason)

    @exercise(part=2, brief="do a step once for its key, and remember the result with the effect")
    def work(self, request: pb.DoRequest) -> Work:
        """What the request comes to. A repetition has the result of the first time, and no
        effect."""
        if self.lost_disk:
            return Work(pb.DoResponse.FAILED, f"{self.env.node_id} lost its disk")
        known = self.requests.get(request.key) if request.key else None
        if known is not None:
            return Work(known.result, known.reason, repeated=True)
        work = self.compensate(request) if request.compensation else self.act(request)
        work.effect = bool(work.rows)
        if request.key and work.result != pb.DoResponse.FAILED:
            remembered = pb.Request(result=work.result, reason=work.reason)
            work.rows[f"requests/{request.key}"] = remembered
        return work

    def act(self, request: pb.DoRequest) -> Work:
        """A step itself."""
        match request.step:
            case pb.RESERVE:
                return self.reserve(request.order)
            case pb.CHARGE:
                return self.charge(request.order)
            case pb.SHIP:
                return self.ship(request.order)
            case pb.CONFIRM:
                return self.confirm(request.order)
        return declined("no such step")

    def compensate(self, request: pb.DoRequest) -> Work:
        """A step undone."""
        match request.step:
            case pb.RESERVE:
                return self.release(request.order)
            case pb.CHARGE:
                return self.refund(request.order)
            case pb.SHIP:
                return self.cancel(request.order)
        return declined("this step has no compensation")

    # --------------------------------------------------------------------------------------- stock

    @exercise(part=1, brief="take goods out of stock for an order, under a semantic lock if so set")
    def reserve(self, order: pb.Order) -> Work:
        """Takes the goods out. With semantic locks an item that another order is about to get or
        to give back is not touched meanwhile."""
        if self.reservations.get(order.id, pb.Reservation()).state == "refused":
            return declined("its compensation came first")
        if order.item not in self.stock:
            return declined(f"there is no {order.item}")
        holder = self.pending(order)
        if self.semantic_locks and holder:
            return Work(pb.DoResponse.FAILED, f"{order.item} is pending for {holder}")
        before = self.stock[order.item]
        if before < order.quantity:
            return declined(f"only {before} of {order.item} in stock")
        reservation = pb.Reservation(
            item=order.item, quantity=order.quantity, state="pending", before=before
        )
        stock = pb.Stock(quantity=before - order.quantity, open=True)
        rows: Rows = {f"stock/{order.item}": stock, f"reservations/{order.id}": reservation}
        return Work(pb.DoResponse.DONE, rows=rows)

    @exercise(part=1, brief="who has the item reserved, and is not over yet")
    def pending(self, order: pb.Order) -> str:
        """Another order that has the item reserved and not confirmed; empty: none."""
        for other, reservation in self.reservations.items():
            if (
                other != order.id
                and reservation.item == order.item
                and reservation.state == "pending"
            ):
                return other
        return ""

    @exercise(part=1, brief="give reserved goods back, or remember that they must not be taken")
    def release(self, order: pb.Order) -> Work:
        """Puts the goods back; if there are none to put back, they will not be taken later
        either."""
        held = self.reservations.get(order.id)
        name = f"reservations/{order.id}"
        if held is None or held.state == "refused":
            return Work(pb.DoResponse.DONE, rows={name: pb.Reservation(state="refused")})
        if held.state == "released" and self.idempotent:
            return Work(pb.DoResponse.DONE)
        quantity = self.stock[held.item] + held.quantity
        if not self.commutative:
            quantity = held.before  # What others did meanwhile is overwritten.
        released = pb.Reservation(item=held.item, quantity=held.quantity, state="released")
        stock = pb.Stock(quantity=quantity, open=True)
        rows: Rows = {f"stock/{held.item}": stock, name: released}
        return Work(pb.DoResponse.DONE, rows=rows)

    def confirm(self, order: pb.Order) -> Work:
        """The goods are sold; whoever waited for the item goes on."""
        held = self.reservations.get(order.id)
        if held is None or held.state not in ("pending", "confirmed"):
            return declined("nothing is reserved")
        confirmed = pb.Reservation(item=held.item, quantity=held.quantity, state="confirmed")
        return Work(pb.DoResponse.DONE, rows={f"reservations/{order.id}": confirmed})

    # ------------------------------------------------------------------------------------- payment

    @exercise(part=1, brief="take the money of a customer who has it")
    def charge(self, order: pb.Order) -> Work:
        """Takes the price from the customer's account."""
        if self.charges.get(order.id, pb.Charge()).state == "refused":
            return declined("its compensation came first")
        balance = self.accounts.get(order.customer)
        if balance is None:
            return declined(f"{order.customer} has no account")
        if balance < order.price:
            return declined(f"{order.customer} has only {balance}")
        account = pb.Account(balance=balance - order.price, open=True)
        charge = pb.Charge(customer=order.customer, amount=order.price, state="charged")
        rows: Rows = {f"accounts/{order.customer}": account, f"charges/{order.id}": charge}
        return Work(pb.DoResponse.DONE, rows=rows)

    @exercise(part=1, brief="give the money back, or remember that it must not be taken")
    def refund(self, order: pb.Order) -> Work:
        """A refund is not the same as never having been charged: both stay on record."""
        held = self.charges.get(order.id)
        name = f"charges/{order.id}"
        if held is None or held.state == "refused":
            return Work(pb.DoResponse.DONE, rows={name: pb.Charge(state="refused")})
        if held.state == "refunded" and self.idempotent:
            return Work(pb.DoResponse.DONE)
        balance = self.accounts[held.customer] + held.amount
        account = pb.Account(balance=balance, open=True)
        refunded = pb.Charge(customer=held.customer, amount=held.amount, state="refunded")
        rows: Rows = {f"accounts/{held.customer}": account, name: refunded}
        return Work(pb.DoResponse.DONE, rows=rows)

    # ------------------------------------------------------------------------------------ shipping

    def ship(self, order: pb.Order) -> Work:
        """Books a place in the van."""
        if self.shipments.get(order.id, pb.Shipment()).state == "refused":
            return declined("its compensation came first")
        if not self.capacity_left:
            return declined("the van is full")
        capacity = pb.Capacity(left=self.capacity_left - 1, open=True)
        rows: Rows = {
            f"capacity/{SHIPPING}": capacity,
            f"shipments/{order.id}": pb.Shipment(state="booked"),
        }
        return Work(pb.DoResponse.DONE, rows=rows)

    def cancel(self, order: pb.Order) -> Work:
        """Gives the place up; for orders that turned back without knowing whether they had it."""
        held = self.shipments.get(order.id)
        name = f"shipments/{order.id}"
        if held is None or held.state == "refused":
            return Work(pb.DoResponse.DONE, rows={name: pb.Shipment(state="refused")})
        if held.state == "cancelled":
            return Work(pb.DoResponse.DONE)
        capacity = pb.Capacity(left=self.capacity_left + 1, open=True)
        rows: Rows = {f"capacity/{SHIPPING}": capacity, name: pb.Shipment(state="cancelled")}
        return Work(pb.DoResponse.DONE, rows=rows)
