"""Golden stories of the Raft core; `pytest --rewrite` renews them, and the diff is the review."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.transcripts import BadTranscript, replay

FOLDER = Path(__file__).parents[2] / "transcripts" / "raft"
STORIES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_written(story: Path, request: pytest.FixtureRequest) -> None:
    """What the transcript says is what the servers do."""
    written = story.read_text()
    played = replay(written)
    if request.config.getoption("--rewrite"):
        story.write_text(played)
        return
    assert played == written, f"{story.name} goes differently; see `pytest --rewrite`"


def test_the_stories_are_there() -> None:
    """Each turn of the protocol that a person may want to read."""
    assert {story.stem for story in STORIES} >= {
        "conflict_repair",
        "election",
        "figure_8",
        "figure_8_with_current_term_entry",
        "leadership_transfer",
        "membership_change",
        "read_index",
        "replication",
        "snapshot_to_lagging_follower",
        "split_vote",
    }


@pytest.mark.parametrize(
    ("transcript", "complaint"),
    [
        ("cluster 3\n\ndance n1\n", "line 3: no command 'dance'"),
        ("cluster 3\ndeliver n1 n2\n", "line 2: nothing is on its way from n1 to n2"),
        ("cluster 3\ncrash n1\nfire n1 election\n", "line 3: n1 is down"),
        ("cluster many\n", "line 1: 'cluster many'"),
        ("cluster 3\nfire n7 election\n", "line 2: 'fire n7 election'"),
    ],
)
def test_nonsense_is_named_by_its_line(transcript: str, complaint: str) -> None:
    """A transcript is written by people."""
    with pytest.raises(BadTranscript) as raised:
        replay(transcript)
    assert str(raised.value).startswith(complaint)
