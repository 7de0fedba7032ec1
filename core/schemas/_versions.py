"""What one version of a schema is called, on every page, in statements and on the command line alike."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
NUMBER = re.compile(r"[0-9]{1,9}")


def version_name(name: str, version: int | None) -> str:
    """Return what one version of a schema is called wherever it is named, as a request names it: ``invoice@3``.

    One that came with its request has no version, and is called by its name alone.
    """
    return name if version is None else f"{name}@{version}"


def version_of(name: str, version: int | None) -> tuple[str, int | None]:
    """Return name and version of what a call was recorded under; where it was refused early, that is ``invoice@3``."""
    bare, at, number = name.partition("@")
    if version is None and at and NAME.fullmatch(bare) and NUMBER.fullmatch(number):
        return bare, int(number)
    return name, version
