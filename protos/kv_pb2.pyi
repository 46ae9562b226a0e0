from protos import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Consistency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEFAULT: _ClassVar[Consistency]
    LINEARIZABLE: _ClassVar[Consistency]
    LEASE: _ClassVar[Consistency]
    STALE: _ClassVar[Consistency]
DEFAULT: Consistency
LINEARIZABLE: Consistency
LEASE: Consistency
STALE: Consistency

class RequestId(_message.Message):
    __slots__ = ("session", "sequence", "acknowledged_below")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_BELOW_FIELD_NUMBER: _ClassVar[int]
    session: int
    sequence: int
    acknowledged_below: int
    def __init__(self, session: _Optional[int] = ..., sequence: _Optional[int] = ..., acknowledged_below: _Optional[int] = ...) -> None: ...

class OpenSessionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OpenSessionResponse(_message.Message):
    __slots__ = ("session", "refused", "outcome_unknown")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    session: int
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, session: _Optional[int] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("key", "consistency")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    key: str
    consistency: Consistency
    def __init__(self, key: _Optional[str] = ..., consistency: _Optional[_Union[Consistency, str]] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("found", "value", "refused", "outcome_unknown")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    found: bool
    value: bytes
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, found: _Optional[bool] = ..., value: _Optional[bytes] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("key", "value", "id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    id: RequestId
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ..., id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("refused", "outcome_unknown")
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class CompareAndSetRequest(_message.Message):
    __slots__ = ("key", "expected", "value", "id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    expected: bytes
    value: bytes
    id: RequestId
    def __init__(self, key: _Optional[str] = ..., expected: _Optional[bytes] = ..., value: _Optional[bytes] = ..., id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class CompareAndSetResponse(_message.Message):
    __slots__ = ("swapped", "current", "refused", "outcome_unknown")
    SWAPPED_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    swapped: bool
    current: bytes
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, swapped: _Optional[bool] = ..., current: _Optional[bytes] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class AppendRequest(_message.Message):
    __slots__ = ("key", "suffix", "id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    suffix: bytes
    id: RequestId
    def __init__(self, key: _Optional[str] = ..., suffix: _Optional[bytes] = ..., id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class AppendResponse(_message.Message):
    __slots__ = ("length_bytes", "refused", "outcome_unknown")
    LENGTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    length_bytes: int
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, length_bytes: _Optional[int] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("key", "id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    id: RequestId
    def __init__(self, key: _Optional[str] = ..., id: _Optional[_Union[RequestId, _Mapping]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("existed", "refused", "outcome_unknown")
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    existed: bool
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, existed: _Optional[bool] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("put", "compare_and_set", "append", "delete", "open_session")
    PUT_FIELD_NUMBER: _ClassVar[int]
    COMPARE_AND_SET_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    OPEN_SESSION_FIELD_NUMBER: _ClassVar[int]
    put: PutRequest
    compare_and_set: CompareAndSetRequest
    append: AppendRequest
    delete: DeleteRequest
    open_session: OpenSessionRequest
    def __init__(self, put: _Optional[_Union[PutRequest, _Mapping]] = ..., compare_and_set: _Optional[_Union[CompareAndSetRequest, _Mapping]] = ..., append: _Optional[_Union[AppendRequest, _Mapping]] = ..., delete: _Optional[_Union[DeleteRequest, _Mapping]] = ..., open_session: _Optional[_Union[OpenSessionRequest, _Mapping]] = ...) -> None: ...

class CommandResult(_message.Message):
    __slots__ = ("put", "compare_and_set", "append", "delete", "open_session")
    PUT_FIELD_NUMBER: _ClassVar[int]
    COMPARE_AND_SET_FIELD_NUMBER: _ClassVar[int]
    APPEND_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    OPEN_SESSION_FIELD_NUMBER: _ClassVar[int]
    put: PutResponse
    compare_and_set: CompareAndSetResponse
    append: AppendResponse
    delete: DeleteResponse
    open_session: OpenSessionResponse
    def __init__(self, put: _Optional[_Union[PutResponse, _Mapping]] = ..., compare_and_set: _Optional[_Union[CompareAndSetResponse, _Mapping]] = ..., append: _Optional[_Union[AppendResponse, _Mapping]] = ..., delete: _Optional[_Union[DeleteResponse, _Mapping]] = ..., open_session: _Optional[_Union[OpenSessionResponse, _Mapping]] = ...) -> None: ...

class StateMachineState(_message.Message):
    __slots__ = ("values", "sessions")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    values: _containers.ScalarMap[str, bytes]
    sessions: _containers.RepeatedCompositeFieldContainer[ClientSession]
    def __init__(self, values: _Optional[_Mapping[str, bytes]] = ..., sessions: _Optional[_Iterable[_Union[ClientSession, _Mapping]]] = ...) -> None: ...

class ClientSession(_message.Message):
    __slots__ = ("session", "acknowledged_below", "results")
    class ResultsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: CommandResult
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[CommandResult, _Mapping]] = ...) -> None: ...
    SESSION_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_BELOW_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    session: int
    acknowledged_below: int
    results: _containers.MessageMap[int, CommandResult]
    def __init__(self, session: _Optional[int] = ..., acknowledged_below: _Optional[int] = ..., results: _Optional[_Mapping[int, CommandResult]] = ...) -> None: ...
