"""Everything that decides. The map of the rooms is in docs/architecture.md."""
