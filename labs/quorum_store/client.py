"""The client of the quorum lab: any node serves, and what became of each replica is told.

A read may be asked of one node after the other. A write goes to another node only when it surely
did not happen: sent again, it would be a second write beside the first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError, Message

from labs.kit.errors import LabError
from labs.kit.operations import Operation, Outcome, ServedCluster
from labs.kit.text import bytes_to_json, span
from nodes.cluster.api import Indeterminate, NodeState, Refused, RuntimeFailure
from protos import quorum_store_pb2 as pb

Reply: TypeAlias = pb.GetResponse | pb.PutResponse


class QuorumStoreClient:
    """See labs.kit.operations.Client."""

    def __init__(
        self, cluster: ServedCluster, wait_unit_ms: int, leader: Callable[[], str | None]
    ) -> None:
        self._cluster = cluster
        self._wait_unit_ms = wait_unit_ms
        self._served_last = cluster.nodes[0]
        self._versions = str(cluster.spec.params["versions"])

    async def run(self, operation: Operation) -> Outcome:
        """See Client.run."""
        operation.check()
        operation.check_node(self._cluster.nodes)
        request = self._request(operation)
        began_ms = self._cluster.now_ms()
        timeout_ms = operation.timeout_ms or 10 * self._wait_unit_ms
        ended = await self._send(operation, request, began_ms + timeout_ms)
        if ended.error is not None and self._cluster.now_ms() >= began_ms + timeout_ms:
            ended.error = f"{ended.error} (gave up after {span(timeout_ms)})"
        elapsed_ms = self._cluster.now_ms() - began_ms
        return self._outcome(operation, ended, elapsed_ms)

    # ------------------------------------------------------------------------------------- sending

    async def _send(self, operation: Operation, request: Message, deadline_ms: int) -> _Ended:
        """Asks each node once at most, until one has done it."""
        failed = _Ended(operation.node, False, "no node was asked")
        for node in self._candidates(operation.node):
            remaining_ms = deadline_ms - self._cluster.now_ms()
            if remaining_ms <= 0:
                break
            # A coordinator that keeps silent must not use up the time in which others could serve.
            alone = operation.node is not None
            patience_ms = remaining_ms if alone else min(remaining_ms, 2 * self._wait_unit_ms)
            ended = await self._attempt(node, request, patience_ms)
            if ended.ok:
                self._served_last = node
                return ended
            if operation.verb == "get":
                ended.ok = False  # a read has no effect
            if ended.ok is None:
                return ended
            # What a node said of it is worth more than that another one is down.
            if failed.response is None:
                failed = ended
        return failed

    def _candidates(self, only: str | None) -> Iterator[str]:
        nodes = self._cluster.nodes
        if only is not None:
            yield only
            return
        first = nodes.index(self._served_last)
        yield from nodes[first:] + nodes[:first]

    async def _attempt(self, node: str, request: Message, patience_ms: int) -> _Ended:
        if self._cluster.node_state(node) is NodeState.DOWN:
            return _Ended(node, False, f"{node} is down, nothing was sent to it")
        try:
            response = await self._cluster.call(node, request, timeout_ms=patience_ms)
        except Refused as refusal:
            return _Ended(node, False, f"{node} refused: {refusal.reason}", refusal.response)
        except Indeterminate as unknown:
            return _Ended(node, None, f"{node}: {unknown.reason}", unknown.response)
        except RuntimeFailure as failure:
            return _Ended(node, False, str(failure))
        return _Ended(node, True, None, response)

    def _request(self, operation: Operation) -> Message:
        context = self._context(operation.context)
        match operation.verb:
            case "get":
                return pb.GetRequest(key=operation.key, r=operation.r, explain=True)
            case "put" | "delete":
                return pb.PutRequest(
                    key=operation.key,
                    value=operation.value,
                    deleted=operation.verb == "delete",
                    context=context,
                    w=operation.w,
                    explain=True,
                )
            case "join":
                return pb.JoinRequest()
            case "leave":
                return pb.LeaveRequest()
        raise LabError(f"no such operation: {operation.verb}")

    def _context(self, token: str) -> pb.VersionVector | None:
        if not token:
            return None
        if self._versions != "siblings":
            raise LabError(
                f"--context is for versions=siblings; with versions={self._versions} every write "
                "replaces what is there"
            )
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            return pb.VersionVector.FromString(raw)
        except (binascii.Error, ValueError, DecodeError):
            raise LabError(
                f"--context {token[:40]}: that is none; take what `lab get` printed, or `last`"
            ) from None

    # ------------------------------------------------------------------------------------ outcomes

    def _outcome(self, operation: Operation, ended: _Ended, elapsed_ms: int) -> Outcome:
        response = ended.response
        if not isinstance(response, Reply):
            return Outcome(ended.ok, None, ended.node, elapsed_ms, ended.error)
        values = tuple(one.value for one in response.siblings)
        details = {
            "versions": self._versions,
            "siblings": [self._sibling(one) for one in response.siblings],
            "context": token_of(response.context),
            "answers": [self._answer(one) for one in response.answers],
        }
        return Outcome(
            ended.ok,
            values[0] if len(values) == 1 else None,
            ended.node,
            elapsed_ms,
            ended.error,
            found=bool(values) if operation.verb == "get" and ended.ok else None,
            values=values,
            details=details,
        )

    def _sibling(self, sibling: pb.Sibling) -> dict[str, Any]:
        stamp = sibling.stamp
        return {
            **bytes_to_json(sibling.value),
            "version": self._version(sibling),
            "dot": {"actor": sibling.dot.actor, "counter": sibling.dot.counter},
            "stamp": {"time": stamp.time, "logical": stamp.logical, "writer": stamp.writer},
        }

    def _answer(self, answer: pb.Answer) -> dict[str, Any]:
        held = [self._version(one) for one in answer.record.siblings]
        return {
            "replica": answer.replica,
            "kind": pb.Answer.Kind.Name(answer.kind).lower(),
            "stands_in_for": answer.stands_in_for or None,
            "held": held if answer.HasField("record") else None,
        }

    def _version(self, sibling: pb.Sibling) -> str:
        """What tells it from other versions of the key, in few letters."""
        stamp = sibling.stamp
        if self._versions == "siblings":
            version = f"{sibling.dot.actor}:{sibling.dot.counter}"
        elif self._versions == "abd":
            version = f"{stamp.time}@{stamp.writer}"
        else:
            version = f"{stamp.time}.{stamp.logical}@{stamp.writer}"
        return f"{version} deleted" if sibling.deleted else version


class _Ended:
    """How the last attempt ended; `ok` None: it may have happened."""

    def __init__(
        self, node: str | None, ok: bool | None, error: str | None, response: Message | None = None
    ) -> None:
        self.node, self.ok, self.error, self.response = node, ok, error, response


def token_of(context: pb.VersionVector) -> str:
    """A context to be handed back; nothing for an empty one."""
    raw = context.SerializeToString(deterministic=True)
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
