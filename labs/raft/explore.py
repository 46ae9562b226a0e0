"""Raft to be explored exhaustively: without PreVote and without a leader's own doubts, which are
about time, an election takes two moves and a crash brings back all that was promised."""

from __future__ import annotations

from labs.kit.explore.space import Space
from labs.kit.explore.state import Budget
from labs.raft.invariants import invariants
from labs.raft.lab import LAB
from labs.raft.mutants import MORE, MUTANTS
from nodes.cores.raft import Raft
from protos import kv_pb2 as kv

SPACE = Space(
    core=Raft,
    settings={**LAB.defaults(simulated=True), "pre_vote": "off", "check_quorum": "off"},
    requests=(kv.PutRequest(key="x", value=b"1"), kv.PutRequest(key="x", value=b"2")),
    observers=invariants,
    mutants={**MUTANTS, **MORE},
    budget=Budget(requests=1, timers=2, crashes=1, losses=0),
    depth=6,
)
