"""What is known of a kind of provider before anybody calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Dialect = Literal["chat", "responses", "messages"]
"""OpenAI's chat completions, OpenAI's Responses API, Anthropic's messages API."""
Authentication = Literal["bearer", "api-key", "x-api-key", "aws", "google"]
"""How a call says who we are: a key in a header of one of these names, or what a cloud's own library signs with."""
EVERY_MODE = ("tools", "json_schema", "json", "md_json")
"""The ways in which a model may be asked for an object."""
EVERY_PART = ("image", "document")
"""What a model may read beside text."""
_OF_OPENAI = ("temperature", "top_p", "seed", "reasoning_effort", "verbosity", "service_tier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A kind of provider: where it is, what it speaks, and what it lacks of it."""

    title: str
    """What its maker calls it."""
    variable: str = ""
    """What sets up the provider that has this very name; empty: the list ``PROVIDERS``."""
    hint: str = ""
    """What else does, as Markdown that follows the variable's name."""
    families: tuple[str, ...] = ()
    """How the names of its models begin, so that they need not say whose they are."""
    address: str = ""
    """Where it is, unless ``NAME_BASE_URL`` says otherwise, with ``{region}`` and ``{project}`` in it; empty: only
    where that says.
    """
    first_model: str = ""
    """The model that is asked where nobody has said which."""
    is_remote: bool = True
    has_makers_names: bool = False
    """Whether its models are OpenAI's or Anthropic's own, by their makers' names."""
    prices: tuple[str, ...] = ()
    """The lists of genai-prices that know its models, by their names there; the first that knows one counts. What the
    models of a server without a list cost, nobody but its operator knows.
    """
    name_path: str = ""
    """What stands before the names of its models and not in lists of prices."""
    dialect: Dialect = "chat"
    other_dialects: tuple[Dialect, ...] = ()
    """What else such a server may be said to speak."""
    also: tuple[Dialect, ...] = ()
    """Those of them that the usual address serves as well, so that nobody needs to say so."""
    stores: tuple[Dialect, ...] = ()
    """In which of its dialects it stores an answer of which ``store`` does not say false, for 30 days."""
    authentication: Authentication = "bearer"
    elsewhere: Mapping[Dialect, tuple[str, Authentication]] = field(
        default_factory=dict[Dialect, tuple[str, Authentication]]
    )
    """The address of a dialect that is served at another one, and how a call says who we are there."""
    lists_models: bool = True
    """Whether it tells its models for nothing, which is how a server is checked."""
    wants_key: bool = False
    """Whether nothing works without a key."""
    needs: tuple[str, ...] = ()
    """What must be said of a server of this kind: ``base_url``, ``region``, ``project``."""
    extra: str = ""
    """The optional dependency of Proctor that it needs, where no key says who we are."""
    modes: tuple[str, ...] = EVERY_MODE
    """How it may be asked for an object, what suits it best first."""
    parameters: tuple[str, ...] = _OF_OPENAI
    """Those of a candidate that it takes."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Its own names for some of these."""
    parts: tuple[str, ...] = EVERY_PART
    """What it reads beside text."""
    rules: Literal["openai", "anthropic", "compatible", "local"] = "compatible"
    """Whose rules for schemas hold, and whose words: only who decodes to OpenAI's is told ``strict``."""
    takes_stream_options: bool = True
    """Whether a stream may be asked to tell its usage; a server that turns such a request away tells it unasked."""
    takes_any_call_id: bool = True
    """Whether ids of calls may be anything; else nine letters and digits."""
    tool_names: str = ""
    """What may be the name of a tool or of a format, as a pattern; empty: it is not known."""
    documentation: str = ""
    """Where its maker writes how it is called."""
    note: str = ""
    """What who uses it should know, in one sentence."""

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """What such a server may be said to speak, the usual first."""
        return (self.dialect, *self.other_dialects)
