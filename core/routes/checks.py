"""What a route may be: every value is checked here, whoever gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from core.attempts import Candidate, Cause
from core.capabilities import Cards, ModelCard
from core.errors import Invalid
from core.lines import one_line
from core.providers import parameters
from core.servers import PROVIDERS, provider_of, recipe_of
from core.settings import Settings

MODES = ("tools", "json_schema", "json", "md_json")
CANDIDATE_FIELDS = (
    "model",
    "mode",
    "max_tokens",
    "most_tokens",
    "timeout_seconds",
    "max_reasks",
    "max_retries",
    "parameters",
)
"""What a candidate may say of itself."""
MOST_HEDGE_MS = 600_000
MOST_CACHE_SECONDS = 30 * 86_400
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_MOST_CANDIDATES = 8
_MOST_TOKENS = 200_000
_MOST_SECONDS = 600.0
USUAL_DEADLINE_SECONDS = 60.0
"""The deadline of a route of which nobody said one."""
_MOST_ATTEMPTS = 10
_LONGEST_DESCRIPTION = 300
_LONGEST_MODEL = 200


def candidate(given: Mapping[str, Any], settings: Settings) -> Candidate:
    """Return one candidate, checked; what it leaves out is the deployment's.

    Raises:
        Invalid: a value that a candidate cannot have.

    """
    try:
        provider, model = provider_of(str(given.get("model", "")).strip())
    except ValueError as error:
        raise Invalid(f"The model {error}.") from None
    if len(model) > _LONGEST_MODEL or not model.isprintable():
        raise Invalid(f"The name of a model has at most {_LONGEST_MODEL} letters, on one line.")
    name = f"{provider}/{model}"
    if unknown := sorted(set(given) - set(CANDIDATE_FIELDS)):
        raise Invalid(f"{name} has {unknown[0]!r}, which is nothing a candidate has: {', '.join(CANDIDATE_FIELDS)}.")
    mode = given.get("mode") or None
    if mode is not None and mode not in MODES:
        raise Invalid(f"The mode {mode!r} of {name} is not one of {', '.join(MODES)}.")
    max_tokens = _tokens("max_tokens", given.get("max_tokens"), settings.max_output_tokens)
    most_tokens = _tokens("most_tokens", given["most_tokens"], 1) if given.get("most_tokens") else None
    if most_tokens is not None and most_tokens < max_tokens:
        raise Invalid(f"most_tokens of {name} is {most_tokens}; it cannot lie below max_tokens, {max_tokens}.")
    return Candidate(
        provider=provider,
        model=model,
        mode=mode,
        max_tokens=max_tokens,
        most_tokens=most_tokens,
        timeout_seconds=_within(
            "timeout_seconds", given.get("timeout_seconds"), settings.attempt_timeout_seconds, _MOST_SECONDS
        ),
        max_reasks=_attempts("max_reasks", given.get("max_reasks")),
        max_retries=_attempts("max_retries", given.get("max_retries")),
        parameters=_parameters(name, given.get("parameters")),
    )


def adjusted(
    one: Candidate, *, mode: str | None = None, max_tokens: int | None = None, parameters: Mapping[str, Any]
) -> Candidate:
    """Return *one* with what is said here in place of what it has; ``None`` leaves it.

    Raises:
        Invalid: a value that a candidate cannot have.

    """
    if mode is not None and mode not in MODES:
        raise Invalid(f"The mode {mode!r} is not one of {', '.join(MODES)}.")
    limit = _tokens("max_tokens", max_tokens, one.max_tokens)
    most = one.most_tokens if one.most_tokens is None else max(one.most_tokens, limit)
    own = _parameters(one.name, parameters)
    return replace(one, mode=mode or one.mode, max_tokens=limit, most_tokens=most, parameters={**one.parameters, **own})


def candidates(
    given: Sequence[Mapping[str, Any]], settings: Settings, cards: Cards, today: date
) -> list[dict[str, Any]]:
    """Return a route's candidates as they are stored: what they say of themselves, and nothing they leave out.

    Raises:
        Invalid: too few or too many, one twice, or one that cannot be.

    """
    if not 1 <= len(given) <= _MOST_CANDIDATES:
        raise Invalid(f"A route has 1 to {_MOST_CANDIDATES} candidates; this one has {len(given)}.")
    checked = [candidate(one, settings) for one in given]
    for one in checked:
        _require_possible(one, settings)
        _require_able(one, cards.of(one.provider, one.model), today)
    if len({one.name for one in checked}) < len(checked):
        raise Invalid("A route names each model once; a second time would only repeat what has just failed.")
    stored: list[dict[str, Any]] = []
    for one, said in zip(checked, given, strict=True):
        kept = {field: value for field, value in said.items() if value not in (None, "", {})}
        stored.append(kept | {"model": one.name} | ({"parameters": dict(one.parameters)} if one.parameters else {}))
    return stored


def _require_possible(one: Candidate, settings: Settings) -> None:
    """Refuse a candidate that its provider can never answer: what is known of a kind says so before anybody pays."""
    require_there(one, settings)
    recipe = recipe_of(one.provider)
    if recipe is None or one.provider in PROVIDERS:
        return
    if one.mode is not None and one.mode not in recipe.modes:
        raise Invalid(
            f"{recipe.title} does not know the mode {one.mode}, which {one.name} is to be asked in; "
            f"it knows {', '.join(recipe.modes)}."
        )
    if lost := [name for name in one.parameters if name not in recipe.parameters]:
        raise Invalid(
            f"{recipe.title} takes no {lost[0]}, which {one.name} is to be asked with; "
            f"it takes {', '.join(recipe.parameters)}."
        )


def require_there(one: Candidate, settings: Settings) -> None:
    """Go on only if a server beside those that are always named is there, and has the model as far as it is said.

    Raises:
        Invalid: it is not, or has not.

    """
    if one.provider in PROVIDERS:
        return
    server = settings.providers.get(one.provider)
    if server is None:
        raise Invalid(
            f"{one.name} can be asked by nobody: {one.provider} is not set up here. Add it to PROVIDERS, and restart."
        )
    if server.models and one.model not in server.models:
        raise Invalid(f"{one.provider} has no model {one.model!r} here; it has {', '.join(server.models[:20])}.")


def _require_able(one: Candidate, card: ModelCard, today: date) -> None:
    """Refuse a candidate whose model cannot do what it is to be asked for, as far as somebody tells what it can."""
    if card.is_retired(today):
        raise Invalid(card.retiring(one.name, today))
    most = max(one.max_tokens, one.most_tokens or 0)
    if card.output is not None and most > card.output:
        told = card.says("output")
        raise Invalid(
            f"{one.name} writes {card.output:,} tokens at most{told}; it is to write {most:,}. Ask for fewer."
        )
    if card.context is not None and most >= card.context:
        raise Invalid(
            f"{one.name} takes {card.context:,} tokens in all, with the question{card.says('context')}; "
            f"it is to write {most:,}. Ask for fewer."
        )
    if card.modes is not None and one.mode is not None and one.mode not in card.modes:
        raise Invalid(
            f"{one.name} cannot be asked by {one.mode}{card.says('modes')}; it can by {', '.join(card.modes)}."
        )
    if lost := [name for name in one.parameters if name in (card.refuses or ())]:
        raise Invalid(f"{one.name} takes no {lost[0]}{card.says('refuses')}. Leave it out.")


def causes(given: Iterable[str] | None) -> frozenset[Cause]:
    """Return the causes of fallback of these names; ``None`` is all of them.

    Raises:
        Invalid: one is none.

    """
    if given is None:
        return frozenset(Cause)
    try:
        return frozenset(Cause(one) for one in given)
    except ValueError as error:
        raise Invalid(f"A route falls back on {', '.join(Cause)}; {str(error).split()[0]} is none of them.") from None


def name(given: str) -> str:
    """Return the name of a route.

    Raises:
        Invalid: it cannot be one.

    """
    if not _NAME.fullmatch(given):
        raise Invalid(f"A route's name has lower-case letters, digits, '-', '_', and begins with a letter: {given!r}.")
    return given


def description(given: str) -> str:
    """Return what a route says of itself, in one line.

    Raises:
        Invalid: it is too long.

    """
    text = one_line(given)
    if len(text) > _LONGEST_DESCRIPTION:
        raise Invalid(f"A description has at most {_LONGEST_DESCRIPTION} characters; this one has {len(text)}.")
    return text


def attempts(what: str, given: Any) -> int:
    """Return a number of re-asks or retries.

    Raises:
        Invalid: it lies outside 0 to 10.

    """
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _MOST_ATTEMPTS:
        raise Invalid(f"{what} lies between 0 and {_MOST_ATTEMPTS}; this is {given}.")
    return given


def deadline(given: float) -> float:
    """Return a deadline in seconds, or raise Invalid."""
    return _within("deadline_seconds", given, USUAL_DEADLINE_SECONDS, _MOST_SECONDS)


def span(what: str, given: Any, most: int) -> int | None:
    """Return a whole number from 1 to *most*; ``None`` and 0 are none.

    Raises:
        Invalid: it is another.

    """
    if not given:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given <= most:
        raise Invalid(f"{what} is a whole number from 1 to {most}, or left out; this is {given!r}.")
    return given


def given(check: Callable[[object], int], value: object) -> int | None:
    """Return *value* as *check* has it; ``None`` is that nobody said it."""
    return None if value is None else check(value)


def _attempts(what: str, given: Any) -> int | None:
    return None if given is None or given == "" else attempts(what, given)


def _parameters(of: str, given: Any) -> dict[str, Any]:
    if given is None or given == "":
        return {}
    if not isinstance(given, Mapping):
        raise Invalid(f"The parameters of {of} are an object, such as {{'temperature': 0.2}}.")
    try:
        return parameters({str(key): value for key, value in given.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] JSON
    except ValueError as error:
        raise Invalid(f"The parameters of {of}: {error}.") from None


def _tokens(what: str, given: Any, default: int) -> int:
    """Return a number of tokens: a whole one, as half a token would be held for as none."""
    found = _within(what, given, default, _MOST_TOKENS)
    if found != int(found):
        raise Invalid(f"{what} is a whole number; this is {given!r}.")
    return int(found)


def _within(what: str, value: Any, default: float, most: float) -> float:
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise Invalid(f"{what} lies above 0 and at most at {most:g}; this is {value!r}.")
    return value
