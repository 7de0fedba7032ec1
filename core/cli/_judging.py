"""How those answer whom guardrails ask: those of all rules that are on, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.settings import Settings
    from core.store import Store

_MOST_ASKED = 100
_QUESTION = "Is anybody there?"


@dataclass(frozen=True, slots=True)
class AskedJudge:
    """One service, and how it answers."""

    rule: str
    is_well: bool
    sentence: str


def judging(settings: Settings, store: Store, *, asks: bool) -> Iterator[AskedJudge]:
    """Yield each service that a rule asks, by the first such rule; with *asks* it is sent one sentence of ours."""
    from core.clock import SystemClock  # noqa: PLC0415 who asks for help need not load it
    from core.errors import ProctorError  # noqa: PLC0415
    from core.guardrail_rules import GuardrailRules, terms_of  # noqa: PLC0415
    from core.guardrails import NameTerms, OutsideJudges, OutsideTerms, Stage, guardrail_of  # noqa: PLC0415

    named: dict[OutsideTerms, str] = {}
    for rule in GuardrailRules(store, SystemClock()).list(OPERATOR):
        try:
            search = guardrail_of(terms_of(rule)).search if rule.is_on else None
        except ProctorError as error:
            yield AskedJudge(rule.name, is_well=False, sentence=error.message)
            continue
        if isinstance(search, OutsideTerms):
            named.setdefault(search, rule.name)
    judges = OutsideJudges(settings, SystemClock())
    asked: list[OutsideTerms] = []
    for terms, name in named.items():
        try:
            judges.require(terms)
        except ProctorError as error:
            yield AskedJudge(name, is_well=False, sentence=error.message)
            continue
        asked.append(terms)
    if asks:
        wait([judges.prepare(one) for one in asked if isinstance(one, NameTerms)])
        judges.verdicts({terms: [_QUESTION] for terms in asked[:_MOST_ASKED]}, Stage.INPUT)
    failing = judges.failing
    for terms in asked[:_MOST_ASKED]:
        well = f"{terms.host} answers." if asks else f"It asks {terms.host}; 'proctor doctor --network' asks it once."
        yield AskedJudge(named[terms], terms not in failing, failing.get(terms, well))
    judges.close()
