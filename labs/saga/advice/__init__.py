"""Points, sections of the papers and hints of the saga course, a module a part."""

from labs.kit.grading.scenario import Advice
from labs.saga.advice import events, keys, recovery, steps, turning_back

__all__ = ["ADVICE"]

ADVICE: dict[str, Advice] = {
    **steps.ADVICE,
    **keys.ADVICE,
    **recovery.ADVICE,
    **turning_back.ADVICE,
    **events.ADVICE,
}
