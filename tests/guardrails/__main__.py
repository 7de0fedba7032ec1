"""Print what the guardrails find of the corpus, what they find where there is nothing, and what they cost."""

from __future__ import annotations

from tests.guardrails.report import main

main()
