from protos import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNDECIDED: _ClassVar[Outcome]
    COMMITTED: _ClassVar[Outcome]
    ABORTED: _ClassVar[Outcome]
UNDECIDED: Outcome
COMMITTED: Outcome
ABORTED: Outcome

class TransactRequest(_message.Message):
    __slots__ = ("transaction", "changes", "since_ms")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    since_ms: int
    def __init__(self, transaction: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., since_ms: _Optional[int] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("resource", "delta")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    resource: str
    delta: int
    def __init__(self, resource: _Optional[str] = ..., delta: _Optional[int] = ...) -> None: ...

class TransactResponse(_message.Message):
    __slots__ = ("outcome", "reason", "ballots", "since_ms", "refused", "outcome_unknown")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BALLOTS_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    reason: str
    ballots: _containers.RepeatedCompositeFieldContainer[Ballot]
    since_ms: int
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., reason: _Optional[str] = ..., ballots: _Optional[_Iterable[_Union[Ballot, _Mapping]]] = ..., since_ms: _Optional[int] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class Ballot(_message.Message):
    __slots__ = ("participant", "kind", "reason", "changes")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[Ballot.Kind]
        YES: _ClassVar[Ballot.Kind]
        NO: _ClassVar[Ballot.Kind]
    NONE: Ballot.Kind
    YES: Ballot.Kind
    NO: Ballot.Kind
    PARTICIPANT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    participant: str
    kind: Ballot.Kind
    reason: str
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, participant: _Optional[str] = ..., kind: _Optional[_Union[Ballot.Kind, str]] = ..., reason: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    def __init__(self, transaction: _Optional[str] = ...) -> None: ...

class StatusResponse(_message.Message):
    __slots__ = ("outcome", "phase", "waiting_for", "attempts")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    phase: str
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., phase: _Optional[str] = ..., waiting_for: _Optional[_Iterable[str]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("transaction", "state")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    state: InquireResponse.State
    def __init__(self, transaction: _Optional[str] = ..., state: _Optional[_Union[InquireResponse.State, str]] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("resource",)
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    resource: str
    def __init__(self, resource: _Optional[str] = ...) -> None: ...

class ReadResponse(_message.Message):
    __slots__ = ("found", "amount", "locked_by", "refused", "outcome_unknown")
    FOUND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LOCKED_BY_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    found: bool
    amount: int
    locked_by: str
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, found: _Optional[bool] = ..., amount: _Optional[int] = ..., locked_by: _Optional[str] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class PrepareRequest(_message.Message):
    __slots__ = ("transaction", "coordinator", "participants", "changes", "priority")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    coordinator: str
    participants: _containers.RepeatedScalarFieldContainer[str]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    priority: Priority
    def __init__(self, transaction: _Optional[str] = ..., coordinator: _Optional[str] = ..., participants: _Optional[_Iterable[str]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., priority: _Optional[_Union[Priority, _Mapping]] = ...) -> None: ...

class Priority(_message.Message):
    __slots__ = ("time_ms", "transaction")
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    time_ms: int
    transaction: str
    def __init__(self, time_ms: _Optional[int] = ..., transaction: _Optional[str] = ...) -> None: ...

class PrepareResponse(_message.Message):
    __slots__ = ("yes", "reason")
    YES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    yes: bool
    reason: str
    def __init__(self, yes: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class PreCommitRequest(_message.Message):
    __slots__ = ("transaction",)
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    def __init__(self, transaction: _Optional[str] = ...) -> None: ...

class PreCommitResponse(_message.Message):
    __slots__ = ("refused",)
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    refused: bool
    def __init__(self, refused: _Optional[bool] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("transaction", "outcome")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    outcome: Outcome
    def __init__(self, transaction: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InquireRequest(_message.Message):
    __slots__ = ("transaction", "cooperative")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    COOPERATIVE_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    cooperative: bool
    def __init__(self, transaction: _Optional[str] = ..., cooperative: _Optional[bool] = ...) -> None: ...

class InquireResponse(_message.Message):
    __slots__ = ("state", "recovered")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[InquireResponse.State]
        WORKING: _ClassVar[InquireResponse.State]
        PREPARED: _ClassVar[InquireResponse.State]
        PRECOMMITTED: _ClassVar[InquireResponse.State]
        COMMITTED: _ClassVar[InquireResponse.State]
        ABORTED: _ClassVar[InquireResponse.State]
    UNKNOWN: InquireResponse.State
    WORKING: InquireResponse.State
    PREPARED: InquireResponse.State
    PRECOMMITTED: InquireResponse.State
    COMMITTED: InquireResponse.State
    ABORTED: InquireResponse.State
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    state: InquireResponse.State
    recovered: bool
    def __init__(self, state: _Optional[_Union[InquireResponse.State, str]] = ..., recovered: _Optional[bool] = ...) -> None: ...

class Amount(_message.Message):
    __slots__ = ("amount", "open")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    amount: int
    open: bool
    def __init__(self, amount: _Optional[int] = ..., open: _Optional[bool] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("outcome", "participants", "precommitted")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    PRECOMMITTED_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    participants: _containers.RepeatedScalarFieldContainer[str]
    precommitted: bool
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., participants: _Optional[_Iterable[str]] = ..., precommitted: _Optional[bool] = ...) -> None: ...

class Vote(_message.Message):
    __slots__ = ("coordinator", "participants", "changes", "priority", "precommitted")
    COORDINATOR_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PRECOMMITTED_FIELD_NUMBER: _ClassVar[int]
    coordinator: str
    participants: _containers.RepeatedScalarFieldContainer[str]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    priority: Priority
    precommitted: bool
    def __init__(self, coordinator: _Optional[str] = ..., participants: _Optional[_Iterable[str]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., priority: _Optional[_Union[Priority, _Mapping]] = ..., precommitted: _Optional[bool] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("outcome",)
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ...) -> None: ...

class CommitView(_message.Message):
    __slots__ = ("coordinated", "in_doubt", "locks", "amounts", "decided", "forced_writes", "messages", "committed", "aborted", "died", "lost_disk")
    class AmountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DecidedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Outcome
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Outcome, str]] = ...) -> None: ...
    COORDINATED_FIELD_NUMBER: _ClassVar[int]
    IN_DOUBT_FIELD_NUMBER: _ClassVar[int]
    LOCKS_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    FORCED_WRITES_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    ABORTED_FIELD_NUMBER: _ClassVar[int]
    DIED_FIELD_NUMBER: _ClassVar[int]
    LOST_DISK_FIELD_NUMBER: _ClassVar[int]
    coordinated: _containers.RepeatedCompositeFieldContainer[Coordinated]
    in_doubt: _containers.RepeatedCompositeFieldContainer[InDoubt]
    locks: _containers.RepeatedCompositeFieldContainer[Lock]
    amounts: _containers.ScalarMap[str, int]
    decided: _containers.ScalarMap[str, Outcome]
    forced_writes: int
    messages: int
    committed: int
    aborted: int
    died: int
    lost_disk: bool
    def __init__(self, coordinated: _Optional[_Iterable[_Union[Coordinated, _Mapping]]] = ..., in_doubt: _Optional[_Iterable[_Union[InDoubt, _Mapping]]] = ..., locks: _Optional[_Iterable[_Union[Lock, _Mapping]]] = ..., amounts: _Optional[_Mapping[str, int]] = ..., decided: _Optional[_Mapping[str, Outcome]] = ..., forced_writes: _Optional[int] = ..., messages: _Optional[int] = ..., committed: _Optional[int] = ..., aborted: _Optional[int] = ..., died: _Optional[int] = ..., lost_disk: _Optional[bool] = ...) -> None: ...

class Coordinated(_message.Message):
    __slots__ = ("transaction", "phase", "waiting_for", "since_ms")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    phase: str
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    since_ms: int
    def __init__(self, transaction: _Optional[str] = ..., phase: _Optional[str] = ..., waiting_for: _Optional[_Iterable[str]] = ..., since_ms: _Optional[int] = ...) -> None: ...

class InDoubt(_message.Message):
    __slots__ = ("transaction", "coordinator", "precommitted", "since_ms")
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    COORDINATOR_FIELD_NUMBER: _ClassVar[int]
    PRECOMMITTED_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    transaction: str
    coordinator: str
    precommitted: bool
    since_ms: int
    def __init__(self, transaction: _Optional[str] = ..., coordinator: _Optional[str] = ..., precommitted: _Optional[bool] = ..., since_ms: _Optional[int] = ...) -> None: ...

class Lock(_message.Message):
    __slots__ = ("resource", "holder", "waiting")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    resource: str
    holder: str
    waiting: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, resource: _Optional[str] = ..., holder: _Optional[str] = ..., waiting: _Optional[_Iterable[str]] = ...) -> None: ...
