"""The guide as a static site: mkdocs-material with its configuration and hooks; `make guide`."""
