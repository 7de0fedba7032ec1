"""The messages of a request: what is stable goes out first, and nothing of them comes back in an error.

Text goes out as a string, as ever; parts as the vendor's dialect writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from core.capabilities import Cards
from core.messages import Media, Message, Part, Text, media_of, texts_of
from core.providers import Ask, Unreadable

_ESCAPED = ('"', "\n", "\\", "\r", "\t")
Written = Callable[[Text | Media, str], dict[str, Any]]
"""A part of a message of the given role, in a vendor's dialect."""


def messages_of(ask: Ask, written: Written) -> list[dict[str, Any]]:
    """Return the messages of *ask* as plain dictionaries that a conversation may extend, what is stable first.

    A vendor's cache knows a prompt by its beginning. Stable is what is marked so, and the system messages that the
    messages begin with; among themselves both halves keep their order.
    """
    return [in_dialect(one, written) for one in (*stable_of(ask), *varying_of(ask))]


def stable_of(ask: Ask) -> list[Message]:
    """Return the messages that other calls begin with as well."""
    return [one for one, is_stable in _told_apart(ask.messages) if is_stable]


def varying_of(ask: Ask) -> list[Message]:
    """Return the messages that are this call's own."""
    return [one for one, is_stable in _told_apart(ask.messages) if not is_stable]


def _told_apart(messages: Sequence[Message]) -> Iterator[tuple[Message, bool]]:
    leads = True
    for message in messages:
        leads = leads and message.role == "system"
        yield message, leads if message.stable is None else message.stable


def in_dialect(message: Message, written: Written) -> dict[str, Any]:
    """Return one message in a vendor's dialect."""
    content = message.text
    parts = [written(framed(part), message.role) for part in message.parts] if content is None else content
    return {"role": message.role, "content": parts}


def framed(part: Part) -> Text | Media:
    """Return *part*, if it is one that a request for an object may hold."""
    if isinstance(part, Text) or (isinstance(part, Media) and part.kind in ("image", "document") and not part.file_id):
        return part
    raise Unreadable("a request for an object holds texts, images and documents")


def require_readable(ask: Ask, provider: str, cards: Cards | None) -> None:
    """Go on only if the model that *ask* names is not known to read no images, or there are none.

    Raises:
        Unreadable: so it is; the text says who tells it.

    """
    if cards is not None and any(one.kind == "image" for one in media_of(ask.messages)):
        card = cards.of(provider, ask.model)
        if card.parts is not None and "image" not in card.parts:
            raise Unreadable(f"{provider}/{ask.model} reads no images{card.says('parts')}")


def sent_by(ask: Ask) -> tuple[str, ...]:
    """Return the texts of *ask* that no page, log or answer may show. What looks like data is shown by none anyway."""
    return (*texts_of(ask.messages), *(one.url for one in media_of(ask.messages) if one.url))


def unpaid_bytes(ask: Ask) -> int:
    """Return how many bytes of a request's body at least are not paid as text.

    That is the data of images and documents, and what JSON writes before a quote, a line break, a tab and a backslash.
    """
    data = sum(len(one.data) for one in media_of(ask.messages))
    texts = (part.text for message in ask.messages for part in message.parts if isinstance(part, Text))
    return data + sum(text.count(mark) for text in texts for mark in _ESCAPED)


# ── Dialects ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_chat(part: Text | Media, _role: str) -> dict[str, Any]:
    """Return a part as chat completions take it.

    Raises:
        Unreadable: a document by its link, which they do not follow.

    """
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": part.url or _data_url(part)}}
    if part.url:
        raise Unreadable("chat completions take a document as data, not by a link")
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": _data_url(part)}}


def in_responses(part: Text | Media, role: str) -> dict[str, Any]:
    """Return a part as the Responses API takes it."""
    if isinstance(part, Text):
        return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
    if part.kind == "image":
        return {"type": "input_image", "image_url": part.url or _data_url(part), "detail": "auto"}
    if part.url:
        return {"type": "input_file", "file_url": part.url}
    return {"type": "input_file", "filename": part.name or "document.pdf", "file_data": _data_url(part)}


def in_blocks(part: Text | Media, _role: str = "") -> dict[str, Any]:
    """Return a part as Anthropic takes it."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    source: Mapping[str, Any] = {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.url:
        source = {"type": "url", "url": part.url}
    named = {"title": part.name} if part.name and part.kind == "document" else {}
    return {"type": part.kind, "source": source, **named}


def _data_url(part: Media) -> str:
    return f"data:{part.media_type};base64,{part.data}"
