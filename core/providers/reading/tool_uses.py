"""How often tools ran at the vendor, as the items of an answer show it. What its usage tells of that is read there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from core.providers.reading.parts import count, part, parts, text

_MOST_ITEMS = 10_000
_OF_THE_CALLER = ("function_call", "custom_tool_call", "computer_call", "local_shell_call", "apply_patch_call")
_CODE = ("code_execution", "bash_code_execution", "text_editor_code_execution")
"""What Anthropic calls the tools of one container."""
CONTAINER = "code_interpreter"


class ToolUses:
    """The uses that one answer has shown so far, whole or event by event, in any dialect."""

    def __init__(self, asked: Collection[str]) -> None:
        """Begin with none; *asked* are the names under which the tools of the request are billed."""
        self._asked = asked
        self._shown: dict[int, str] = {}

    def take(self, event: Mapping[str, Any]) -> bool:
        """Take in an event of a stream; return whether it was about a tool."""
        match event.get("type"):
            case "response.output_item.added" | "response.output_item.done":
                return self._put(count(event, "output_index"), self._of_output(part(event, "item")))
            case "content_block_start":
                return self._put(count(event, "index"), self._of_block(part(event, "content_block")))
            case _:
                return self._of_choices(event)

    def take_whole(self, body: Mapping[str, Any]) -> None:
        """Take in an answer that came in one piece."""
        for place, item in enumerate(parts(body, "output")):
            self._put(place, self._of_output(item))
        for place, block in enumerate(parts(body, "content")):
            self._put(place, self._of_block(block))
        self._of_choices(body)

    def _of_choices(self, body: Mapping[str, Any]) -> bool:
        """Take a completion, which shows no tools: each that was asked for is taken to have run."""
        if not self._asked or self._shown or not parts(body, "choices"):
            return False
        self._shown.update(enumerate(self._asked))
        return True

    def told(self) -> tuple[tuple[str, int], ...]:
        """Return each use with its number, by name."""
        found = Counter(self._billed_as(use) for use in {*self._shown.values()} if "\n" in use)
        found.update(self._billed_as(use) for use in self._shown.values() if "\n" not in use)
        return tuple(sorted(found.items()))

    def _put(self, place: int, use: str) -> bool:
        had = self._shown.pop(place, "")
        if use and len(self._shown) < _MOST_ITEMS:
            self._shown[place] = use
        return bool(use or had)

    def _of_output(self, item: Mapping[str, Any]) -> str:
        """Return the use that an item of the Responses API shows, of a container with its id; or an empty text."""
        kind = text(item, "type")
        if not kind.endswith("_call") or kind in _OF_THE_CALLER or item.get("status") == "failed":
            return ""
        use = kind.removesuffix("_call")
        if use == "web_search" and text(part(item, "action"), "type") in ("open_page", "find_in_page"):
            return ""  # only searches are billed
        if use == "shell":
            where = part(item, "environment")
            return f"{CONTAINER}\n{text(where, 'container_id')}" if text(where, "container_id") else ""
        own = text(item, "container_id")
        return f"{use}\n{own}" if use == CONTAINER and own else use

    def _of_block(self, block: Mapping[str, Any]) -> str:
        """Return the same of a block of a message; searches and fetches are counted by its usage."""
        is_code = block.get("type") == "server_tool_use" and block.get("name") in _CODE
        return "code_execution\n" if is_code and "code_execution" in self._asked else ""

    def _billed_as(self, use: str) -> str:
        name = use.partition("\n")[0]
        return next((asked for asked in self._asked if asked.startswith(name)), name)
