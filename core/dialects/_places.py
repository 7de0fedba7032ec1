"""Where in a body texts of people and models stand, by the names that its members have: one table for each dialect.

What is not in a table is a text that may be looked at and changed, so a member that a vendor adds is screened from its
first day; what may not be is listed, with the reason.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from core.json_leaves import Steps, numbered, with_numbers, with_texts
from core.json_strings import with_json_strings

SAID = ""
"""The place of what a message says: it depends on whose the message is."""
_OTHER = "other text"
_SETTING = "setting"
_RESULT = "tool result"
_ROLES = {
    "system": "system text",
    "developer": "system text",
    "user": "user text",
    "assistant": "assistant text",
    "tool": _RESULT,
    "function": _RESULT,
}
_RESULTS = ("_result", "_output", "_response")
"""How the kinds of items and blocks end that hold what a tool gave back."""
_THOUGHTS = ("thinking", "reasoning", "reasoning_text", "summary_text")
_DOCUMENTS = ("document", "search_result", "input_file", "file")
_ANSWER = ("content", "text")
_ANSWERS = (None, "text", "output_text", "message", "response.output_text.done")
"""Types of what holds the text of an answer."""
_SEALS = ("signature", "encrypted_content", "encrypted_stdout")
"""Members by which a vendor knows that what stands beside them was not altered."""


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text, and where in a body it stands."""

    text: str = field(repr=False)
    place: str
    """In a few words that are ours: ``user text``, ``tool arguments``."""
    steps: Steps
    """Where the way has come: to be read at once."""
    is_name: bool
    is_sealed: bool
    """Whether the vendor would find out that it was altered: it goes on as it is, or not at all."""
    within: Steps | None = None
    """What leads to it in the JSON that is written as a text, where it stands in one."""
    is_number: bool = False
    """Whether it is a whole number: then another text in its place says that it may not stand there, and 0 does."""


Screen = Callable[[PlacedText], str]
"""Returns a text as it goes on, or the same object."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """The table of one dialect."""

    texts: Mapping[str, str]
    """Members that are texts, or hold them, and the word for their place."""
    whole: Mapping[str, str]
    """Members whose values are the caller's or the model's own, names included, and the word for all of it."""
    json: frozenset[str]
    """Members that are JSON written as a text: what is looked at are the texts in it."""
    kept: Mapping[str, str]
    """Members that are no texts of people, where they are texts at all, and the reason why they go on unseen."""
    opening: Mapping[str, str]
    """Members of which nothing is looked at, whatever they hold, and the reason."""
    media: frozenset[str]
    """Members that hold what no check can read, unless it is said to be a text."""

    def screened(
        self, body: Mapping[str, Any], screen: Screen, said: str = "user text", *, is_json: bool = False
    ) -> Mapping[str, Any]:
        """Return *body* with every text as *screen* makes it, or the same object where nothing changed.

        What stands in no message is *said*, or has a place of its own. An answer's text *is_json* where that was asked
        for: what is looked at are the texts in it.
        """
        return _Way(self, screen, is_json=is_json).members(cast("dict[str, Any]", body), said)

    @cached_property
    def unseen_in_events(self) -> frozenset[str]:
        """Members of a stream's events that are no texts of a model's, or only repeat the one beside them."""
        words = [name for name, place in self.texts.items() if place == _SETTING]
        return frozenset({*self.kept, *self.opening, *self.media, *words, "logprobs"}) - {"url"}

    def knows(self, name: str) -> bool:
        """Whether a member of this name is listed."""
        listed = (self.texts, self.whole, self.kept, self.opening, self.media)
        return any(name in one for one in listed)


class _Way:
    """One way through one body."""

    def __init__(self, places: Places, screen: Screen, *, is_json: bool) -> None:
        self._places = places
        self._is_json = is_json
        self._screen = screen
        self._steps: Steps = []
        self._is_sealed = False

    def members(self, value: dict[str, Any], said: str) -> dict[str, Any]:
        """Return an object of the dialect's own; *said* is the place of what its message says."""
        said, before = _said_by(value) or said, self._is_sealed
        self._is_sealed = before or any(value.get(name) for name in _SEALS)
        made: dict[str, Any] = {}
        changed: set[str] = set()
        for old, inner in value.items():
            name = numbered(self._name(old, said), made)
            self._steps.append(name)
            made[name] = new = self._member(value, old, inner, said)
            self._steps.pop()
            if new is not inner or name != old:
                changed.add(name)
        self._is_sealed = before
        return {**made, **_without_copies(made, changed)} if changed else value

    def _name(self, name: str, said: str) -> str:
        return name if self._places.knows(name) else self._text(name, said or _OTHER, is_name=True)

    def _member(self, holder: Mapping[str, Any], name: str, value: Any, said: str) -> Any:
        places = self._places
        if name in places.opening:
            return value
        if name in places.whole:
            return self._whole(value, places.whole[name], is_json=name in places.json)
        if self._is_json and name in _ANSWER and holder.get("type") in _ANSWERS and isinstance(value, str):
            return self._whole(value, said or _OTHER, is_json=True)
        if isinstance(value, str) and name in places.media:
            return self._media(holder, value)
        return self._inner(value, name, places.texts.get(name) or said)

    def _inner(self, value: Any, name: str, said: str) -> Any:
        if isinstance(value, str):
            return value if name in self._places.kept else self._text(value, said or _OTHER)
        if isinstance(value, dict):
            return self.members(cast("dict[str, Any]", value), said)
        if not isinstance(value, list):
            return value
        items, made = cast("list[Any]", value), list[Any]()
        for index, one in enumerate(items):
            self._steps.append(index)
            made.append(self._inner(one, name, said))
            self._steps.pop()
        return items if all(new is old for new, old in zip(made, items, strict=True)) else made

    def _whole(self, value: Any, place: str, *, is_json: bool) -> Any:
        """Return what is the caller's own, or the model's; what *is_json* as a text is read for that."""

        def changed(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
            return self._text(text, place, is_name=is_name, steps=steps)

        def changed_within(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
            return self._text(text, place, is_name=is_name, steps=[*self._steps, *steps], within=steps)

        def may_stand(digits: str, steps: Steps) -> bool:
            return self._text(digits, place, steps=steps, is_number=True) == digits

        def may_stand_within(digits: str, steps: Steps) -> bool:
            at = [*self._steps, *steps]
            return self._text(digits, place, steps=at, within=steps, is_number=True) == digits

        if is_json and isinstance(value, str):
            return with_json_strings(value, changed_within, may_stand_within)
        return with_numbers(with_texts(value, changed, self._steps), may_stand, self._steps)

    def _media(self, holder: Mapping[str, Any], value: str) -> str:
        """Return what is sent beside words: of a text that is sent so the words are looked at."""
        if holder.get("type") == "text":
            return self._text(value, "document")
        if (head := text_head(value, holder.get("media_type"))) is None:
            return value
        try:
            text = b64decode(value[len(head) :], validate=True).decode()
        except ValueError:
            return value
        new = self._text(text, "document")
        return value if new is text else head + b64encode(new.encode()).decode()

    def _text(
        self,
        text: str,
        place: str,
        *,
        is_name: bool = False,
        is_number: bool = False,
        steps: Steps | None = None,
        within: Steps | None = None,
    ) -> str:
        if not text:
            return text
        at = self._steps if steps is None else steps
        return self._screen(PlacedText(text, place, at, is_name, self._is_sealed, within, is_number))


def text_head(data: str, media_type: Any) -> str | None:
    """Return what stands before the base64 of a *data* that is a text, as that of a link; ``None`` for other media."""
    if data[:10].lower() == "data:text/":
        head, mark, _ = data.partition(",")
        return head + mark if head.endswith(";base64") else None
    return "" if isinstance(media_type, str) and media_type.startswith("text/") else None


def _without_copies(made: Mapping[str, Any], changed: set[str]) -> Mapping[str, Any]:
    """Return what repeats a text that was *changed*, or counts its characters, as nothing."""
    left_out: dict[str, Any] = {}
    if isinstance(made.get("logprobs"), dict | list):
        left_out["logprobs"] = [] if isinstance(made["logprobs"], list) else None
    if isinstance(made.get("annotations"), list) and changed != {"annotations"}:
        left_out["annotations"] = []
    return left_out


def _said_by(value: Mapping[str, Any]) -> str:
    """Return the place of what an object says by itself; empty where it has that of what it stands in."""
    kind, role = value.get("type"), value.get("role")
    if isinstance(kind, str):
        if kind.endswith(_RESULTS):
            return _RESULT
        if kind.endswith("_call"):
            return "tool arguments"
        if kind in _DOCUMENTS:
            return "document"
        if kind in _THOUGHTS or kind.startswith("response.reasoning"):
            return "reasoning"
    return _ROLES.get(role, "message text") if isinstance(role, str) else ""


_SCHEMA = "schema text"
_ID = "an identifier, which the next turn names"
_LINK = "an address, which a vendor fetches or a person follows"
_KEY = "it opens a server of the caller's, which the vendor asks; it is kept and told nowhere"
_SEALED = "only the vendor can read it, and it must be what it was"
_NAMES = (
    *("name", "tool_name", "tool_names", "allowed_tools", "exclude_tools", "clear_tool_inputs", "toolset_name"),
    *("namespace", "server_label", "server_name", "mcp_server_name"),
)
_WORDS = (
    *("type", "role", "status", "detail", "format", "effort", "mode", "finish_reason", "stop_reason", "service_tier"),
    *(
        "betas",
        "inference_geo",
        "trigger",
        "phase",
        "language",
        "size",
        "quality",
        "background",
        "voice",
        "strict",
        "truncation",
        "verbosity",
    ),
)
TEXTS: Mapping[str, str] = {
    **dict.fromkeys(_WORDS, _SETTING),
    **dict.fromkeys(("content", "text", "refusal", "transcript", "input", "prediction", "messages"), SAID),
    **dict.fromkeys(_NAMES, "name"),
    **dict.fromkeys(("description", "server_description"), "description"),
    **dict.fromkeys(("title", "document_title", "filename"), "title"),
    **dict.fromkeys(("user", "user_id", "safety_identifier"), "user"),
    **dict.fromkeys(("stop", "stop_sequences", "stop_sequence"), "stop sequence"),
    **dict.fromkeys(("reasoning", "reasoning_content", "thinking", "summary"), "reasoning"),
    **dict.fromkeys(("system", "instructions"), "system text"),
    **dict.fromkeys(("city", "country", "region", "timezone"), "location"),
    **dict.fromkeys(("output", "outputs", "results", "result", "stdout", "stderr", "logs"), _RESULT),
    **dict.fromkeys(("query", "queries", "code", "commands", "command", "diff", "path", "keys"), "tool arguments"),
    **dict.fromkeys(("env", "working_directory", "pattern", "action", "actions"), "tool arguments"),
    **dict.fromkeys(("error", "message", "error_message", "reason", "explanation"), "error"),
    **dict.fromkeys(("page_age", "retrieved_at", "lines", "created_by"), _RESULT),
    **dict.fromkeys(("allowed_domains", "blocked_domains", "domain", "filters", "key", "value"), "tool setting"),
    "prompt_cache_key": "cache key",
    "definition": _SCHEMA,
    "token": "answer",
    "cited_text": "citation",
    "context": "document",
}
"""Members of every dialect."""
WHOLE: Mapping[str, str] = {
    **dict.fromkeys(("parameters", "schema", "input_schema", "output_schema", "input_examples"), _SCHEMA),
    **dict.fromkeys(("metadata", "attributes"), "metadata"),
    "arguments": "tool arguments",
    "variables": "prompt variable",
    **dict.fromkeys(("annotations", "sources"), "citation"),
}
JSON: frozenset[str] = frozenset({"arguments"})
KEPT: Mapping[str, str] = {
    **dict.fromkeys(("id", "call_id", "tool_call_id", "tool_use_id", "item_id", "file_id", "file_ids"), _ID),
    **dict.fromkeys(("container", "container_id", "conversation", "skill_id", "version", "fingerprint"), _ID),
    **dict.fromkeys(("model", "object", "system_fingerprint", "obfuscation"), _ID),
    **dict.fromkeys(("url", "image_url", "file_url", "server_url"), _LINK),
    **dict.fromkeys(("authorization", "authorization_token"), _KEY),
    **dict.fromkeys(_SEALS, _SEALED),
}
OPENING: Mapping[str, str] = {"headers": _KEY, "domain_secrets": _KEY}
MEDIA: frozenset[str] = frozenset({"data", "file_data", "b64_json"})
OPENAI = Places(
    texts=TEXTS,
    whole=WHOLE,
    json=JSON,
    kept={
        **KEPT,
        **dict.fromkeys(("previous_response_id", "approval_request_id", "caller_id", "tunnel_id"), _ID),
        "vector_store_ids": _ID,
    },
    opening=OPENING,
    media=MEDIA,
)
"""Both dialects of OpenAI's."""
ANTHROPIC = Places(
    texts={**TEXTS, "source": "citation", "input": "tool arguments"},
    whole={**WHOLE, "input": "tool arguments", "partial_json": "tool arguments"},
    json=JSON | {"partial_json"},
    kept={
        **KEPT,
        **dict.fromkeys(("previous_message_id", "workspace_id", "user_profile_id", "tab_id", "download_id"), _ID),
        **dict.fromkeys(("tool_id", "fallback_credit_token", "encrypted_index"), _ID),
    },
    opening=OPENING,
    media=MEDIA,
)
"""Anthropic's messages."""
