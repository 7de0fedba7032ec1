"""What the guardrails find of the corpus, what they find where there is nothing, and what they take for each kB."""

from __future__ import annotations

from pathlib import Path

from tests.guardrails.report import main


def run(_: str, __: Path) -> None:
    """Measure and print."""
    main()
