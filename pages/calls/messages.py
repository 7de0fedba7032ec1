"""The messages of a call: what was said, and what was shown beside it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import streamlit as st
from PIL import Image

from core.reports import Call
from pages.calls import files
from pages.kit import formats
from pages.kit.exports import export
from pages.kit.json_values import is_list, is_object
from pages.kit.markup import plain

ROLES = {"system": "gray", "user": "blue", "assistant": "violet", "tool": "orange"}


def draw(messages: Any, call_id: str) -> None:
    """Draw messages of any vendor, of that call: text as text, anything else as JSON."""
    for message in messages if is_list(messages) else [messages]:
        if not is_object(message):
            st.code(str(message), language=None, wrap_lines=True)
            continue
        role = str(message.get("role") or message.get("type") or "message")
        st.markdown(f":{ROLES.get(role, 'gray')}-badge[{plain(role)}]")
        content = message.get("content")
        rest = {name: value for name, value in message.items() if name not in ("role", "content") and value}
        if isinstance(content, str):
            st.code(content, language=None, wrap_lines=True)
        elif is_list(content):
            for part in content:
                _part(part, call_id)
        elif content:
            st.json(content, expanded=2)
        if rest:
            st.json(rest, expanded=2)


def _part(part: Any, call_id: str) -> None:
    """Draw a part of a message: text as text, a picture as one, of a document what it is; anything else as JSON."""
    given: Mapping[str, Any] = part if is_object(part) else {}
    match given:
        case {"type": "text", "text": str(text)}:
            st.code(text, language=None, wrap_lines=True)
        case {"type": "image", "data": str(data)}:
            _image(data, str(given.get("media_type")))
        case {"type": "document", "data": str(data)}:
            name = str(given.get("name") or "document.pdf")
            export(f"Download {name}", files.DOCUMENT, files.Document(call_id, files.digest(data)), name=name)
        case {"type": "tool_call", "name": str(name)}:
            st.caption(f"Calls the tool {plain(name)}")
            st.json(given.get("arguments"), expanded=2)
        case {"type": "tool_result"}:
            st.caption("What a tool gave back" + (", as an error" if given.get("is_error") else ""))
            content = given.get("content")
            for inner in content if is_list(content) else ():
                _part(inner, call_id)
        case {"type": "reasoning", "text": str(text)}:
            st.caption("What the model thought" if text else "What the model thought, readable by its vendor alone")
            if text:
                st.code(text, language=None, wrap_lines=True)
        case _:  # pyright: ignore[reportUnknownVariableType] a pattern forgets what the mapping holds
            st.json(part, expanded=2)


def _image(data: str, media_type: str) -> None:
    """Draw a picture within the page itself: at an address it would be anybody's who has signed in."""
    try:
        with Image.open(BytesIO(b64decode(data))) as picture:
            picture.verify()
            drawn = f"data:{Image.MIME[picture.format or '']};base64,{data}"
    except Exception:  # noqa: BLE001 whatever a broken picture raises, the rest of the page is of use
        st.caption("An image was sent here that cannot be drawn.")
    else:
        st.image(drawn, caption=f"The image that was sent ({plain(media_type)})", width=320)


def media(call: Call) -> None:
    """Say what the messages held beside text, which is known whether or not they are kept."""
    if call.media:
        said = [_medium(one) for one in call.media]
        st.caption(f"Sent beside the text: {plain('; '.join(said))}.")


def _medium(one: Mapping[str, Any]) -> str:
    kind = str(one.get("type"))
    if "host" in one:
        return f"{kind} by a link to {one['host']}"
    about = [str(one.get("media_type")), formats.size(int(one.get("size_bytes") or 0))]
    if one.get("width"):
        about.append(f"{one['width']} by {one['height']} pixels")
    if one.get("pages"):
        about.append(formats.plural(int(one["pages"]), "page"))
    return f"{kind} ({', '.join(about)}; SHA-256 {str(one.get('sha256'))[:12]}…)"
