"""Benchmarks: each prints ratios measured in one run. Nothing here asserts a time."""
