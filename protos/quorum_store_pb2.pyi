from protos import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Membership(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTSIDE: _ClassVar[Membership]
    JOINING: _ClassVar[Membership]
    SETTLING: _ClassVar[Membership]
    MEMBER: _ClassVar[Membership]
    LEAVING: _ClassVar[Membership]
    DRAINING: _ClassVar[Membership]
OUTSIDE: Membership
JOINING: Membership
SETTLING: Membership
MEMBER: Membership
LEAVING: Membership
DRAINING: Membership

class GetRequest(_message.Message):
    __slots__ = ("key", "r", "explain")
    KEY_FIELD_NUMBER: _ClassVar[int]
    R_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    key: str
    r: int
    explain: bool
    def __init__(self, key: _Optional[str] = ..., r: _Optional[int] = ..., explain: _Optional[bool] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("siblings", "context", "answers", "refused", "outcome_unknown")
    SIBLINGS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    siblings: _containers.RepeatedCompositeFieldContainer[Sibling]
    context: VersionVector
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, siblings: _Optional[_Iterable[_Union[Sibling, _Mapping]]] = ..., context: _Optional[_Union[VersionVector, _Mapping]] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("key", "value", "deleted", "context", "w", "explain")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    deleted: bool
    context: VersionVector
    w: int
    explain: bool
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ..., deleted: _Optional[bool] = ..., context: _Optional[_Union[VersionVector, _Mapping]] = ..., w: _Optional[int] = ..., explain: _Optional[bool] = ...) -> None: ...

class PutResponse(_message.Message):
    __slots__ = ("siblings", "context", "answers", "refused", "outcome_unknown")
    SIBLINGS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    siblings: _containers.RepeatedCompositeFieldContainer[Sibling]
    context: VersionVector
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, siblings: _Optional[_Iterable[_Union[Sibling, _Mapping]]] = ..., context: _Optional[_Union[VersionVector, _Mapping]] = ..., answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("replica", "kind", "stands_in_for", "record")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WAITING: _ClassVar[Answer.Kind]
        ANSWERED: _ClassVar[Answer.Kind]
        FAILED: _ClassVar[Answer.Kind]
        NOT_ASKED: _ClassVar[Answer.Kind]
    WAITING: Answer.Kind
    ANSWERED: Answer.Kind
    FAILED: Answer.Kind
    NOT_ASKED: Answer.Kind
    REPLICA_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STANDS_IN_FOR_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    replica: str
    kind: Answer.Kind
    stands_in_for: str
    record: Record
    def __init__(self, replica: _Optional[str] = ..., kind: _Optional[_Union[Answer.Kind, str]] = ..., stands_in_for: _Optional[str] = ..., record: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...

class InspectRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class InspectResponse(_message.Message):
    __slots__ = ("record", "hints", "preference_list", "refused", "outcome_unknown")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_LIST_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    record: Record
    hints: _containers.RepeatedCompositeFieldContainer[Hint]
    preference_list: _containers.RepeatedScalarFieldContainer[str]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ..., hints: _Optional[_Iterable[_Union[Hint, _Mapping]]] = ..., preference_list: _Optional[_Iterable[str]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class JoinResponse(_message.Message):
    __slots__ = ("refused", "outcome_unknown")
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaveResponse(_message.Message):
    __slots__ = ("refused", "outcome_unknown")
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    refused: _node_pb2.Refused
    outcome_unknown: _node_pb2.OutcomeUnknown
    def __init__(self, refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ..., outcome_unknown: _Optional[_Union[_node_pb2.OutcomeUnknown, _Mapping]] = ...) -> None: ...

class Dot(_message.Message):
    __slots__ = ("actor", "counter")
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    actor: str
    counter: int
    def __init__(self, actor: _Optional[str] = ..., counter: _Optional[int] = ...) -> None: ...

class VersionVector(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Dot]
    def __init__(self, entries: _Optional[_Iterable[_Union[Dot, _Mapping]]] = ...) -> None: ...

class Stamp(_message.Message):
    __slots__ = ("time", "logical", "writer", "nonce")
    TIME_FIELD_NUMBER: _ClassVar[int]
    LOGICAL_FIELD_NUMBER: _ClassVar[int]
    WRITER_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    time: int
    logical: int
    writer: str
    nonce: int
    def __init__(self, time: _Optional[int] = ..., logical: _Optional[int] = ..., writer: _Optional[str] = ..., nonce: _Optional[int] = ...) -> None: ...

class Sibling(_message.Message):
    __slots__ = ("dot", "stamp", "value", "deleted", "deleted_at_ms")
    DOT_FIELD_NUMBER: _ClassVar[int]
    STAMP_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    DELETED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    dot: Dot
    stamp: Stamp
    value: bytes
    deleted: bool
    deleted_at_ms: int
    def __init__(self, dot: _Optional[_Union[Dot, _Mapping]] = ..., stamp: _Optional[_Union[Stamp, _Mapping]] = ..., value: _Optional[bytes] = ..., deleted: _Optional[bool] = ..., deleted_at_ms: _Optional[int] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("siblings", "context")
    SIBLINGS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    siblings: _containers.RepeatedCompositeFieldContainer[Sibling]
    context: VersionVector
    def __init__(self, siblings: _Optional[_Iterable[_Union[Sibling, _Mapping]]] = ..., context: _Optional[_Union[VersionVector, _Mapping]] = ...) -> None: ...

class Hint(_message.Message):
    __slots__ = ("home", "key", "record", "since_ms")
    HOME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    home: str
    key: str
    record: Record
    since_ms: int
    def __init__(self, home: _Optional[str] = ..., key: _Optional[str] = ..., record: _Optional[_Union[Record, _Mapping]] = ..., since_ms: _Optional[int] = ...) -> None: ...

class MintRequest(_message.Message):
    __slots__ = ("operation", "key", "value", "deleted", "context", "home")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    operation: int
    key: str
    value: bytes
    deleted: bool
    context: VersionVector
    home: str
    def __init__(self, operation: _Optional[int] = ..., key: _Optional[str] = ..., value: _Optional[bytes] = ..., deleted: _Optional[bool] = ..., context: _Optional[_Union[VersionVector, _Mapping]] = ..., home: _Optional[str] = ...) -> None: ...

class MintResponse(_message.Message):
    __slots__ = ("record", "dot", "refused")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DOT_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    record: Record
    dot: Dot
    refused: _node_pb2.Refused
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ..., dot: _Optional[_Union[Dot, _Mapping]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ...) -> None: ...

class StoreRequest(_message.Message):
    __slots__ = ("operation", "key", "record", "home")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    operation: int
    key: str
    record: Record
    home: str
    def __init__(self, operation: _Optional[int] = ..., key: _Optional[str] = ..., record: _Optional[_Union[Record, _Mapping]] = ..., home: _Optional[str] = ...) -> None: ...

class StoreResponse(_message.Message):
    __slots__ = ("refused",)
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    refused: _node_pb2.Refused
    def __init__(self, refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("operation", "key")
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    operation: int
    key: str
    def __init__(self, operation: _Optional[int] = ..., key: _Optional[str] = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("record", "refused")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    record: Record
    refused: _node_pb2.Refused
    def __init__(self, record: _Optional[_Union[Record, _Mapping]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ...) -> None: ...

class CompareTreesRequest(_message.Message):
    __slots__ = ("ring_digest", "level", "nodes")
    RING_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    ring_digest: int
    level: int
    nodes: _containers.RepeatedCompositeFieldContainer[TreeNode]
    def __init__(self, ring_digest: _Optional[int] = ..., level: _Optional[int] = ..., nodes: _Optional[_Iterable[_Union[TreeNode, _Mapping]]] = ...) -> None: ...

class TreeNode(_message.Message):
    __slots__ = ("index", "hash")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    index: int
    hash: int
    def __init__(self, index: _Optional[int] = ..., hash: _Optional[int] = ...) -> None: ...

class CompareTreesResponse(_message.Message):
    __slots__ = ("children", "differing_leaves", "refused")
    CHILDREN_FIELD_NUMBER: _ClassVar[int]
    DIFFERING_LEAVES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    children: _containers.RepeatedCompositeFieldContainer[TreeNode]
    differing_leaves: _containers.RepeatedScalarFieldContainer[int]
    refused: _node_pb2.Refused
    def __init__(self, children: _Optional[_Iterable[_Union[TreeNode, _Mapping]]] = ..., differing_leaves: _Optional[_Iterable[int]] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ...) -> None: ...

class ExchangeLeavesRequest(_message.Message):
    __slots__ = ("ring_digest", "leaves", "held", "records")
    RING_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LEAVES_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    ring_digest: int
    leaves: _containers.RepeatedScalarFieldContainer[int]
    held: _containers.RepeatedCompositeFieldContainer[KeyDigest]
    records: _containers.RepeatedCompositeFieldContainer[KeyRecord]
    def __init__(self, ring_digest: _Optional[int] = ..., leaves: _Optional[_Iterable[int]] = ..., held: _Optional[_Iterable[_Union[KeyDigest, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[KeyRecord, _Mapping]]] = ...) -> None: ...

class KeyDigest(_message.Message):
    __slots__ = ("key", "digest")
    KEY_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    key: str
    digest: int
    def __init__(self, key: _Optional[str] = ..., digest: _Optional[int] = ...) -> None: ...

class KeyRecord(_message.Message):
    __slots__ = ("key", "record")
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    key: str
    record: Record
    def __init__(self, key: _Optional[str] = ..., record: _Optional[_Union[Record, _Mapping]] = ...) -> None: ...

class ExchangeLeavesResponse(_message.Message):
    __slots__ = ("records", "wanted", "more", "refused")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[KeyRecord]
    wanted: _containers.RepeatedScalarFieldContainer[str]
    more: bool
    refused: _node_pb2.Refused
    def __init__(self, records: _Optional[_Iterable[_Union[KeyRecord, _Mapping]]] = ..., wanted: _Optional[_Iterable[str]] = ..., more: _Optional[bool] = ..., refused: _Optional[_Union[_node_pb2.Refused, _Mapping]] = ...) -> None: ...

class RingEntry(_message.Message):
    __slots__ = ("node", "membership", "version")
    NODE_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    node: str
    membership: Membership
    version: int
    def __init__(self, node: _Optional[str] = ..., membership: _Optional[_Union[Membership, str]] = ..., version: _Optional[int] = ...) -> None: ...

class Ring(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[RingEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[RingEntry, _Mapping]]] = ...) -> None: ...

class GossipRequest(_message.Message):
    __slots__ = ("ring",)
    RING_FIELD_NUMBER: _ClassVar[int]
    ring: Ring
    def __init__(self, ring: _Optional[_Union[Ring, _Mapping]] = ...) -> None: ...

class GossipResponse(_message.Message):
    __slots__ = ("ring",)
    RING_FIELD_NUMBER: _ClassVar[int]
    ring: Ring
    def __init__(self, ring: _Optional[_Union[Ring, _Mapping]] = ...) -> None: ...

class Actor(_message.Message):
    __slots__ = ("life", "counter", "recovering")
    LIFE_FIELD_NUMBER: _ClassVar[int]
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    RECOVERING_FIELD_NUMBER: _ClassVar[int]
    life: int
    counter: int
    recovering: bool
    def __init__(self, life: _Optional[int] = ..., counter: _Optional[int] = ..., recovering: _Optional[bool] = ...) -> None: ...

class QuorumStoreView(_message.Message):
    __slots__ = ("keys", "hints", "siblings_max", "digest", "ring", "recovering", "suspected", "actor", "tokens", "coordinated_reads", "coordinated_writes", "repaired", "handed_off", "exchanged_bytes", "exchanged_records", "rounds", "transferred", "shared")
    class SharedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    KEYS_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    SIBLINGS_MAX_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    RING_FIELD_NUMBER: _ClassVar[int]
    RECOVERING_FIELD_NUMBER: _ClassVar[int]
    SUSPECTED_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    COORDINATED_READS_FIELD_NUMBER: _ClassVar[int]
    COORDINATED_WRITES_FIELD_NUMBER: _ClassVar[int]
    REPAIRED_FIELD_NUMBER: _ClassVar[int]
    HANDED_OFF_FIELD_NUMBER: _ClassVar[int]
    EXCHANGED_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXCHANGED_RECORDS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    TRANSFERRED_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    keys: int
    hints: int
    siblings_max: int
    digest: int
    ring: Ring
    recovering: bool
    suspected: _containers.RepeatedScalarFieldContainer[str]
    actor: str
    tokens: int
    coordinated_reads: int
    coordinated_writes: int
    repaired: int
    handed_off: int
    exchanged_bytes: int
    exchanged_records: int
    rounds: int
    transferred: int
    shared: _containers.ScalarMap[str, int]
    def __init__(self, keys: _Optional[int] = ..., hints: _Optional[int] = ..., siblings_max: _Optional[int] = ..., digest: _Optional[int] = ..., ring: _Optional[_Union[Ring, _Mapping]] = ..., recovering: _Optional[bool] = ..., suspected: _Optional[_Iterable[str]] = ..., actor: _Optional[str] = ..., tokens: _Optional[int] = ..., coordinated_reads: _Optional[int] = ..., coordinated_writes: _Optional[int] = ..., repaired: _Optional[int] = ..., handed_off: _Optional[int] = ..., exchanged_bytes: _Optional[int] = ..., exchanged_records: _Optional[int] = ..., rounds: _Optional[int] = ..., transferred: _Optional[int] = ..., shared: _Optional[_Mapping[str, int]] = ...) -> None: ...
