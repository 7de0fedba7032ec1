"""A service of one's own, which is asked about each text and may answer with another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import Invalid
from core.guardrails._outside import JudgeRequest, OddAnswer, RemoteTerms, Verdict
from core.guardrails._rules import USUAL_ACTIONS, Action, Stage
from core.guardrails._settings import failing, require_known
from core.outgoing import Outgoing
from core.settings import Settings

_OBJECTED = "what a service objects to"
_LONGEST = 2_000


class _Result(BaseModel):
    """What it says of one text."""

    model_config = ConfigDict(strict=True)

    action: Literal["pass", "block", "replace"]
    text: str | None = None


class _Results(BaseModel):
    results: list[_Result] = Field(max_length=1_000)


@dataclass(frozen=True, kw_only=True)
class WebhookTerms(RemoteTerms):
    """A webhook."""

    url: str

    @property
    def host(self) -> str:
        """Its host."""
        return urlsplit(self.url).hostname or ""

    @property
    def mended_in(self) -> str:
        """The rule's address, and the bearer of its host."""
        return "the url of the rule, and at WEBHOOK_SECRETS for its host"

    def question(self, texts: Sequence[str], stage: Stage, settings: Settings, outgoing: Outgoing) -> JudgeRequest:
        """Return the texts, and on which side they are; raises NotFetched."""
        address = outgoing.require_allowed(self.url)
        secret = settings.webhook_secrets.get(address.origin.partition("://")[2])
        headers = {"Authorization": f"Bearer {secret.get_secret_value()}"} if secret else {}
        body = orjson.dumps({"stage": stage.value, "texts": list(texts)})
        return JudgeRequest(address, body, headers, is_trusted=False)

    def verdicts(self, body: bytes, count: int) -> Sequence[Verdict]:
        """Return what its results say; raises OddAnswer."""
        try:
            results = _Results.model_validate_json(body).results
        except ValidationError:
            raise OddAnswer from None
        if any((one.action == "replace") != (one.text is not None) for one in results):
            raise OddAnswer
        return [Verdict(_OBJECTED if one.action == "block" else "", one.text) for one in results[: count + 1]]


class Webhook:
    """Asks the service at ``url``, within ``seconds``; ``on_failure`` says what happens where it does not answer."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS - {Action.REPLACE}

    def search(self, settings: Mapping[str, Any]) -> WebhookTerms:
        """Return whom to ask."""
        require_known(settings, ("url", "seconds", "on_failure"))
        url = settings.get("url")
        if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > _LONGEST:
            raise Invalid("url is the address of the service: it begins with https://.")
        seconds, goes_on = failing(settings)
        return WebhookTerms(url=url, seconds=seconds, goes_on=goes_on)


CHECK = Webhook()
