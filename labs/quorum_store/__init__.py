"""The quorum lab: a store without a leader."""
