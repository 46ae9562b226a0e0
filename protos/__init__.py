"""The wire: one .proto a protocol, and the Python that `make protos` generates from it."""
