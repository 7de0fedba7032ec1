"""The rules for secrets: those that are published, as ``tests/secret_rules.py`` made them, and our own beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PUBLISHED = Path(__file__).with_name("secret_rules.json")
_VALUE = "A-Za-z0-9._~+/=!@#$%^&*|:-"
VAGUE = frozenset({"a secret", "a credential", "an API key"})
"""Kinds of which a shape or a word before it tells no more: they have digits and letters."""


@dataclass(frozen=True, slots=True, eq=False)
class SecretRule:
    """How one kind of secret is known."""

    kind: str
    pattern: str
    """For RE2. It begins where the secret does, or with what has to stand before it."""
    words: tuple[str, ...]
    """In small letters; in what matches stands one of them."""
    group: int = 0
    """Which group of the pattern is the secret."""
    alphabet: str = ""
    """What a secret may go on with behind what matched."""
    entropy: float = 0.0
    """Bits per character that it has at least (Shannon, of the frequencies in itself)."""
    lead: int = 0
    """Characters of it that stand before its word."""
    follows: bool = False
    """It stands behind its word."""
    is_beside: bool = False
    """Its shape proves nothing, a word before it does: so its length is exact, and that word must be in view."""


def _ours() -> list[SecretRule]:
    """Return what is written otherwise in prose than in code, and what is ours."""
    word = r"(?:api|secret|access)[_ -]?key|client[_ -]?secret|token|secret|passw(?:or)?d|passphrase|key"
    is_ = r"[\"'`]?\s{0,3}(?:is|:=|=>|=|:)\s{0,3}[\"'`]?"
    # ``the primary key is Nordwind_84103121``: a word and numbers after a bare ``key`` name a row and are no secret.
    of_row = r"[a-z]{2,40}(?:[_-](?:\d{1,20}|[a-z]{1,4}(?:\d{4,20})?)){1,3}"
    named = rf"key{is_}{of_row}(?:[^{_VALUE}]|[.:!?*|](?:\s|\z)|\z)"
    sessions = r"(?:[\w.-]*(?:sess|sid|auth|token|jwt)[\w.-]*)"
    return [
        SecretRule(
            "an OpenAI key",
            r"sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,}",
            ("sk-",),
            alphabet="_-",
            entropy=3.5,
        ),
        SecretRule("an OpenAI key", r"sk-[A-Za-z0-9]{32,}", ("sk-",), entropy=3.5),
        SecretRule(
            "an API key",
            r"(?:sk|pk|rk)[-_][A-Za-z0-9_-]{20,}",
            ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_"),
            alphabet="_-",
            entropy=3.5,
        ),
        SecretRule("a Proctor key", r"(?:proctor|prk)_[0-9A-Za-z]{30,}", ("proctor_", "prk_"), entropy=3.0),
        SecretRule("a Twilio key", r"SK[0-9a-fA-F]{32}", ("sk",), entropy=3.0),
        SecretRule("a Databricks token", r"dapi[0-9a-f]{32}(?:-\d)?", ("dapi",), entropy=3.0),
        SecretRule("an Atlassian token", r"ATATT3[A-Za-z0-9_=-]{150,}", ("atatt3",), alphabet="_=-", entropy=3.5),
        SecretRule("a HashiCorp token", r"atlasv1\.[A-Za-z0-9_=-]{60,}", ("atlasv1.",), alphabet="_=-", entropy=3.5),
        SecretRule("a Perplexity key", r"pplx-[A-Za-z0-9]{48}", ("pplx-",), entropy=3.0),
        SecretRule("a JSON web token", r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}", ("eyj",), alphabet="_-", entropy=3.0),
        SecretRule(
            "a Slack webhook",
            r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{40,80})",
            ("hooks.slack.com",),
            group=1,
            follows=True,
        ),
        SecretRule(
            "a Teams webhook",
            r"webhook\.office\.com/webhookb2/([a-zA-Z0-9@/-]{40,300})",
            ("webhook.office.com",),
            group=1,
            follows=True,
        ),
        SecretRule(
            "an Azure key",
            r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,90}={0,2})",
            ("accesskey=", "accountkey="),
            group=1,
            follows=True,
        ),
        SecretRule(
            "a password",
            r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s/:@\"'`<>]{0,64}:([A-Za-z0-9._~+=!$%^&*:|-]{3,100})@[A-Za-z0-9\[]",
            ("://",),
            group=1,
            follows=True,
        ),
        SecretRule(
            "a credential",
            rf"(?i)authorization[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?(?:bearer|basic|token|digest|apikey)\s{{1,3}}([{_VALUE}]{{8,}})",
            ("authorization",),
            group=1,
            follows=True,
            is_beside=True,
        ),
        SecretRule(
            "a credential",
            r"(?i)bearer\s{1,3}([A-Za-z0-9._~+/=-]{20,})",
            ("bearer",),
            group=1,
            entropy=3.5,
            follows=True,
            is_beside=True,
        ),
        SecretRule(
            "a credential",
            rf"(?i)x-api-key[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?([{_VALUE}]{{8,}})",
            ("x-api-key",),
            group=1,
            follows=True,
            is_beside=True,
        ),
        SecretRule(
            "a password",
            rf"curl\s[^\n]{{0,90}}?(?:-u|--user)[ =]?[\"']?[^\s:\"'`]{{1,64}}:([{_VALUE}]{{3,100}})",
            ("curl",),
            group=1,
            follows=True,
            is_beside=True,
        ),
        SecretRule(
            "a session",
            rf"(?i)cookie[\"']?\s{{0,3}}[:=]\s{{0,3}}[^\n]{{0,60}}?{sessions}=([A-Za-z0-9._~+/=%-]{{12,}})",
            ("cookie",),
            group=1,
            follows=True,
            is_beside=True,
        ),
        SecretRule(
            "a secret",
            rf"(?i)(?:{named}|(?:{word}){is_}([{_VALUE}]{{16,200}}))",
            ("key", "token", "secret", "password", "passwd", "passphrase"),
            group=1,
            entropy=3.6,
            follows=True,
            is_beside=True,
        ),
    ]


def rules() -> tuple[Sequence[SecretRule], str]:
    """Return the rules, and the day of those that are published."""
    content: dict[str, Any] = json.loads(_PUBLISHED.read_text())
    published = [
        SecretRule(
            kind=rule["kind"],
            pattern=rule["pattern"],
            words=tuple(rule["words"]),
            group=rule["group"],
            alphabet=rule["alphabet"],
            entropy=rule["entropy"],
            lead=rule.get("lead", 0),
            follows=rule["beside"],
            is_beside=rule["beside"],
        )
        for rule in content["rules"]
    ]
    return (*_ours(), *published), content["date"]
