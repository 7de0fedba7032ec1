"""Every file that the console's pages offer, found by its kind: ``calls/list`` stands in ``calls/files.py``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from core.api.exports import Export

PAGES = tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/files.py")))
"""Those that offer some. They are heavy to import, so that is done when somebody comes for one."""


def find(kind: str) -> Export[Any] | None:
    """Return the export of a kind; ``None`` where there is none."""
    page = kind.partition("/")[0]
    if page not in PAGES:
        return None
    return next((one for one in import_module(f"pages.{page}.files").FILES if one.kind == kind), None)
