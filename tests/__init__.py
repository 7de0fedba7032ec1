"""Proctor's tests: they mirror the tree."""
