"""The whole shop: what clients and operators ask of it, and what a node shows of itself."""

from __future__ import annotations

from google.protobuf.message import Message

from nodes.core import Call, Caller, handles
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
            if self.choreographed:
                self.place_by_events(order, caller)
            else:
                self.begin(order, caller)
        elif request.wait and saga.status not in (*OVER, pb.STUCK):
            self.of(saga).callers.append(caller)
        else:
            return pb.PlaceResponse(saga=saga)
        if not request.wait:
            accepted = self.sagas[order.id]
            self.of(accepted).callers.remove(caller)
            return pb.PlaceResponse(saga=accepted)
        return None

    @handles(pb.StatusRequest)
    def status(self, request: pb.StatusRequest, caller: Caller) -> pb.StatusResponse:
        refused = self.elsewhere()
        if refused is not None:
            return pb.StatusResponse(refused=refused)
        return pb.StatusResponse(saga=self.sagas.get(request.order, pb.Saga()))

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

    def on_call_failed(self, call: Call, reason: str) -> None:
        super().on_call_failed(call, reason)
        if isinstance(call.request, pb.PollRequest):
            self.polling = False

    def view(self) -> Message:
        latest = list(self.sagas.values())[-SHOWN_MAX:]
        charges = self.charges.values()
        return pb.SagaView(
            role=self.role,
            sagas=[saga for saga in latest if saga.status not in OVER],
            ended={saga.order.id: saga.status for saga in latest if saga.status in OVER},
            stock=self.stock,
            accounts=self.accounts,
            capacity_left=self.capacity_left,
            reservations={key: one.state for key, one in self.reservations.items()},
            charges={key: one.state for key, one in self.charges.items()},
            shipments={key: one.state for key, one in self.shipments.items()},
            taken=sum(one.amount for one in charges if one.state == "charged"),
            outbox=len(self.outbox),
            log=len(self.entries),
            offset=self.offset,
            effects=self.effects,
            repetitions=self.repetitions,
            messages=self.messages,
        )
