"""Clients that put load on any cluster and remember what each of them was told."""

from __future__ import annotations

from labs.kit.workloads.clients import Sample, Workload
from labs.kit.workloads.clock import now_ns
from labs.kit.workloads.dialect import Decode, Dialect, Told
from labs.kit.workloads.final import FinalReads, final_reads
from labs.kit.workloads.generators import Appends, Generator, Operation, Registers

__all__ = [
    "Appends",
    "Decode",
    "Dialect",
    "FinalReads",
    "Generator",
    "Operation",
    "Registers",
    "Sample",
    "Told",
    "Workload",
    "final_reads",
    "now_ns",
]
