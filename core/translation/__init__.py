"""A call in one vendor's dialect as one in another's, where nothing is lost: chat completions, Anthropic's messages.

A request is translated whole or not at all: what the other vendor cannot honour refuses the translation, and what only
tunes the answer is left out with a notice. The answer comes back in the dialect in which it was asked, whole or as
events. All of it is about JSON values as they stand on the wire, to be written with orjson: a number that Python would
write otherwise is a fragment of text. Nothing here knows models, money or tenants.
"""

from core.translation._to_chat import chat_request
from core.translation._to_messages import messages_request
from core.translation._words import Translated, Untranslatable
from core.translation.answers import chat_answer, messages_answer
from core.translation.chat_events import ChatEvents
from core.translation.messages_events import MessagesEvents

__all__ = [
    "ChatEvents",
    "MessagesEvents",
    "Translated",
    "Untranslatable",
    "chat_answer",
    "chat_request",
    "messages_answer",
    "messages_request",
]
