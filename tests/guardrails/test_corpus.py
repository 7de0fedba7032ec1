"""The guardrails hold what is promised of them on a corpus of our own: ``python -m tests.guardrails`` prints it."""

from __future__ import annotations

import pytest

from core.guardrails import search_of, settings_text
from tests.guardrails.business import business
from tests.guardrails.report import CORPUS, TEXTS, disturbed, scored, without_settings

LEAST_PRECISION = 0.99
LEAST_RECALL = 0.99
MOST_DISTURBED = 0.002
"""Of all texts in which there is nothing to be found."""


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_what_is_there_is_found_and_nothing_else(name: str) -> None:
    """Of what is to be found of each sort, nearly all, exactly as it stands there."""
    one = CORPUS[name]
    score = scored(search_of(name, settings_text(one.settings)), one.samples)
    assert (score.precision >= LEAST_PRECISION, score.recall >= LEAST_RECALL) == (True, True), score


def test_there_are_enough() -> None:
    """At least four hundred inputs, and of each check such as only look like something."""
    assert sum(len(one.samples) for one in CORPUS.values()) >= 400
    assert all(any(not sample.found for sample in one.samples) for one in CORPUS.values())


def test_business_goes_on() -> None:
    """Of 2,000 texts of invoices, orders, logs, tables and letters in five languages next to none is disturbed."""
    texts = business(TEXTS)
    assert len(set(texts)) > TEXTS * 0.95
    for name, search in without_settings():
        found = disturbed(search, texts)
        assert len(found) <= MOST_DISTURBED * TEXTS, (name, found[:3])
