"""The guide as a site, built where mkdocs is installed (`pip install 'faultlab[guide]'`)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labs.kit.guide.pages import load_guide
from labs.kit.guide.site import hooks

CONFIG = Path(hooks.__file__).with_name("mkdocs.yml")
ELSEWHERE = re.compile(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(https?:|//)""")


def test_the_site_needs_no_network(tmp_path: Path) -> None:
    """Every page is built, in strict mode, and loads nothing from elsewhere; there is an index."""
    pytest.importorskip("material", reason="mkdocs-material is an extra")
    scripts, site = tmp_path / "scripts", tmp_path / "site"
    scripts.mkdir()
    for name in (hooks.MERMAID, hooks.SEARCH_SHIM):
        (scripts / name).write_text("// stands for the real one")
    environment = os.environ | {hooks.SCRIPTS_VARIABLE: str(scripts)}
    words = ["build", "--quiet", "--strict", "--config-file", str(CONFIG), "--site-dir", str(site)]
    subprocess.run(
        [sys.executable, "-m", "mkdocs", *words], check=True, env=environment, timeout=100
    )
    for page in load_guide().pages:
        html = (site / f"{page.name}.html").read_text()
        assert not ELSEWHERE.search(html)
        assert f"assets/{hooks.MERMAID}" in html
        assert all(f'id="{question.id}"' in html for question in page.questions)
        assert "experiment: " not in html
    assert "http-equiv" in (site / "index.html").read_text()
    for name in (hooks.SEARCH_SHIM, hooks.CROSSES):
        assert (site / "assets" / name).is_file()


def test_blocks_become_boxes(tmp_path: Path) -> None:
    """What is to be run, and what is planned; links out of the guide keep their text only."""
    text = (
        "[code](../labs/raft/lab.py), [page](raft.md)\n\n[Raft 5.4; Ong] `[Raft]` [None]\n"
        "\n```expect\nexperiment: raft/leader-crash\n"
        "expectation: quick\n```\n\nplanned: clocks\n\n```text\nplanned: no\n```\n"
    )
    (tmp_path / hooks.READING_LIST).write_text("- **[Raft]** Ongaro and Ousterhout.\n")
    config = type("C", (), {"docs_dir": str(tmp_path)})
    page = type("P", (), {"file": type("F", (), {"src_uri": "x.md"})})
    made = hooks.on_page_markdown(text, page, config, None)
    assert made.startswith("code, [page](raft.md)\n")
    assert r"[\[Raft 5.4; Ong\]](reading-list.md#source-raft) `[Raft]` [None]" in made
    assert "    lab run raft leader-crash" in made
    assert '!!! note "Planned"\n\n    clocks' in made
    assert "expectation" not in made
    assert "planned: no" in made
