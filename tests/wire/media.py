"""What each vendor takes of images and documents in a message, as their references say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_DATA_URL = re.compile(r"data:(image/(?:png|jpeg|webp|gif)|application/pdf);base64,[A-Za-z0-9+/]+=*")
_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif")


def in_chat(messages: Any) -> str | None:
    """Return why chat completions would turn the parts of *messages* away, if they would."""
    for role, part in _parts(messages):
        match part:
            case {"type": "text", "text": str()}:
                continue
            case {"type": "image_url", "image_url": {"url": str(url)}} if role == "user" and _is_image(url):
                continue
            case {"type": "file", "file": {"file_data": str(data), "filename": str()}} if role == "user":
                if data.startswith("data:application/pdf;base64,"):
                    continue
        return f"Invalid content part {part.get('type')!r} in a message of the role {role}."
    return None


def in_responses(items: Any) -> str | None:
    """Return why the Responses API would turn the parts of *items* away, if it would."""
    for role, part in _parts(items):
        match part:
            case {"type": "output_text", "text": str()} if role == "assistant":
                continue
            case {"type": "input_text", "text": str()} if role != "assistant":
                continue
            case {"type": "input_image", "image_url": str(url)} if role == "user" and _is_image(url):
                continue
            case {"type": "input_file", "file_url": str(url)} if role == "user" and url.startswith("https://"):
                continue
            case {"type": "input_file", "file_data": str(data), "filename": str()} if _DATA_URL.fullmatch(data):
                continue
        return f"Invalid value: {part.get('type')!r} in an item of the role {role}."
    return None


def in_messages(messages: Any) -> str | None:
    """Return why Anthropic would turn the images and documents of *messages* away, if it would."""
    for role, part in _parts(messages):
        kind = part.get("type")
        if kind not in ("image", "document"):
            continue
        match part.get("source"):
            case {"type": "base64", "media_type": media_type, "data": str()} if role == "user":
                if media_type in (_IMAGES if kind == "image" else ("application/pdf",)):
                    continue
            case {"type": "url", "url": str(url)} if role == "user" and url.startswith("https://"):
                continue
        return f"messages: {kind}.source: input is not valid."
    return None


def _is_image(url: str) -> bool:
    return url.startswith("https://") or (_DATA_URL.fullmatch(url) is not None and not url.startswith("data:app"))


def _parts(messages: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in messages:
        content = message.get("content") if isinstance(message, Mapping) else None
        if isinstance(content, Sequence) and not isinstance(content, str):
            yield from ((message.get("role", ""), part) for part in content)
