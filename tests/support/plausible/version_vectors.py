"""Somebody who has read Dynamo 4.4 and stopped there: version vectors, and no dots."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.core import NodeId
from nodes.cores.quorum_store import QuorumStore
from nodes.cores.quorum_store.records import Held
from nodes.cores.quorum_store.wire import alone
from nodes.parts.dotted_versions import Dot, Versions, descends, join
from protos import quorum_store_pb2 as pb


class VersionVectorStore(QuorumStore):
    """Compares whole vectors: the longer history wins, and of two that differ all values stay, also
    those that one of them has overwritten. A node is one entry of the vectors for ever. Of two
    stamps the later time counts."""

    # --------------------------------------------------------------------------- part 3: versions

    def merged(self, a: Held, b: Held) -> Held:
        if self.versions != "siblings":
            values = [*a.siblings.values(), *b.siblings.values()]
            return alone(max(values, key=lambda one: one.stamp.time)) if values else a
        if descends(a.context, b.context):
            return a
        if descends(b.context, a.context):
            return b
        return Versions({**a.siblings, **b.siblings}, join(a.context, b.context))

    def mint(
        self, key: str, sibling: pb.Sibling, context: Mapping[str, int], home: NodeId = ""
    ) -> tuple[Held, Dot]:
        known = self.known(key)
        self.counter = max(self.counter, *context.values(), *known.context.values(), 0) + 1
        self.save_actor()
        dot = (self.actor, self.counter)
        sibling.dot.actor, sibling.dot.counter = dot
        # Who has seen all that there is replaces it; whoever else wrote at the same time as it.
        replaced = descends(dict(context), known.context)
        siblings = {dot: sibling} if replaced else {**known.siblings, dot: sibling}
        record = Versions(siblings, join(known.context, dict(context), dict([dot])))
        if home:
            self.keep_hint(home, key, record)
        else:
            self.keep(key, record)
        return record, dot

    # ---------------------------------------------------------------------------- part 5: handoff

    def forgot(self, held: Held) -> None:
        pass  # What was given away is at its owners: nothing is forgotten.
