"""Everything that runs inside or around a node: cores, and the worlds they run in."""
