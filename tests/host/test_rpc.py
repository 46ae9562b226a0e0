"""The binder joins a proto to a core by descriptors alone, and says at start when they differ."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from nodes.core import Caller, Core, handles
from nodes.host.headers import CallHeader, read_header, refusal, token_holds
from nodes.host.rpc import MessageTypes, check_binding, load_protos, methods_of
from nodes.host.text import printable
from protos import kv_pb2, raft_pb2
from tests.support import ping_pb2 as pb
from tests.support.ping_core import Ping


def proto(rpcs: Sequence[tuple[str, str, bool]]) -> ModuleType:
    """A proto with service S: name, request type, whether it streams."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    service = file.service.add(name="S")
    for name in sorted({request for _, request, _ in rpcs} | {"Out"}):
        file.message_type.add(name=name)
    for name, request, streams in rpcs:
        service.method.add(
            name=name, input_type=f".t.{request}", output_type=".t.Out", server_streaming=streams
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    module = ModuleType("t_pb2")
    module.__dict__["DESCRIPTOR"] = pool.FindFileByName("t.proto")
    return module


def test_every_rpc_is_found_by_its_request() -> None:
    """Path and both classes come from the descriptors."""
    methods = methods_of((raft_pb2, kv_pb2))
    put = methods[kv_pb2.PutRequest]
    assert put.path == "/faultlab.kv.KeyValue/Put"
    assert put.response_type is kv_pb2.PutResponse
    assert methods[raft_pb2.AppendEntriesRequest].path == "/faultlab.raft.Raft/AppendEntries"


def test_two_rpcs_of_one_request_type_are_refused() -> None:
    """A request's type must say which RPC it belongs to."""
    with pytest.raises(TypeError, match=r"/t.S/One and /t.S/Two both take t.In"):
        methods_of((proto([("One", "In", False), ("Two", "In", False)]),))


def test_a_streaming_rpc_is_refused() -> None:
    """Only unary RPCs can be bound."""
    with pytest.raises(TypeError, match=r"/t.S/Watch streams"):
        methods_of((proto([("Watch", "In", True)]),))


def test_naming_a_proto_twice_is_no_conflict() -> None:
    """The same RPC seen again is the same RPC."""
    assert methods_of((pb, pb)) == methods_of((pb,))


def test_a_core_must_handle_every_rpc() -> None:
    """An RPC that nobody handles is an error at start, not at the first call."""
    with pytest.raises(TypeError, match=r"Ping has no handler for /faultlab.kv.KeyValue/"):
        check_binding(Ping, methods_of((pb, kv_pb2)))
    check_binding(Ping, methods_of((pb,)))


def test_a_handler_must_have_an_rpc() -> None:
    """A handler that can never be called is an error at start."""

    class Odd(Ping):
        @handles(kv_pb2.GetRequest)
        def get(self, _: kv_pb2.GetRequest, __: Caller) -> kv_pb2.GetResponse:
            return kv_pb2.GetResponse()

    with pytest.raises(TypeError, match=r"Odd handles faultlab.kv.GetRequest, which is no RPC"):
        check_binding(Odd, methods_of((pb,)))
    assert issubclass(Odd, Core)


def test_only_generated_modules_are_protos() -> None:
    """A module of another kind is named."""
    with pytest.raises(TypeError, match="json is not a module that protoc generated"):
        load_protos(("json",))


def test_types_are_found_in_imported_protos_too() -> None:
    """A slot may hold a message of a file that the lab's proto imports."""
    types = MessageTypes((raft_pb2,))
    entry = raft_pb2.LogEntry(term=3)
    assert types.decode("faultlab.raft.LogEntry", entry.SerializeToString()) == entry
    assert isinstance(types.decode("faultlab.node.Refused", b""), object)
    with pytest.raises(LookupError, match=r"faultlab.ping.Counter"):
        types.decode("faultlab.ping.Counter", b"")
    with pytest.raises(DecodeError):
        types.decode("faultlab.raft.LogEntry", b"\xff")


METADATA = st.lists(
    st.tuples(
        st.sampled_from(
            ["faultlab-node", "faultlab-session", "faultlab-lamport", "faultlab-message", "x"]
        ),
        st.text() | st.binary() | st.integers().map(str),
    )
)


@given(METADATA)
def test_no_metadata_can_hurt(metadata: list[tuple[str, str | bytes]]) -> None:
    """Whatever a stranger sends, reading it gives a header with a sane Lamport time."""
    header = read_header(metadata)
    assert 0 <= header.lamport <= 2**53
    found = refusal(header, "right", frozenset({"n2"}))
    if header.session != "right" or header.node != "n2":
        assert found is not None
        assert printable(found[1]) == found[1]


def test_a_header_survives_its_metadata() -> None:
    """What a node writes, a node reads."""
    header = CallHeader("n1", "session", 42, "n1-0-7")
    assert read_header(header.to_metadata()) == header
    assert refusal(header, "session", frozenset({"n1"})) is None


def test_the_token_must_be_the_token() -> None:
    """Missing, wrong, longer or of strange characters: no."""
    assert token_holds([("faultlab-token", "secret")], "secret")
    for metadata in (
        None,
        [],
        [("faultlab-token", "Secret")],
        [("faultlab-token", "secret2")],
        [("faultlab-token", "\udcff")],
        [("token", "secret")],
    ):
        assert not token_holds(metadata, "secret")
