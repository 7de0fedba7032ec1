"""What a vendor's list of models tells of each, by the names that vendors have for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, cast

from core.capabilities._cards import ModelCard

MOST_TOLD = 2000
"""Models of one list that are read."""
LONGEST_NAME = 200
_CONTEXT = ("context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens")
"""OpenRouter, Groq, Mistral, vLLM, Anthropic."""
_OUTPUT = ("max_completion_tokens", "max_tokens")
"""Groq, Anthropic."""
_RETIRES = ("shutdown_date", "retires_at", "expiration_date")
"""OpenAI, Anthropic, OpenRouter."""
_SAMPLING = ("temperature", "top_p", "top_k", "seed")


def cards_told(body: Any, source: str) -> dict[str, ModelCard]:
    """Return what *body*, the answer of a vendor's ``/models``, tells of each model; of some the name alone.

    Gemini's compatible endpoint writes a path before each name; Mistral names aliases beside a model.
    """
    listed = _of(body).get("data")
    cards: dict[str, ModelCard] = {}
    for one in cast("list[Any]", listed)[:MOST_TOLD] if isinstance(listed, list) else ():
        model = _of(one)
        aliases = model.get("aliases")
        for name in (model.get("id"), *(cast("list[Any]", aliases) if isinstance(aliases, list) else ())):
            if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable():
                cards.setdefault(name.removeprefix("models/"), _card(model, source))
    return cards


def _card(model: Mapping[str, Any], source: str) -> ModelCard:
    known: dict[str, Any] = {
        "context": next(_numbers(model, _CONTEXT), None),
        "output": next(_numbers(model, _OUTPUT), None)
        or next(_numbers(_of(model.get("top_provider")), _OUTPUT[:1]), None),
        "retires": next(_days(model), None),
        "parts": _parts(model),
    }
    taken = model.get("supported_parameters")  # OpenRouter's
    if isinstance(taken, list):
        known["refuses"] = tuple(name for name in _SAMPLING if name not in taken)
    return ModelCard.told(source, **known)


def _parts(model: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what is read beside text, where that is told of images: who tells nothing may read anything."""
    can = _of(model.get("capabilities"))
    if isinstance(vision := can.get("vision"), bool):  # Mistral's; of documents it does not speak
        return None if vision else ()
    told = {
        part: _of(can.get(name)).get("supported")
        for part, name in (("image", "image_input"), ("document", "pdf_input"))
    }
    if all(isinstance(one, bool) for one in told.values()):  # Anthropic's
        return tuple(part for part, has in told.items() if has)
    kinds = _of(model.get("architecture")).get("input_modalities")  # OpenRouter's
    if isinstance(kinds, list):
        named = {"image": "image", "file": "document"}
        return tuple(named[one] for one in cast("list[Any]", kinds) if isinstance(one, str) and one in named)
    return None


def _numbers(model: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[int]:
    for name in names:
        value = model.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield value


def _days(model: Mapping[str, Any]) -> Iterator[date]:
    for name in _RETIRES:
        value = model.get(name)
        if isinstance(value, str):
            try:
                yield date.fromisoformat(value[:10])
            except ValueError:
                continue


def _of(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
