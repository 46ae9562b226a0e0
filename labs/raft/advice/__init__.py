"""Points, sections of the paper and hints of the Raft course, a module a part."""

from labs.kit.grading.scenario import Advice
from labs.raft.advice import (
    elections,
    membership,
    persistence,
    replication,
    service,
    snapshots,
)

__all__ = ["ADVICE", "Advice"]

ADVICE: dict[str, Advice] = {
    **elections.ADVICE,
    **replication.ADVICE,
    **persistence.ADVICE,
    **snapshots.ADVICE,
    **service.ADVICE,
    **membership.ADVICE,
}
