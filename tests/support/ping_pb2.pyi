from protos import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EchoRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class EchoResponse(_message.Message):
    __slots__ = ("text", "node_id")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    text: str
    node_id: str
    def __init__(self, text: _Optional[str] = ..., node_id: _Optional[str] = ...) -> None: ...

class AddRequest(_message.Message):
    __slots__ = ("amount",)
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    amount: int
    def __init__(self, amount: _Optional[int] = ...) -> None: ...

class AddResponse(_message.Message):
    __slots__ = ("total", "refused", "outcome_unknown")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    total: int
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, total: _Optional[int] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class RelayRequest(_message.Message):
    __slots__ = ("peer", "text", "timeout_ms")
    PEER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    peer: str
    text: str
    timeout_ms: int
    def __init__(self, peer: _Optional[str] = ..., text: _Optional[str] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class RelayResponse(_message.Message):
    __slots__ = ("text", "failure", "refused")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    text: str
    failure: str
    refused: _node_pb2.Refused
    def __init__(self, text: _Optional[str] = ..., failure: _Optional[str] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ...) -> None: ...

class CompactRequest(_message.Message):
    __slots__ = ("through_index",)
    THROUGH_INDEX_FIELD_NUMBER: _ClassVar[int]
    through_index: int
    def __init__(self, through_index: _Optional[int] = ...) -> None: ...

class CompactResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BreakRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BreakResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WaitRequest(_message.Message):
    __slots__ = ("delay_ms",)
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    delay_ms: int
    def __init__(self, delay_ms: _Optional[int] = ...) -> None: ...

class WaitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Counter(_message.Message):
    __slots__ = ("total",)
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    total: int
    def __init__(self, total: _Optional[int] = ...) -> None: ...

class Added(_message.Message):
    __slots__ = ("amount",)
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    amount: int
    def __init__(self, amount: _Optional[int] = ...) -> None: ...

class TransferRequest(_message.Message):
    __slots__ = ("source", "target", "amount")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    amount: int
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class TransferResponse(_message.Message):
    __slots__ = ("balance",)
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    balance: int
    def __init__(self, balance: _Optional[int] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("balance", "transfers")
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    balance: int
    transfers: int
    def __init__(self, balance: _Optional[int] = ..., transfers: _Optional[int] = ...) -> None: ...

class Everything(_message.Message):
    __slots__ = ("ratio", "small", "a", "b", "c", "d", "e", "f", "g", "truth", "text", "raw", "color", "note", "number", "word", "type", "Mixed")
    class Color(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[Everything.Color]
        RED: _ClassVar[Everything.Color]
    NONE: Everything.Color
    RED: Everything.Color
    RATIO_FIELD_NUMBER: _ClassVar[int]
    SMALL_FIELD_NUMBER: _ClassVar[int]
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    C_FIELD_NUMBER: _ClassVar[int]
    D_FIELD_NUMBER: _ClassVar[int]
    E_FIELD_NUMBER: _ClassVar[int]
    F_FIELD_NUMBER: _ClassVar[int]
    G_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MIXED_FIELD_NUMBER: _ClassVar[int]
    ratio: float
    small: float
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int
    truth: bool
    text: str
    raw: bytes
    color: Everything.Color
    note: str
    number: int
    word: str
    type: str
    Mixed: str
    def __init__(self, ratio: _Optional[float] = ..., small: _Optional[float] = ..., a: _Optional[int] = ..., b: _Optional[int] = ..., c: _Optional[int] = ..., d: _Optional[int] = ..., e: _Optional[int] = ..., f: _Optional[int] = ..., g: _Optional[int] = ..., truth: _Optional[bool] = ..., text: _Optional[str] = ..., raw: _Optional[bytes] = ..., color: _Optional[_Union[Everything.Color, str]] = ..., note: _Optional[str] = ..., number: _Optional[int] = ..., word: _Optional[str] = ..., type: _Optional[str] = ..., Mixed: _Optional[str] = ...) -> None: ...

class Repeated(_message.Message):
    __slots__ = ("numbers",)
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    numbers: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, numbers: _Optional[_Iterable[int]] = ...) -> None: ...

class Nested(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class PingView(_message.Message):
    __slots__ = ("total", "first_index", "next_index", "echoes", "logged_total", "wall_ms")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ECHOES_FIELD_NUMBER: _ClassVar[int]
    LOGGED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    total: int
    first_index: int
    next_index: int
    echoes: int
    logged_total: int
    wall_ms: int
    def __init__(self, total: _Optional[int] = ..., first_index: _Optional[int] = ..., next_index: _Optional[int] = ..., echoes: _Optional[int] = ..., logged_total: _Optional[int] = ..., wall_ms: _Optional[int] = ...) -> None: ...
