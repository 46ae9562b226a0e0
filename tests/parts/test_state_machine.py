"""The replicated key-value store, against a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodes.parts.state_machine import KvStateMachine
from protos import kv_pb2 as kv

keys = st.sampled_from(["a", "b", "ключ"])
values = st.binary(max_size=3)
Write = kv.PutRequest | kv.CompareAndSetRequest | kv.AppendRequest | kv.DeleteRequest
writes = st.one_of(
    st.builds(lambda key, value: kv.PutRequest(key=key, value=value), keys, values),
    st.builds(lambda key, suffix: kv.AppendRequest(key=key, suffix=suffix), keys, values),
    st.builds(lambda key: kv.DeleteRequest(key=key), keys),
    st.builds(
        lambda key, expected, value: kv.CompareAndSetRequest(
            key=key, expected=expected, value=value
        ),
        keys,
        st.none() | values,
        values,
    ),
)


def carry_out(model: dict[str, bytes], request: Write) -> kv.CommandResult:
    """What the command means, said once more and more simply."""
    before = model.get(request.key)
    match request:
        case kv.PutRequest():
            model[request.key] = request.value
            return kv.CommandResult(put=kv.PutResponse())
        case kv.AppendRequest():
            model[request.key] = (before or b"") + request.suffix
            length = len(model[request.key])
            return kv.CommandResult(append=kv.AppendResponse(length_bytes=length))
        case kv.DeleteRequest():
            model.pop(request.key, None)
            return kv.CommandResult(delete=kv.DeleteResponse(existed=before is not None))
        case kv.CompareAndSetRequest():
            expected = request.expected if request.HasField("expected") else None
            if before == expected:
                model[request.key] = request.value
            response = kv.CompareAndSetResponse(swapped=before == expected, current=before)
            return kv.CommandResult(compare_and_set=response)


@given(st.lists(writes, max_size=30))
def test_behaves_like_a_dictionary(script: list[Write]) -> None:
    """State and every response are those of the model."""
    machine, model = KvStateMachine(10), dict[str, bytes]()
    for request in script:
        assert machine.execute(request) == carry_out(model, request)
        assert machine.values == model
    for key in ("a", "b", "ключ"):
        found = machine.get(key)
        assert (found.found, found.value) == (key in model, model.get(key, b""))


def test_absent_is_not_empty() -> None:
    """A compare-and-set that expects nothing does not match an empty value, nor the other way."""
    machine = KvStateMachine(10)
    expects_nothing = kv.CompareAndSetRequest(key="a", value=b"1")
    expects_empty = kv.CompareAndSetRequest(key="a", expected=b"", value=b"2")
    swap = machine.execute(expects_empty).compare_and_set
    assert (swap.swapped, swap.HasField("current")) == (False, False)
    assert machine.execute(expects_nothing).compare_and_set.swapped
    machine.execute(kv.PutRequest(key="a", value=b""))
    assert not machine.execute(expects_nothing).compare_and_set.swapped
    assert machine.execute(expects_empty).compare_and_set.swapped


@given(st.lists(writes, max_size=20), st.lists(writes, max_size=10))
def test_a_snapshot_is_the_whole_state(before: list[Write], after: list[Write]) -> None:
    """A machine loaded from a dump goes on exactly as the one that was dumped."""
    machine, copy = KvStateMachine(10), KvStateMachine(10)
    for request in before:
        machine.execute(request)
    copy.load(kv.StateMachineState.FromString(machine.dump().SerializeToString()))
    for request in after:
        assert machine.execute(request) == copy.execute(request)
    dumps = [m.dump().SerializeToString(deterministic=True) for m in (machine, copy)]
    assert dumps[0] == dumps[1]
