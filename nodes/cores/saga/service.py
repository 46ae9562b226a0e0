"""The whole shop: what clients and operators ask of it, and what a node shows of itself."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import Message

from nodes.core import Caller, handles
from nodes.cores.saga.choreography import Choreography
from nodes.cores.saga.orchestrator import OVER
from protos import node_pb2 as node
from protos import saga_pb2 as pb

SHOWN_MAX = 100  # of the latest orders, in the view


class OrderSaga(Choreography):
    """Orders that are carried out to the end, or undone."""

    def elsewhere(self) -> node.Refused | None:
        """Orders are the first node's; the others say so."""
        if self.role != "orchestrator":
            return node.Refused(reason="orders are placed at the first node", hint=self.places[0])
        if self.lost_disk:
            return node.Refused(reason=f"{self.env.node_id} lost its disk, and its orders with it")
        return None

    @handles(pb.PlaceRequest)
    def place(self, request: pb.PlaceRequest, caller: Caller) -> pb.PlaceResponse | None:
        refused = self.elsewhere()
        order = request.order
        if refused is None and (not order.id or not order.quantity or "/" in order.id):
            refused = node.Refused(reason="an order needs an id without / and a quantity")
        if refused is not None:
            return pb.PlaceResponse(refused=refused)
        saga = self.sagas.get(order.id)
        if saga is not None and saga.order != order:
            reason = f"order {order.id} is another one; take another id"
            return pb.PlaceResponse(refused=node.Refused(reason=reason))
        if saga is None:
            saga = self.place_by_events(order) if self.choreographed else self.begin(order)
        if request.wait and saga.status not in (*OVER, pb.STUCK):
            self.of(saga).callers.append(caller)
            return None
        return pb.PlaceResponse(saga=saga)

    @handles(pb.StatusRequest)
    def status(self, request: pb.StatusRequest, caller: Caller) -> pb.StatusResponse:
        refused = self.elsewhere()
        if refused is not None:
            return pb.StatusResponse(refused=refused)
        return pb.StatusResponse(saga=self.sagas.get(request.order, pb.Saga()))

    @handles(pb.ListRequest)
    def list_orders(self, request: pb.ListRequest, caller: Caller) -> pb.ListResponse:
        refused = self.elsewhere()
        if refused is not None:
            return pb.ListResponse(refused=refused)
        stuck, under_way, ended = self.by_state()
        limit = min(request.limit or SHOWN_MAX, SHOWN_MAX)
        latest = ended[max(0, len(ended) - limit) :]
        return pb.ListResponse(sagas=[*stuck[:limit], *under_way[:limit], *latest])

    def by_state(self) -> tuple[list[pb.Saga], list[pb.Saga], list[pb.Saga]]:
        """The sagas that are stuck, under way, and over."""
        sagas = list(self.sagas.values())
        stuck = [saga for saga in sagas if saga.status == pb.STUCK]
        under_way = [saga for saga in sagas if saga.status not in (*OVER, pb.STUCK)]
        return stuck, under_way, [saga for saga in sagas if saga.status in OVER]

    @handles(pb.OperateRequest)
    def operate_order(self, request: pb.OperateRequest, caller: Caller) -> pb.OperateResponse:
        refused = self.elsewhere()
        saga = self.sagas.get(request.order)
        if refused is None and saga is None:
            refused = node.Refused(reason=f"there is no order {request.order}")
        if refused is None and self.choreographed:
            refused = node.Refused(reason="nobody is in charge of a choreographed saga")
        if refused is not None or saga is None:
            return pb.OperateResponse(refused=refused)
        problem = self.operate(saga, request.action)
        if problem is not None:
            return pb.OperateResponse(refused=node.Refused(reason=problem))
        return pb.OperateResponse(saga=saga)

    def view(self) -> Message:
        stuck, under_way, ended = self.by_state()
        charges, shipments = self.charges.values(), self.shipments.values()
        return pb.SagaView(
            role=self.role,
            sagas=[*stuck, *under_way],
            ended={saga.order.id: saga.status for saga in ended[-SHOWN_MAX:]},
            stock=self.stock,
            accounts=self.accounts,
            capacity_left=self.capacity_left,
            reservations=states_of(self.reservations),
            charges=states_of(self.charges),
            shipments=states_of(self.shipments),
            completed=sum(saga.status == pb.COMPLETED for saga in ended),
            compensated=sum(saga.status == pb.COMPENSATED for saga in ended),
            taken=sum(one.amount for one in charges if one.state == "charged"),
            held=self.reserved("pending"),
            sold=self.reserved("confirmed"),
            booked=sum(one.state == "booked" for one in shipments),
            outbox=len(self.outbox),
            log=len(self.entries),
            offset=self.offset,
            effects=self.effects,
            repetitions=self.repetitions,
            messages=self.messages,
        )

    def reserved(self, state: str) -> dict[str, int]:
        """How many of each item are in reservations of this state."""
        counts: dict[str, int] = {}
        for one in self.reservations.values():
            if one.state == state:
                counts[one.item] = counts.get(one.item, 0) + one.quantity
        return counts


def states_of(
    rows: Mapping[str, pb.Reservation] | Mapping[str, pb.Charge] | Mapping[str, pb.Shipment],
) -> dict[str, str]:
    """The state of each of the latest."""
    latest = list(rows)[-SHOWN_MAX:]
    return {key: rows[key].state for key in latest}
