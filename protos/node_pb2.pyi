from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Refused(_message.Message):
    __slots__ = ("reason", "hint")
    REASON_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    hint: str
    def __init__(self, reason: _Optional[str] = ..., hint: _Optional[str] = ...) -> None: ...

class OutcomeUnknown(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class StoredMessage(_message.Message):
    __slots__ = ("type", "value")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type: str
    value: bytes
    def __init__(self, type: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class ViewRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ViewResponse(_message.Message):
    __slots__ = ("node_id", "session", "view", "host")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    session: str
    view: StoredMessage
    host: HostView
    def __init__(self, node_id: _Optional[str] = ..., session: _Optional[str] = ..., view: _Optional[_Union[StoredMessage, _Mapping]] = ..., host: _Optional[_Union[HostView, _Mapping]] = ...) -> None: ...

class HostView(_message.Message):
    __slots__ = ("pid", "uptime_ms", "events_recorded", "events_dropped", "inbox_length", "steps", "commits", "clock_offset_ms", "clock_rate", "rpc_faults", "storage_bytes", "unsynced_bytes", "crash_points")
    PID_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_RECORDED_FIELD_NUMBER: _ClassVar[int]
    EVENTS_DROPPED_FIELD_NUMBER: _ClassVar[int]
    INBOX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_RATE_FIELD_NUMBER: _ClassVar[int]
    RPC_FAULTS_FIELD_NUMBER: _ClassVar[int]
    STORAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    UNSYNCED_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRASH_POINTS_FIELD_NUMBER: _ClassVar[int]
    pid: int
    uptime_ms: int
    events_recorded: int
    events_dropped: int
    inbox_length: int
    steps: int
    commits: int
    clock_offset_ms: int
    clock_rate: float
    rpc_faults: _containers.RepeatedCompositeFieldContainer[RpcFault]
    storage_bytes: int
    unsynced_bytes: int
    crash_points: _containers.RepeatedCompositeFieldContainer[CrashPoint]
    def __init__(self, pid: _Optional[int] = ..., uptime_ms: _Optional[int] = ..., events_recorded: _Optional[int] = ..., events_dropped: _Optional[int] = ..., inbox_length: _Optional[int] = ..., steps: _Optional[int] = ..., commits: _Optional[int] = ..., clock_offset_ms: _Optional[int] = ..., clock_rate: _Optional[float] = ..., rpc_faults: _Optional[_Iterable[_Union[RpcFault, _Mapping]]] = ..., storage_bytes: _Optional[int] = ..., unsynced_bytes: _Optional[int] = ..., crash_points: _Optional[_Iterable[_Union[CrashPoint, _Mapping]]] = ...) -> None: ...

class SetClockRequest(_message.Message):
    __slots__ = ("offset_ms", "rate")
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    offset_ms: int
    rate: float
    def __init__(self, offset_ms: _Optional[int] = ..., rate: _Optional[float] = ...) -> None: ...

class SetClockResponse(_message.Message):
    __slots__ = ("offset_ms", "rate")
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    offset_ms: int
    rate: float
    def __init__(self, offset_ms: _Optional[int] = ..., rate: _Optional[float] = ...) -> None: ...

class RpcFault(_message.Message):
    __slots__ = ("kind", "peer", "percent", "hold_ms")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[RpcFault.Kind]
        LOSE_REQUEST: _ClassVar[RpcFault.Kind]
        LOSE_RESPONSE: _ClassVar[RpcFault.Kind]
        DUPLICATE: _ClassVar[RpcFault.Kind]
        REORDER: _ClassVar[RpcFault.Kind]
    KIND_UNSPECIFIED: RpcFault.Kind
    LOSE_REQUEST: RpcFault.Kind
    LOSE_RESPONSE: RpcFault.Kind
    DUPLICATE: RpcFault.Kind
    REORDER: RpcFault.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    HOLD_MS_FIELD_NUMBER: _ClassVar[int]
    kind: RpcFault.Kind
    peer: str
    percent: float
    hold_ms: int
    def __init__(self, kind: _Optional[_Union[RpcFault.Kind, str]] = ..., peer: _Optional[str] = ..., percent: _Optional[float] = ..., hold_ms: _Optional[int] = ...) -> None: ...

class SetRpcFaultsRequest(_message.Message):
    __slots__ = ("faults", "seed")
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    faults: _containers.RepeatedCompositeFieldContainer[RpcFault]
    seed: int
    def __init__(self, faults: _Optional[_Iterable[_Union[RpcFault, _Mapping]]] = ..., seed: _Optional[int] = ...) -> None: ...

class SetRpcFaultsResponse(_message.Message):
    __slots__ = ("faults",)
    FAULTS_FIELD_NUMBER: _ClassVar[int]
    faults: _containers.RepeatedCompositeFieldContainer[RpcFault]
    def __init__(self, faults: _Optional[_Iterable[_Union[RpcFault, _Mapping]]] = ...) -> None: ...

class CrashPoint(_message.Message):
    __slots__ = ("name", "after", "passed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    name: str
    after: int
    passed: int
    def __init__(self, name: _Optional[str] = ..., after: _Optional[int] = ..., passed: _Optional[int] = ...) -> None: ...

class SetCrashPointsRequest(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[CrashPoint]
    def __init__(self, points: _Optional[_Iterable[_Union[CrashPoint, _Mapping]]] = ...) -> None: ...

class SetCrashPointsResponse(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[CrashPoint]
    def __init__(self, points: _Optional[_Iterable[_Union[CrashPoint, _Mapping]]] = ...) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RequestFrames(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[RequestFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[RequestFrame, _Mapping]]] = ...) -> None: ...

class ResponseFrames(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[ResponseFrame]
    def __init__(self, frames: _Optional[_Iterable[_Union[ResponseFrame, _Mapping]]] = ...) -> None: ...

class RequestFrame(_message.Message):
    __slots__ = ("call", "method", "timeout_ms", "lamport", "message", "part", "more", "abandoned")
    CALL_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    LAMPORT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    ABANDONED_FIELD_NUMBER: _ClassVar[int]
    call: int
    method: str
    timeout_ms: int
    lamport: int
    message: str
    part: bytes
    more: bool
    abandoned: bool
    def __init__(self, call: _Optional[int] = ..., method: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., lamport: _Optional[int] = ..., message: _Optional[str] = ..., part: _Optional[bytes] = ..., more: _Optional[bool] = ..., abandoned: _Optional[bool] = ...) -> None: ...

class ResponseFrame(_message.Message):
    __slots__ = ("call", "lamport", "message", "part", "more", "status", "details", "abandoned")
    CALL_FIELD_NUMBER: _ClassVar[int]
    LAMPORT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    ABANDONED_FIELD_NUMBER: _ClassVar[int]
    call: int
    lamport: int
    message: str
    part: bytes
    more: bool
    status: int
    details: str
    abandoned: bool
    def __init__(self, call: _Optional[int] = ..., lamport: _Optional[int] = ..., message: _Optional[str] = ..., part: _Optional[bytes] = ..., more: _Optional[bool] = ..., status: _Optional[int] = ..., details: _Optional[str] = ..., abandoned: _Optional[bool] = ...) -> None: ...
