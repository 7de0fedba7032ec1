"""The wires that programs already speak: what a body says, how it is changed, and how answers, events and errors look.

Nothing here calls anybody. A request is read for those who must look at it; what goes to a vendor are its own bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.dialects._beside import Beside, beside, passed_query, passes_back
from core.dialects._body import Path
from core.dialects._frames import Frame, Frames
from core.dialects._places import PlacedText, Places, Screen
from core.dialects._request import (
    AnswerFormat,
    AnswerObject,
    ChoiceEnd,
    Dialect,
    DialectName,
    ErrorResponse,
    LimitHeaders,
    RelayRequest,
)
from core.dialects._screening import readable, screened_request, unreadable
from core.dialects._stored import BILLED_AGAIN, KeptState, StoredByAnswer
from core.dialects._tool_names import other_names, rename, renamed_body, renamed_frame, renamed_request
from core.dialects._vendor_response import VendorResponse
from core.dialects.anthropic_messages import Messages
from core.dialects.chat import Chat
from core.dialects.responses import Responses

__all__ = [
    "BILLED_AGAIN",
    "DIALECTS",
    "AnswerFormat",
    "AnswerObject",
    "Beside",
    "ChoiceEnd",
    "Dialect",
    "DialectName",
    "ErrorResponse",
    "Frame",
    "Frames",
    "KeptState",
    "LimitHeaders",
    "Path",
    "PlacedText",
    "Places",
    "RelayRequest",
    "Screen",
    "StoredByAnswer",
    "VendorResponse",
    "beside",
    "other_names",
    "passed_query",
    "passes_back",
    "readable",
    "rename",
    "renamed_body",
    "renamed_frame",
    "renamed_request",
    "screened_request",
    "unreadable",
]

DIALECTS: Mapping[DialectName, Dialect] = {
    DialectName.CHAT: Chat(),
    DialectName.RESPONSES: Responses(),
    DialectName.MESSAGES: Messages(),
}
"""Every dialect that has a door."""
