"""What a question predicts of an experiment, from its `expect` blocks, held against a report.

    experiment: raft/leader-crash           experiment: raft/leader-crash
    measurement: acknowledged_writes_lost   expectation: nothing-lost
    equals: 0

A measurement has one comparison: equals, at_most, at_least, `between: low high`, or about, which
allows 20 % either way unless `within` says otherwise (`within: 10%`). An expectation is one that
the experiment itself states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import yaml

if TYPE_CHECKING:
    from labs.kit.guide.pages import Fence, Question

COMPARISONS: Final = ("equals", "at_most", "at_least", "between", "about")
TELLING: Final = ("pass", "fail")  # a run that ended otherwise says nothing about a claim
ABOUT_SHARE: Final = 0.2
_KEYS: Final = {"experiment", "measurement", "expectation", "within", *COMPARISONS}
# What every run is judged by, whatever it measures: its figures come second to a broken promise.
_PROMISES: Final = ("trials", "linearizable")

Answer: TypeAlias = Literal["agree", "differ", "unknown"]
Bounds: TypeAlias = tuple[float | None, float | None]


class BadClaim(ValueError):
    """An expect block that says nothing which could be held against a run."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One expect block. Either `measurement` with its bounds, or `expectation`."""

    lab: str
    name: str  # of the experiment, within the lab
    line: int
    measurement: str = ""
    expectation: str = ""
    comparison: str = ""
    bounds: Bounds = (None, None)

    @property
    def experiment(self) -> str:
        """As the guide writes it."""
        return f"{self.lab}/{self.name}"

    def says(self) -> str:
        """The claim in few words."""
        if self.expectation:
            return self.expectation
        low, high = self.bounds
        match self.comparison:
            case "equals":
                return f"{self.measurement} = {_number(low)}"
            case "at_most":
                return f"{self.measurement} <= {_number(high)}"
            case "at_least":
                return f"{self.measurement} >= {_number(low)}"
        return f"{self.measurement} from {_number(low)} to {_number(high)}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a run says to a claim."""

    answer: Answer
    observed: str
    reason: str = ""  # why it differs, or cannot be told


def claims_of(question: Question) -> Iterator[Claim]:
    """All that a question claims. Blocks that cannot be read are left to the linter."""
    for fence in question.expects:
        try:
            yield parse_claim(fence)
        except BadClaim:
            continue


def by_experiment(questions: Iterable[Question]) -> Mapping[str, tuple[Question, ...]]:
    """Questions by the experiments (`raft/leader-crash`) that they claim something of."""
    found: dict[str, list[Question]] = {}
    for question in questions:
        for name in dict.fromkeys(claim.experiment for claim in claims_of(question)):
            found.setdefault(name, []).append(question)
    return {name: tuple(those) for name, those in found.items()}


def parse_claim(fence: Fence) -> Claim:
    """The claim of an expect block. Raises BadClaim."""
    try:
        raw = yaml.safe_load(fence.text)
    except yaml.YAMLError as error:
        raise BadClaim(f"no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise BadClaim("expected lines of `name: value`")
    unknown = sorted(str(key) for key in raw if key not in _KEYS)
    if unknown:
        raise BadClaim(
            f"{', '.join(unknown)}: nobody reads that; known: {', '.join(sorted(_KEYS))}"
        )
    lab, _, name = str(raw.get("experiment", "")).partition("/")
    if not lab or not name:
        raise BadClaim("expected `experiment: LAB/EXPERIMENT`")
    if ("measurement" in raw) == ("expectation" in raw):
        raise BadClaim("expected either a measurement or an expectation")
    compared = [one for one in COMPARISONS if one in raw]
    if "expectation" in raw:
        if compared or "within" in raw:
            raise BadClaim("an expectation has no comparison: the experiment says what holds")
        return Claim(lab, name, fence.line, expectation=str(raw["expectation"]))
    if len(compared) != 1:
        raise BadClaim(f"a measurement needs one of {', '.join(COMPARISONS)}")
    if "within" in raw and compared != ["about"]:
        raise BadClaim("`within` belongs to `about`")
    bounds = _bounds(compared[0], raw)
    return Claim(lab, name, fence.line, str(raw["measurement"]), "", compared[0], bounds)


def _bounds(comparison: str, raw: Mapping[str, Any]) -> Bounds:
    value = raw[comparison]
    if comparison == "between":
        ends = [yaml.safe_load(end) for end in value.split()] if isinstance(value, str) else value
        if not isinstance(ends, list) or len(ends) != 2:
            raise BadClaim("between: expected `low high`, as in `between: 150 300`")
        low, high = _is_number("between", ends[0]), _is_number("between", ends[1])
        if low >= high:
            raise BadClaim(f"between: {_number(low)} is not less than {_number(high)}")
        return low, high
    number = _is_number(comparison, value)
    match comparison:
        case "at_most":
            return None, number
        case "at_least":
            return number, None
        case "about":
            margin = abs(number) * _share(raw.get("within"))
            return number - margin, number + margin
    return number, number


def _is_number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadClaim(f"{what}: expected a number, not {value!r}")
    return value


def _share(raw: Any) -> float:
    if raw is None:
        return ABOUT_SHARE
    text = str(raw)
    if not text.endswith("%") or not text[:-1].strip().replace(".", "", 1).isdecimal():
        raise BadClaim(f"within: expected a percentage such as 10%, not {text}")
    return float(text[:-1]) / 100


def hold(claim: Claim, report: Mapping[str, Any]) -> Answered:
    """Whether a run bears the claim out. A run that proves nothing answers nothing."""
    answered = _by_expectation(claim, report) if claim.expectation else _by_figure(claim, report)
    status = str(report.get("status", "cut short"))
    if status not in TELLING:
        missing = "; ".join(str(one) for one in report.get("invalid", ())[:2])
        reason = f"the run was {status}" + (f": {missing}" if missing else "")
        return Answered("unknown", answered.observed, reason)
    for verdict in report["verdicts"]:
        if verdict["id"] in _PROMISES and verdict["holds"] is False:
            reason = f"the run broke a promise: {verdict['observed']}"
            return Answered("differ", answered.observed, reason)
    return answered


def _by_expectation(claim: Claim, report: Mapping[str, Any]) -> Answered:
    for one in report.get("verdicts", ()):
        if one["id"] == claim.expectation:
            observed = str(one["observed"])
            if one["holds"] is None:
                return Answered("unknown", observed, "the run could not tell")
            if one["holds"]:
                return Answered("agree", observed)
            return Answered("differ", observed, f"it does not hold that {one['claim']}")
    return _not_asked(report)


def _by_figure(claim: Claim, report: Mapping[str, Any]) -> Answered:
    figure = report.get("measurements", {}).get(claim.measurement)
    if figure is None:
        return _not_asked(report)
    value, unit = float(figure["value"]), str(figure["unit"])
    low, high = claim.bounds
    observed = f"{_number(value)} {unit}".strip()
    if low is not None and value < low:
        return Answered("differ", observed, f"less than {_number(low)}{_spread(figure)}")
    if high is not None and value > high:
        return Answered("differ", observed, f"more than {_number(high)}{_spread(figure)}")
    return Answered("agree", observed)


def _not_asked(report: Mapping[str, Any]) -> Answered:
    way_out = "run it without --short" if report.get("short") else "run it again"
    return Answered("unknown", "not measured", f"that run did not measure it; {way_out}")


def _spread(figure: Mapping[str, Any]) -> str:
    if figure.get("samples", 1) < 2:
        return "; it is a single sample"
    return (
        f"; {figure['samples']} samples were {_number(figure['min'])} to {_number(figure['max'])}"
    )


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.6g}"
