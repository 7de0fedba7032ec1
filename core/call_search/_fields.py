"""The fields of a search: what each is called, what its values are like and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.tables import Outcome

METADATA = "metadata"
"""The field that is written with the name of a member: ``metadata.team:core``."""
WORDS = "text"
"""The field of words that name none."""


class FieldKind(StrEnum):
    """What the values of a field are like."""

    NAME = "name"
    """As it is spelled; ``*`` stands for any text."""
    TEXT = "text"
    """A part of it is enough, and capital letters make no difference."""
    DURATION = "duration"
    MONEY = "money"
    COUNT = "count"
    SWITCH = "yes or no"

    @property
    def is_number(self) -> bool:
        """Whether its values can be compared."""
        return self in {FieldKind.DURATION, FieldKind.MONEY, FieldKind.COUNT}


@dataclass(frozen=True, slots=True)
class SearchField:
    """One field."""

    name: str
    kind: FieldKind
    finds: str
    """Calls …, in words."""
    sample: str
    other_names: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """All that it can be, and what each is called here; nothing where it may be anything."""


OUTCOME_GROUPS = ("any_valid", "any_error", "any_blocked")
"""Names for several outcomes at once, which stand beside single ones."""
SUPERSEDED_CALLS = "superseded"
"""Beside them: calls that their client asked again for."""
_OUTCOMES = {
    **{name: name for name in (*(one.value for one in Outcome), *OUTCOME_GROUPS, SUPERSEDED_CALLS)},
    **{name.removeprefix("any_"): name for name in OUTCOME_GROUPS},
}
_SWITCH = {"yes": "yes", "no": "no", "true": "yes", "false": "no"}
_K = FieldKind

_ALL = (
    SearchField("tenant", _K.NAME, "of that tenant, by its name in any letters or by its id", "tenant:acme"),
    SearchField("key", _K.NAME, "made with that key: its name, how its text begins, or its id", "key:nightly*"),
    SearchField("user", _K.NAME, "made for that user, as the caller named him", 'user:"ada@acme.example"'),
    SearchField(
        "outcome", _K.NAME, "that ended so; also `valid`, `error`, `blocked` and `superseded`",
        "outcome:(invalid OR timeout)", values=_OUTCOMES,
    ),
    SearchField("error", _K.NAME, "with that error code", "error:throttled", ("error_code",)),
    SearchField("schema", _K.NAME, "that asked for that schema", "schema:invoice"),
    SearchField("version", _K.COUNT, "that asked for that version of a schema", "version:>=3"),
    SearchField("field", _K.NAME, "with an error in that field: a path, or its last name", "field:total"),
    SearchField("route", _K.NAME, "that went that route", "-route:default"),
    SearchField("model", _K.NAME, "that model answered, or was asked last", "model:gpt-*"),
    SearchField("provider", _K.NAME, "in which that provider was asked, in any attempt", "provider:openai"),
    SearchField("guardrail", _K.NAME, "in which that guardrail found something", "guardrail:secrets"),
    SearchField("found", _K.NAME, "in which something of that kind was found", 'found:"an AWS access key"'),
    SearchField("latency", _K.DURATION, "that took so long, from the door to the record", "latency:>2s", ("duration",)),
    SearchField("ttft", _K.DURATION, "whose first token came after so long", "ttft:>=800ms"),
    SearchField("cost", _K.MONEY, "that cost so much, in dollars, as far as that is known", "cost:>0.01"),
    SearchField("wasted", _K.MONEY, "of whose cost so much bought no valid object", "wasted:>0"),
    SearchField("tokens", _K.COUNT, "with so many tokens, input and output", "tokens:1k..2k"),
    SearchField("input_tokens", _K.COUNT, "with so many tokens of input", "input_tokens:>100k"),
    SearchField("output_tokens", _K.COUNT, "with so many tokens of output", "output_tokens:..20"),
    SearchField("attempts", _K.COUNT, "that took so many attempts", "attempts:>1"),
    SearchField("streamed", _K.SWITCH, "that were streamed", "streamed:yes", values=_SWITCH),
    SearchField("estimated", _K.SWITCH, "whose usage is partly an estimate", "estimated:yes", values=_SWITCH),
    SearchField("unpriced", _K.SWITCH, "with an attempt that has no price", "unpriced:yes", values=_SWITCH),
    SearchField("reask", _K.SWITCH, "with which a client asked again by itself", "reask:yes", values=_SWITCH),
    SearchField("id", _K.NAME, "whose id is that, or begins so", "id:0193*"),
    SearchField("request", _K.NAME, "whose request id is that, or begins so", "request:req-7*", ("request_id",)),
    SearchField("detail", _K.TEXT, "in whose error sentence that stands", 'detail:"rate limit"'),
    SearchField(METADATA, _K.NAME, "that their caller noted so", "metadata.team:core"),
    SearchField("prompt", _K.TEXT, "in whose messages that stands", 'prompt:"order 7"'),
    SearchField("answer", _K.TEXT, "in whose answer that stands", 'answer:"EUR"'),
    SearchField(WORDS, _K.TEXT, "whose id or request id begins so, or whose error says that", '"rate limit"'),
)  # fmt: skip
FIELDS: Mapping[str, SearchField] = {one.name: one for one in _ALL}
"""Every field by its name."""
NAMES: Mapping[str, str] = {name: one.name for one in _ALL for name in (one.name, *one.other_names)}
"""All that may be written for a field."""
