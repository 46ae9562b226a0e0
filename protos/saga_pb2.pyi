from protos import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNKNOWN: _ClassVar[Status]
    RUNNING: _ClassVar[Status]
    COMPENSATING: _ClassVar[Status]
    COMPLETED: _ClassVar[Status]
    COMPENSATED: _ClassVar[Status]
    STUCK: _ClassVar[Status]

class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NO_STEP: _ClassVar[Step]
    RESERVE: _ClassVar[Step]
    CHARGE: _ClassVar[Step]
    SHIP: _ClassVar[Step]
    CONFIRM: _ClassVar[Step]
UNKNOWN: Status
RUNNING: Status
COMPENSATING: Status
COMPLETED: Status
COMPENSATED: Status
STUCK: Status
NO_STEP: Step
RESERVE: Step
CHARGE: Step
SHIP: Step
CONFIRM: Step

class Order(_message.Message):
    __slots__ = ("id", "customer", "item", "quantity", "price")
    ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    id: str
    customer: str
    item: str
    quantity: int
    price: int
    def __init__(self, id: _Optional[str] = ..., customer: _Optional[str] = ..., item: _Optional[str] = ..., quantity: _Optional[int] = ..., price: _Optional[int] = ...) -> None: ...

class PlaceRequest(_message.Message):
    __slots__ = ("order", "wait")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    order: Order
    wait: bool
    def __init__(self, order: _Optional[_Union[Order, _Mapping]] = ..., wait: _Optional[bool] = ...) -> None: ...

class PlaceResponse(_message.Message):
    __slots__ = ("saga", "refused", "outcome_unknown")
    SAGA_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    saga: Saga
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, saga: _Optional[_Union[Saga, _Mapping]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: str
    def __init__(self, order: _Optional[str] = ...) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("saga", "refused", "outcome_unknown")
    SAGA_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    saga: Saga
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, saga: _Optional[_Union[Saga, _Mapping]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("sagas", "refused", "outcome_unknown")
    SAGAS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    sagas: _containers.RepeatedCompositeFieldContainer[Saga]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, sagas: _Optional[_Iterable[_Union[Saga, _Mapping]]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class OperateRequest(_message.Message):
    __slots__ = ("order", "action")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[OperateRequest.Action]
        RETRY: _ClassVar[OperateRequest.Action]
        SKIP: _ClassVar[OperateRequest.Action]
        COMPENSATE: _ClassVar[OperateRequest.Action]
    NONE: OperateRequest.Action
    RETRY: OperateRequest.Action
    SKIP: OperateRequest.Action
    COMPENSATE: OperateRequest.Action
    ORDER_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    order: str
    action: OperateRequest.Action
    def __init__(self, order: _Optional[str] = ..., action: _Optional[_Union[OperateRequest.Action, str]] = ...) -> None: ...

class OperateResponse(_message.Message):
    __slots__ = ("saga", "refused", "outcome_unknown")
    SAGA_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    saga: Saga
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, saga: _Optional[_Union[Saga, _Mapping]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class Saga(_message.Message):
    __slots__ = ("order", "status", "step", "done", "undone", "attempts", "reason", "before_stuck", "skipped", "stuck_because")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BEFORE_STUCK_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    STUCK_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    order: Order
    status: Status
    step: Step
    done: _containers.RepeatedScalarFieldContainer[Step]
    undone: _containers.RepeatedScalarFieldContainer[Step]
    attempts: int
    reason: str
    before_stuck: Status
    skipped: _containers.RepeatedScalarFieldContainer[Step]
    stuck_because: str
    def __init__(self, order: _Optional[_Union[Order, _Mapping]] = ..., status: _Optional[_Union[Status, str]] = ..., step: _Optional[_Union[Step, str]] = ..., done: _Optional[_Iterable[_Union[Step, str]]] = ..., undone: _Optional[_Iterable[_Union[Step, str]]] = ..., attempts: _Optional[int] = ..., reason: _Optional[str] = ..., before_stuck: _Optional[_Union[Status, str]] = ..., skipped: _Optional[_Iterable[_Union[Step, str]]] = ..., stuck_because: _Optional[str] = ...) -> None: ...

class DoRequest(_message.Message):
    __slots__ = ("step", "compensation", "order", "key")
    STEP_FIELD_NUMBER: _ClassVar[int]
    COMPENSATION_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    step: Step
    compensation: bool
    order: Order
    key: str
    def __init__(self, step: _Optional[_Union[Step, str]] = ..., compensation: _Optional[bool] = ..., order: _Optional[_Union[Order, _Mapping]] = ..., key: _Optional[str] = ...) -> None: ...

class DoResponse(_message.Message):
    __slots__ = ("result", "reason", "repeated")
    class Result(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NOTHING: _ClassVar[DoResponse.Result]
        DONE: _ClassVar[DoResponse.Result]
        DECLINED: _ClassVar[DoResponse.Result]
        FAILED: _ClassVar[DoResponse.Result]
    NOTHING: DoResponse.Result
    DONE: DoResponse.Result
    DECLINED: DoResponse.Result
    FAILED: DoResponse.Result
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    result: DoResponse.Result
    reason: str
    repeated: bool
    def __init__(self, result: _Optional[_Union[DoResponse.Result, str]] = ..., reason: _Optional[str] = ..., repeated: _Optional[bool] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("id", "kind", "order", "reason")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[Event.Kind]
        ORDER_PLACED: _ClassVar[Event.Kind]
        STOCK_RESERVED: _ClassVar[Event.Kind]
        STOCK_DECLINED: _ClassVar[Event.Kind]
        PAYMENT_CHARGED: _ClassVar[Event.Kind]
        PAYMENT_DECLINED: _ClassVar[Event.Kind]
        SHIPMENT_BOOKED: _ClassVar[Event.Kind]
        SHIPMENT_DECLINED: _ClassVar[Event.Kind]
        PAYMENT_REFUNDED: _ClassVar[Event.Kind]
        STOCK_RELEASED: _ClassVar[Event.Kind]
        STOCK_CONFIRMED: _ClassVar[Event.Kind]
    NONE: Event.Kind
    ORDER_PLACED: Event.Kind
    STOCK_RESERVED: Event.Kind
    STOCK_DECLINED: Event.Kind
    PAYMENT_CHARGED: Event.Kind
    PAYMENT_DECLINED: Event.Kind
    SHIPMENT_BOOKED: Event.Kind
    SHIPMENT_DECLINED: Event.Kind
    PAYMENT_REFUNDED: Event.Kind
    STOCK_RELEASED: Event.Kind
    STOCK_CONFIRMED: Event.Kind
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: Event.Kind
    order: Order
    reason: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[Event.Kind, str]] = ..., order: _Optional[_Union[Order, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("offset",)
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    offset: int
    def __init__(self, offset: _Optional[int] = ...) -> None: ...

class PollRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: int
    limit: int
    def __init__(self, after: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class PollResponse(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Stock(_message.Message):
    __slots__ = ("quantity", "open")
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    quantity: int
    open: bool
    def __init__(self, quantity: _Optional[int] = ..., open: _Optional[bool] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("item", "quantity", "state", "before")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    item: str
    quantity: int
    state: str
    before: int
    def __init__(self, item: _Optional[str] = ..., quantity: _Optional[int] = ..., state: _Optional[str] = ..., before: _Optional[int] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("balance", "open")
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    balance: int
    open: bool
    def __init__(self, balance: _Optional[int] = ..., open: _Optional[bool] = ...) -> None: ...

class Charge(_message.Message):
    __slots__ = ("customer", "amount", "state")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    customer: str
    amount: int
    state: str
    def __init__(self, customer: _Optional[str] = ..., amount: _Optional[int] = ..., state: _Optional[str] = ...) -> None: ...

class Capacity(_message.Message):
    __slots__ = ("left", "open")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    left: int
    open: bool
    def __init__(self, left: _Optional[int] = ..., open: _Optional[bool] = ...) -> None: ...

class Shipment(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: str
    def __init__(self, state: _Optional[str] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("result", "reason")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    result: DoResponse.Result
    reason: str
    def __init__(self, result: _Optional[_Union[DoResponse.Result, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class Outbox(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: Event
    def __init__(self, event: _Optional[_Union[Event, _Mapping]] = ...) -> None: ...

class Inbox(_message.Message):
    __slots__ = ("offset",)
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    offset: int
    def __init__(self, offset: _Optional[int] = ...) -> None: ...

class Counter(_message.Message):
    __slots__ = ("value",)
    VALUE_FIELD_NUMBER: _ClassVar[int]
    value: int
    def __init__(self, value: _Optional[int] = ...) -> None: ...

class SagaView(_message.Message):
    __slots__ = ("role", "sagas", "ended", "stock", "accounts", "capacity_left", "reservations", "charges", "shipments", "taken", "held", "sold", "booked", "completed", "compensated", "outbox", "log", "offset", "effects", "repetitions", "messages")
    class EndedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Status
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Status, str]] = ...) -> None: ...
    class StockEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class AccountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ReservationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ChargesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ShipmentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeldEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class SoldEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    ROLE_FIELD_NUMBER: _ClassVar[int]
    SAGAS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    STOCK_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_LEFT_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    SHIPMENTS_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    SOLD_FIELD_NUMBER: _ClassVar[int]
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    COMPENSATED_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    REPETITIONS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    role: str
    sagas: _containers.RepeatedCompositeFieldContainer[Saga]
    ended: _containers.ScalarMap[str, Status]
    stock: _containers.ScalarMap[str, int]
    accounts: _containers.ScalarMap[str, int]
    capacity_left: int
    reservations: _containers.ScalarMap[str, str]
    charges: _containers.ScalarMap[str, str]
    shipments: _containers.ScalarMap[str, str]
    taken: int
    held: _containers.ScalarMap[str, int]
    sold: _containers.ScalarMap[str, int]
    booked: int
    completed: int
    compensated: int
    outbox: int
    log: int
    offset: int
    effects: int
    repetitions: int
    messages: int
    def __init__(self, role: _Optional[str] = ..., sagas: _Optional[_Iterable[_Union[Saga, _Mapping]]] = ..., ended: _Optional[_Mapping[str, Status]] = ..., stock: _Optional[_Mapping[str, int]] = ..., accounts: _Optional[_Mapping[str, int]] = ..., capacity_left: _Optional[int] = ..., reservations: _Optional[_Mapping[str, str]] = ..., charges: _Optional[_Mapping[str, str]] = ..., shipments: _Optional[_Mapping[str, str]] = ..., taken: _Optional[int] = ..., held: _Optional[_Mapping[str, int]] = ..., sold: _Optional[_Mapping[str, int]] = ..., booked: _Optional[int] = ..., completed: _Optional[int] = ..., compensated: _Optional[int] = ..., outbox: _Optional[int] = ..., log: _Optional[int] = ..., offset: _Optional[int] = ..., effects: _Optional[int] = ..., repetitions: _Optional[int] = ..., messages: _Optional[int] = ...) -> None: ...
