"""Points, sections of the papers and hints of the quorum course, a module a part."""

from labs.kit.grading.scenario import Advice
from labs.quorum_store.advice import handoff, placement, quorums, repair, versions

__all__ = ["ADVICE"]

ADVICE: dict[str, Advice] = {
    **placement.ADVICE,
    **quorums.ADVICE,
    **versions.ADVICE,
    **repair.ADVICE,
    **handoff.ADVICE,
}
