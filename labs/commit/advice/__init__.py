"""Points, sections of the books and papers, and hints of the commit course, a module a part."""

from labs.commit.advice import doubt, locks, recovery, three_phases, votes
from labs.kit.grading.scenario import Advice

__all__ = ["ADVICE"]

ADVICE: dict[str, Advice] = {
    **votes.ADVICE,
    **locks.ADVICE,
    **recovery.ADVICE,
    **doubt.ADVICE,
    **three_phases.ADVICE,
}
