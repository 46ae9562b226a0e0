"""What mkdocs does with the guide besides turning Markdown into pages.

The pages stay as they are read on GitHub and in a terminal: what the site needs of its own (order,
a start page, boxes around what can be run, Mermaid from the disk) is added here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from labs.kit.errors import LabError
from labs.kit.guide.claims import BadClaim, parse_claim
from labs.kit.guide.pages import Fence, Page, load_guide, parse_page, planned

SCRIPTS_VARIABLE: Final = "FAULTLAB_SITE_SCRIPTS"  # the folder that .ci/site-scripts filled
MERMAID: Final = "mermaid.min.js"
SEARCH_SHIM: Final = "iframe-worker.js"  # the offline plugin looks for one by this name
CSS: Final = "guide.css"
CROSSES: Final = "crosses.js"
READING_LIST: Final = "reading-list.md"
_CODE_OR_SOURCE = re.compile(r"`[^`]*`|(?<![!\[])\[([A-Za-z][^\[\]`]*)\](?![(\[])")
_ENTRY = re.compile(r"\*\*\[([^\[\]]+)\]\*\*")
_OUTSIDE = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\.\./[^)]*\)")


def _scripts() -> dict[str, Path]:
    """Those that are there, by name."""
    folder = Path(os.environ.get(SCRIPTS_VARIABLE, "/nowhere"))
    paths = {name: folder / name for name in (MERMAID, SEARCH_SHIM)}
    return {name: path for name, path in paths.items() if path.is_file()}


def _uri(script: str) -> str:
    return f"assets/{script}"


def on_config(config: Any) -> Any:
    """Pages in the order in which they are meant to be read; scripts only from the disk: where one
    is missing, what it does is left out, and nothing is fetched."""
    guide, scripts = load_guide(Path(config.docs_dir)), _scripts()
    config.nav = [{page.title: page.path.name} for page in guide.pages]
    config.extra["polyfills"] = [_uri(SEARCH_SHIM)] if SEARCH_SHIM in scripts else []
    if MERMAID in scripts:
        from pymdownx.superfences import fence_code_format

        config.extra_javascript += [_uri(MERMAID), _uri(CROSSES)]
        fence = {"name": "mermaid", "class": "mermaid", "format": fence_code_format}
        config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds what is not in the guide's folder."""
    from mkdocs.structure.files import File

    here = Path(__file__).parent
    for uri, name in ((CSS, CSS), (_uri(CROSSES), CROSSES)):
        files.append(File.generated(config, uri, abs_src_path=str(here / name)))
    for name, path in _scripts().items():
        files.append(File.generated(config, _uri(name), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Boxes for what can be run and what is planned."""
    del files
    parsed = parse_page(Path(page.file.src_uri), markdown)
    if page.file.src_uri == READING_LIST:
        return _ENTRY.sub(lambda found: f"{found[0]}{{: #{_anchor(found[1])} }}", markdown)
    return "\n".join(_lines(parsed, _entries(Path(config.docs_dir)))) + "\n"


def _entries(folder: Path) -> frozenset[str]:
    """The keys of the sources that have an entry of their own."""
    path = folder / READING_LIST
    return frozenset(_ENTRY.findall(path.read_text(encoding="utf-8")) if path.is_file() else ())


def _anchor(key: str) -> str:
    return "source-" + re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")


def _linked(text: str, entries: frozenset[str]) -> str:
    """Sources lead to their entries in the reading list."""

    def link(found: re.Match[str]) -> str:
        key = re.split(r"[\s,;§]", found[1] or "", maxsplit=1)[0]
        if key not in entries:
            return found[0]
        return f"[\\[{found[1]}\\]]({READING_LIST}#{_anchor(key)})"

    return _CODE_OR_SOURCE.sub(link, text)


def on_post_build(config: Any) -> None:
    """A site begins at index.html."""
    site = Path(config.site_dir)
    first = next(iter(config.nav[0].values()))
    start = f"{Path(first).stem}.html"
    (site / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><title>faultlab</title>'
        f'<meta http-equiv="refresh" content="0; url={start}"><a href="{start}">The guide</a>\n',
        encoding="utf-8",
    )


def _lines(page: Page, entries: frozenset[str]) -> Iterator[str]:
    blocks = {fence.line: fence for fence in page.fences if fence.kind == "expect"}
    for line in page.lines:
        found = planned(line)
        if line.number in blocks:
            yield from _box(blocks[line.number])
        elif found:
            yield from ("", '!!! note "Planned"', "", f"    {found[1]}", "")
        elif line.fence != "expect":
            yield line.text if line.fence else _linked(_inside(line.text), entries)


def _inside(text: str) -> str:
    """Links out of the guide lead to files that a site does not have: their text stays."""
    return _OUTSIDE.sub(r"\1", text)


def _box(fence: Fence) -> Iterator[str]:
    try:
        claim = parse_claim(fence)
    except BadClaim as error:
        raise LabError(f"line {fence.line}: {error}") from error
    yield from ("", '!!! example "See it on your machine"', "")
    yield from ("    ```sh", f"    lab run {claim.lab} {claim.name}", "    ```", "")
    holds = "the experiment finds that" if claim.expectation else "the guide expects"
    yield from (f"    {holds} `{claim.says()}` (`lab compare {claim.lab}`)", "")
