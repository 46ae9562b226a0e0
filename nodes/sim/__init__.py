"""The virtual world: the same cores on a loop without waiting, replayable from a seed."""
