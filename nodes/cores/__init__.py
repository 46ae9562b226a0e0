"""One protocol each: the reference solutions."""
