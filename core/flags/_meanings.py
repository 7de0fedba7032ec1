"""Which flags there are, and what each does: the features of Proctor, and whatever has a name that can be stopped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.errors import NotFound

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a flag does, in sentences that finish 'While it is off, …' and 'While it is on, …'."""

    title: str
    default: bool
    on: str
    off: str


class Flag(StrEnum):
    """Every feature that has a flag. Each is honoured in ``core/policy/``; of keeping payloads, in ``core/record/``."""

    GENERATION = "generation.enabled"
    STREAMING = "streaming.enabled"
    FALLBACK = "fallback.enabled"
    LOCAL_MODEL = "local_model.allowed"
    PAYLOADS = "payloads.kept"

    @property
    def meaning(self) -> Meaning:
        """What it does."""
        return _MEANINGS[self]


class FlagKind(StrEnum):
    """What else has flags, one by its name: ``route:fast``. All are on unless somebody turns one off."""

    MODEL = "model"
    ROUTE = "route"
    SCHEMA = "schema"
    TOOL = "tool"
    GUARDRAIL = "guardrail"

    def of(self, name: str) -> str:
        """Return the flag of the thing called *name*."""
        return f"{self.value}:{name}"


_MEANINGS = {
    Flag.GENERATION: Meaning(
        "Generation",
        default=True,
        on="generations are answered.",
        off="every generation is refused before a provider is asked, and costs nothing.",
    ),
    Flag.STREAMING: Meaning(
        "Streaming",
        default=True,
        on="answers may be streamed as they are written.",
        off="requests for a stream are refused; requests for a whole answer go on.",
    ),
    Flag.FALLBACK: Meaning(
        "Fallback",
        default=True,
        on="the next model of the route is asked when the first cannot answer.",
        off="only the first model of a route is asked; if it cannot answer, the generation fails.",
    ),
    Flag.LOCAL_MODEL: Meaning(
        "Local model",
        default=True,
        on="the small local model may answer where a route names it.",
        off="the local model is left out of every route; a route with no other model refuses.",
    ),
    Flag.PAYLOADS: Meaning(
        "Keeping payloads",
        default=True,
        on="prompts and answers are kept for as long as the tenant's retention says.",
        off="prompts and answers are not kept; figures, outcomes and field errors still are.",
    ),
}
_OF_KINDS = {
    FlagKind.MODEL: (
        "it is asked where a route or a caller names it.",
        "it is left out of every route; a route with no other model refuses.",
    ),
    FlagKind.ROUTE: ("calls go this way.", "calls that would go this way are refused, and cost nothing."),
    FlagKind.SCHEMA: ("it is answered.", "calls for it are refused, and cost nothing."),
    FlagKind.GUARDRAIL: ("it looks at every text that it is for.", "texts go on as if there were no such rule."),
    FlagKind.TOOL: ("callers may bring it along.", "relayed calls that bring it along are refused, and cost nothing."),
}


_KINDS = {one.value: one for one in FlagKind}


def kind_of(name: str) -> FlagKind | None:
    """Return what the flag called *name* is about; ``None`` where it is a feature."""
    kind, colon, _ = name.partition(":")
    return _KINDS.get(kind) if colon else None


def meaning_of(name: str) -> Meaning:
    """Return what the flag called *name* does.

    Raises:
        NotFound: there is no such flag.

    """
    kind = kind_of(name)
    if kind is None:
        return Flag(checked_name(name)).meaning
    on, off = _OF_KINDS[kind]
    return Meaning(f"{kind.capitalize()} {name.partition(':')[2]}", default=True, on=on, off=off)


def checked_name(name: str) -> str:
    """Return *name* where it can be that of a flag.

    Raises:
        NotFound: it cannot.

    """
    kind, _, rest = name.partition(":")
    is_plain = rest == rest.strip() and rest.isprintable() and len(rest) <= _LONGEST_NAME
    if name in set(Flag) or (kind in _KINDS and rest and is_plain):
        return name
    kinds = ", ".join(f"{one.value}:NAME" for one in FlagKind)
    raise NotFound(f"There is no flag {name[:80]!r}. There are: {', '.join(Flag)}; and {kinds}.")
