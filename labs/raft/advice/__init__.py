"""Points, sections of the paper and hints of the Raft course, a module a part."""

from labs.raft.advice import (
    elections,
    membership,
    persistence,
    replication,
    service,
    snapshots,
)
from labs.raft.advice.advice import Advice

__all__ = ["ADVICE", "Advice"]

ADVICE: dict[str, Advice] = {
    **elections.ADVICE,
    **replication.ADVICE,
    **persistence.ADVICE,
    **snapshots.ADVICE,
    **service.ADVICE,
    **membership.ADVICE,
}
