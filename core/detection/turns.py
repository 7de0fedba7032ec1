"""Words by which models know whose turn it is: in data they are text that asks to be read as an order.

Servers that make a prompt of a template put the text of messages into it as it is; there such a word ends the message.
"""

from __future__ import annotations

from core.detection.folding import Folded, folded, small
from core.detection.words import WordDetector

_BARRED = """
    im_start im_end im_sep im_user im_assistant im_system im_middle endoftext startoftext endofprompt begin_of_text
    end_of_text start_header_id end_header_id eot_id eom_id python_tag finetune_right_pad_id system user assistant tool
    developer observation end start channel message call return constrain start_of_role end_of_role start_of_turn_token
    end_of_turn_token system_token user_token chatbot_token fim_prefix fim_middle fim_suffix fim_pad tool_call
    tool_response header_start header_end eot begin\u2581of\u2581sentence end\u2581of\u2581sentence
    tool\u2581calls\u2581begin tool\u2581outputs\u2581begin
"""
_OTHERS = """
    [inst] [/inst] <<sys>> <</sys>> [system_prompt] [/system_prompt] [available_tools] [/available_tools] [tool_calls]
    [tool_results] [/tool_results] [tool_content] <start_of_turn> <end_of_turn> <start_of_image> <|turn> <turn|>
"""
_CLOSED = ("document", "documents", "document_content", "tool_result", "function_results", "context", "user_input")
_OPENED = ("instructions", "instruction", "system", "system_prompt", "assistant")
_SPEAKERS = ("human", "assistant", "system")
_MARKERS = (
    *(f"<|{name}|>" for name in _BARRED.split()),
    *_OTHERS.split(),
    *(
        f"</{closed}>{between}<{opened}>"
        for closed in _CLOSED
        for opened in _OPENED
        for between in ("", " ", "\n", "\n\n", "\r\n")
    ),
    *(f"{line}{line}{speaker}:" for speaker in _SPEAKERS for line in ("\n", "\r\n")),
)


class TurnDetector(WordDetector):
    """Finds the markers of chat templates: of Llama, Mistral, Gemma, Qwen, DeepSeek, Command, Granite, Claude."""

    def __init__(self) -> None:
        """Build the automaton."""
        super().__init__(_MARKERS, "a turn marker", is_whole=False)

    def _view(self, text: str) -> Folded:
        view = folded(text)
        return view.with_text(small(view.text))
