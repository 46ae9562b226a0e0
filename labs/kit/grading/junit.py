"""Results as JUnit XML, which course platforms and CI read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from labs.kit.errors import LabError
from labs.kit.grading.grade import Result
from labs.kit.text import visible


def suite(name: str, results: Sequence[Result]) -> ElementTree.Element:
    """One implementation's results. An unknown is an error: it is no failure, and no pass."""
    element = ElementTree.Element(
        "testsuite",
        name=name,
        tests=str(len(results)),
        failures=str(sum(result.verdict == "fail" for result in results)),
        errors=str(sum(result.verdict == "unknown" for result in results)),
        time=f"{sum(result.elapsed_s for result in results):.3f}",
    )
    for result in results:
        check = result.check
        case = ElementTree.SubElement(
            element,
            "testcase",
            classname=f"{name}.part{check.part}",
            name=check.id,
            time=f"{result.elapsed_s:.3f}",
        )
        properties = ElementTree.SubElement(case, "properties")
        for key, value in (("points", result.points), ("points_max", check.points)):
            ElementTree.SubElement(properties, "property", name=key, value=str(value))
        if result.verdict != "pass":
            kind = "failure" if result.verdict == "fail" else "error"
            first = result.first
            message = "nothing was run" if first is None else visible(first.observed)
            told = ElementTree.SubElement(case, kind, message=message)
            told.text = check.title if first is None else _details(result)
    return element


def write(path: Path, suites: Sequence[ElementTree.Element]) -> None:
    """One document. Raises LabError when it cannot be written."""
    root = ElementTree.Element("testsuites")
    root.extend(suites)
    ElementTree.indent(root)
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise LabError(f"--junit {path}: cannot be written: {error.strerror}") from None


def _details(result: Result) -> str:
    first = result.first
    assert first is not None, "asked for only when there is one"
    seeds = ", ".join(map(str, result.failed_seeds)) or "none"
    return (
        f"{result.check.title}\nexpected: {visible(first.expected)}\n"
        f"observed: {visible(first.observed)}\nwhere: {first.where or '-'}\nfailed seeds: {seeds}\n"
        + "".join(f"{line}\n" for line in first.views)
    )
