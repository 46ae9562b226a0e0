from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Turn(_message.Message):
    __slots__ = ("kind", "core", "mono_ms", "wall_ms", "name", "call", "type", "content", "making", "stored")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RUN: _ClassVar[Turn.Kind]
        MAKE: _ClassVar[Turn.Kind]
        STARTED: _ClassVar[Turn.Kind]
        REQUESTED: _ClassVar[Turn.Kind]
        RESPONDED: _ClassVar[Turn.Kind]
        CALL_FAILED: _ClassVar[Turn.Kind]
        TIMER_FIRED: _ClassVar[Turn.Kind]
    RUN: Turn.Kind
    MAKE: Turn.Kind
    STARTED: Turn.Kind
    REQUESTED: Turn.Kind
    RESPONDED: Turn.Kind
    CALL_FAILED: Turn.Kind
    TIMER_FIRED: Turn.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    CORE_FIELD_NUMBER: _ClassVar[int]
    MONO_MS_FIELD_NUMBER: _ClassVar[int]
    WALL_MS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MAKING_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    kind: Turn.Kind
    core: int
    mono_ms: int
    wall_ms: int
    name: str
    call: int
    type: int
    content: bytes
    making: Making
    stored: Stored
    def __init__(self, kind: _Optional[_Union[Turn.Kind, str]] = ..., core: _Optional[int] = ..., mono_ms: _Optional[int] = ..., wall_ms: _Optional[int] = ..., name: _Optional[str] = ..., call: _Optional[int] = ..., type: _Optional[int] = ..., content: _Optional[bytes] = ..., making: _Optional[_Union[Making, _Mapping]] = ..., stored: _Optional[_Union[Stored, _Mapping]] = ...) -> None: ...

class Making(_message.Message):
    __slots__ = ("node_id", "peers", "params", "rng")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    RNG_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    peers: _containers.RepeatedScalarFieldContainer[str]
    params: _containers.RepeatedCompositeFieldContainer[Field]
    rng: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, node_id: _Optional[str] = ..., peers: _Optional[_Iterable[str]] = ..., params: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., rng: _Optional[_Iterable[int]] = ...) -> None: ...

class Stored(_message.Message):
    __slots__ = ("slots", "logs", "amnesia")
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    AMNESIA_FIELD_NUMBER: _ClassVar[int]
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    logs: _containers.RepeatedCompositeFieldContainer[Log]
    amnesia: bool
    def __init__(self, slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., logs: _Optional[_Iterable[_Union[Log, _Mapping]]] = ..., amnesia: _Optional[bool] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("name", "state")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: Content
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[Content, _Mapping]] = ...) -> None: ...

class Log(_message.Message):
    __slots__ = ("name", "first_index", "entries")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    first_index: int
    entries: _containers.RepeatedCompositeFieldContainer[Content]
    def __init__(self, name: _Optional[str] = ..., first_index: _Optional[int] = ..., entries: _Optional[_Iterable[_Union[Content, _Mapping]]] = ...) -> None: ...

class Content(_message.Message):
    __slots__ = ("type", "value")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type: int
    value: bytes
    def __init__(self, type: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class Field(_message.Message):
    __slots__ = ("name", "number", "text", "truth")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TRUTH_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: int
    text: str
    truth: bool
    def __init__(self, name: _Optional[str] = ..., number: _Optional[int] = ..., text: _Optional[str] = ..., truth: _Optional[bool] = ...) -> None: ...

class Reply(_message.Message):
    __slots__ = ("effects", "view", "trouble")
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    effects: _containers.RepeatedCompositeFieldContainer[Effect]
    view: Content
    trouble: Trouble
    def __init__(self, effects: _Optional[_Iterable[_Union[Effect, _Mapping]]] = ..., view: _Optional[_Union[Content, _Mapping]] = ..., trouble: _Optional[_Union[Trouble, _Mapping]] = ...) -> None: ...

class Effect(_message.Message):
    __slots__ = ("kind", "name", "number", "call", "type", "content", "entries", "fields", "saves")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNSPECIFIED: _ClassVar[Effect.Kind]
        SAVE: _ClassVar[Effect.Kind]
        APPEND: _ClassVar[Effect.Kind]
        TRUNCATE: _ClassVar[Effect.Kind]
        DISCARD: _ClassVar[Effect.Kind]
        CALL: _ClassVar[Effect.Kind]
        RESPOND: _ClassVar[Effect.Kind]
        SET_TIMER: _ClassVar[Effect.Kind]
        CANCEL_TIMER: _ClassVar[Effect.Kind]
        NOTE: _ClassVar[Effect.Kind]
        SAVE_ALL: _ClassVar[Effect.Kind]
        CRASH_POINT: _ClassVar[Effect.Kind]
    UNSPECIFIED: Effect.Kind
    SAVE: Effect.Kind
    APPEND: Effect.Kind
    TRUNCATE: Effect.Kind
    DISCARD: Effect.Kind
    CALL: Effect.Kind
    RESPOND: Effect.Kind
    SET_TIMER: Effect.Kind
    CANCEL_TIMER: Effect.Kind
    NOTE: Effect.Kind
    SAVE_ALL: Effect.Kind
    CRASH_POINT: Effect.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    SAVES_FIELD_NUMBER: _ClassVar[int]
    kind: Effect.Kind
    name: str
    number: int
    call: int
    type: int
    content: bytes
    entries: _containers.RepeatedCompositeFieldContainer[Content]
    fields: _containers.RepeatedCompositeFieldContainer[Field]
    saves: _containers.RepeatedCompositeFieldContainer[Slot]
    def __init__(self, kind: _Optional[_Union[Effect.Kind, str]] = ..., name: _Optional[str] = ..., number: _Optional[int] = ..., call: _Optional[int] = ..., type: _Optional[int] = ..., content: _Optional[bytes] = ..., entries: _Optional[_Iterable[_Union[Content, _Mapping]]] = ..., fields: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., saves: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ...) -> None: ...

class Trouble(_message.Message):
    __slots__ = ("kind", "message", "line")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        RAISED: _ClassVar[Trouble.Kind]
        TOO_SLOW: _ClassVar[Trouble.Kind]
        EXITED: _ClassVar[Trouble.Kind]
        WRONG_RESULT: _ClassVar[Trouble.Kind]
        NOT_WRITTEN: _ClassVar[Trouble.Kind]
        CANNOT_LOAD: _ClassVar[Trouble.Kind]
    RAISED: Trouble.Kind
    TOO_SLOW: Trouble.Kind
    EXITED: Trouble.Kind
    WRONG_RESULT: Trouble.Kind
    NOT_WRITTEN: Trouble.Kind
    CANNOT_LOAD: Trouble.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    kind: Trouble.Kind
    message: str
    line: int
    def __init__(self, kind: _Optional[_Union[Trouble.Kind, str]] = ..., message: _Optional[str] = ..., line: _Optional[int] = ...) -> None: ...
