"""Text that is safe to print: what comes from elsewhere must not steer a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control characters, newlines and lone surrogates escaped."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "backslashreplace").decode("ascii", "replace")
        for character in text
    )
