"""Measures the checks of the guardrails: what they find of what is to be found, what else, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.detection import Detector
from core.errors import Invalid
from core.guardrails import Judge, search_of, settings_text
from core.guardrails._outside import OutsideTerms
from core.guardrails.checks import NAMES
from tests.guardrails.business import business
from tests.guardrails.marks import MARKS
from tests.guardrails.samples import MEASURED, Sample

CORPUS = {**MEASURED, **MARKS}
"""By the name of the check."""
TEXTS = 2_000
FORBIDDING = frozenset({"links", "paths"})
"""Checks that find all of their kind unless a rule says what is allowed: no measure of what they disturb."""
"""Texts in which there is nothing to be found."""


@dataclass
class Score:
    """How a check did."""

    right: int = 0
    """Found, exactly as it stands there."""
    wrong: int = 0
    """Found, and not to be found."""
    missed: int = 0

    @property
    def precision(self) -> float:
        """Which share of what was found was to be found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Which share of what was to be found was found."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def scored(search: Detector | Judge, samples: Sequence[Sample]) -> Score:
    """Return how *search* does on *samples*."""
    assert not isinstance(search, Judge), "has no places"
    score = Score()
    for sample in samples:
        found = [sample.text[span.start : span.end] for span in search.find(sample.text)]
        right = [one for one in sample.found if one in found]
        score.right += len(right)
        score.missed += len(sample.found) - len(right)
        score.wrong += sum(one not in sample.found for one in found)
    return score


def without_settings() -> Iterator[tuple[str, Detector | Judge]]:
    """Return each check that finds something in particular without a word of a rule's, and without asking others."""
    for name in NAMES:
        if name in FORBIDDING:
            continue
        try:
            search = search_of(name, "{}")
        except Invalid:
            continue
        if not isinstance(search, OutsideTerms):
            yield name, search


def disturbed(search: Detector | Judge, texts: Sequence[str]) -> list[str]:
    """Return those of *texts* in which something is found."""
    if isinstance(search, Judge):
        return [text for text in texts if search.objection(text)]
    return [text for text in texts if search.find(text)]


def milliseconds_per_kilobyte(search: Detector | Judge, texts: Sequence[str]) -> float:
    """Return the processor time that *search* takes for a thousand characters of *texts*, two thousand at once."""
    joined = "\n".join(texts)
    letters = [joined[at : at + 2_000] for at in range(0, 100_000, 2_000)]
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        disturbed(search, letters)
        best = min(best, time.process_time() - begin)
    return best * 1_000 / (sum(map(len, letters)) / 1_000)


def main() -> None:
    """Print all of it."""
    print(f"{'check':<14}{'inputs':>8}{'precision':>11}{'recall':>9}")
    for name, one in CORPUS.items():
        score = scored(search_of(name, settings_text(one.settings)), one.samples)
        print(f"{name:<14}{len(one.samples):>8}{score.precision:>11.4f}{score.recall:>9.4f}")
    texts = business(TEXTS)
    everything = set[str]()
    total = 0.0
    print(f"\n{'check':<14}{'disturbed of ' + format(TEXTS, ','):>20}{'ms per kB':>11}")
    for name, search in without_settings():
        found = disturbed(search, texts)
        everything |= set(found)
        took = milliseconds_per_kilobyte(search, texts)
        total += took
        print(f"{name:<14}{len(found):>12} ({len(found) / TEXTS:.2%}){took:>11.3f}")
    print(f"{'together':<14}{len(everything):>12} ({len(everything) / TEXTS:.2%}){total:>11.3f}")
