"""OpenAI's moderation, or that of a server which speaks it: categories, each with a score."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import Invalid
from core.guardrails._outside import JudgeRequest, OddAnswer, RemoteTerms, Verdict
from core.guardrails._rules import USUAL_ACTIONS, Action, Stage
from core.guardrails._settings import failing, require_known
from core.outgoing import Outgoing, read_address
from core.servers import is_provider
from core.settings import Settings

_USUAL_MODEL = "omni-moderation-latest"
_CATEGORY = re.compile(r"[a-z][a-z_/-]{0,39}")
_MODEL = re.compile(r"[!-~]{1,200}")
_NAMED = 3
"""Categories that a finding names."""


class _Judged(BaseModel):
    """What is said of one text."""

    model_config = ConfigDict(strict=True)

    flagged: bool
    categories: dict[str, bool | None]
    category_scores: dict[str, float | None]


class _Moderated(BaseModel):
    results: list[_Judged]


@dataclass(frozen=True, kw_only=True)
class ModerationTerms(RemoteTerms):
    """A provider's moderation."""

    provider: str
    model: str
    thresholds: tuple[tuple[str, float], ...]
    """By category, from which score on it is objected to; without any what is flagged is."""

    @property
    def host(self) -> str:
        """The provider's name."""
        return self.provider

    @property
    def mended_in(self) -> str:
        """The provider's key and address, and the rule's model."""
        return f"the key and the address of the provider {self.provider}, and at the model of the rule"

    def question(self, texts: Sequence[str], stage: Stage, settings: Settings, outgoing: Outgoing) -> JudgeRequest:
        """Return the texts, in order; raises Invalid where the provider is not set up."""
        del stage, outgoing
        if self.provider not in settings.remote_providers or not settings.has_provider(self.provider):
            raise Invalid(f"provider: {self.provider} is not set up here. Name one that speaks OpenAI's dialect.")
        given = settings.address(self.provider).rstrip("/")
        address = read_address(f"{given.removesuffix('/v1')}/v1/moderations")
        server = settings.providers.get(self.provider)
        key = server.keys[0].get_secret_value() if server and server.keys else ""
        key = key or ("" if server else settings.keys(self.provider)[0])
        body = orjson.dumps({"model": self.model, "input": list(texts)})
        return JudgeRequest(address, body, {"Authorization": f"Bearer {key}"} if key else {}, is_trusted=True)

    def verdicts(self, body: bytes, count: int) -> Sequence[Verdict]:
        """Return what its results say; raises OddAnswer."""
        del count
        try:
            results = _Moderated.model_validate_json(body).results
        except ValidationError:
            raise OddAnswer from None
        return [Verdict(self._objection(one)) for one in results]

    def _objection(self, judged: _Judged) -> str:
        if self.thresholds:
            scores = judged.category_scores
            found = [name for name, least in self.thresholds if (scores.get(name) or 0.0) >= least]
            if not found:
                return ""
        elif not judged.flagged:
            return ""
        else:
            found = [name for name, is_flagged in judged.categories.items() if is_flagged]
        named = sorted(name for name in found if _CATEGORY.fullmatch(name))[:_NAMED]
        return f"what is moderated ({', '.join(named)})" if named else "what is moderated"


class Moderation:
    """Asks a ``provider`` (``openai``) by ``model``; ``thresholds`` by category go before its flag."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS - {Action.REPLACE}

    def search(self, settings: Mapping[str, Any]) -> ModerationTerms:
        """Return whom to ask."""
        require_known(settings, ("provider", "model", "thresholds", "seconds", "on_failure"))
        provider, model = settings.get("provider", "openai"), settings.get("model", _USUAL_MODEL)
        if not isinstance(provider, str) or not is_provider(provider):
            raise Invalid("provider is the name of a provider that is set up, such as openai.")
        if not isinstance(model, str) or not _MODEL.fullmatch(model):
            raise Invalid(f"model is the name of a model for moderation, such as {_USUAL_MODEL}.")
        seconds, goes_on = failing(settings)
        return ModerationTerms(
            provider=provider,
            model=model,
            thresholds=_thresholds(settings.get("thresholds", {})),
            seconds=seconds,
            goes_on=goes_on,
        )


def _thresholds(given: Any) -> tuple[tuple[str, float], ...]:
    """Return from which score on each category is objected to; raises Invalid."""
    found: list[tuple[str, float]] = []
    for name, least in cast("dict[Any, Any]", given).items() if isinstance(given, dict) else [("", None)]:
        is_number = isinstance(least, int | float) and not isinstance(least, bool) and 0 < least <= 1
        if not _CATEGORY.fullmatch(name) or not is_number:
            raise Invalid('thresholds has a number above 0 and up to 1 for each category: {"violence": 0.8}.')
        found.append((name, float(cast("float", least))))
    return tuple(sorted(found))


CHECK = Moderation()
