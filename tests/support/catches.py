"""Which check must notice a planted bug, and in which words; and what an empty method returns."""

from __future__ import annotations

from typing import NamedTuple


class Catch(NamedTuple):
    """The check that must notice a bug, and what its failure speaks of; one bug may show in two
    ways, of which the schedule decides."""

    check: str
    words: str
    or_words: str = ""

    def named_in(self, said: str) -> bool:
        """The failure names the cause."""
        return self.words in said or bool(self.or_words and self.or_words in said)
