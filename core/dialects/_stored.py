"""What a vendor stores: as a request names it, and as an answer tells of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from core.dialects._values import dicts, mapping, word

StoredKind = Literal[
    "response",
    "item",
    "conversation",
    "prompt",
    "file",
    "container",
    "vector_store",
    "skill",
    "audio",
    "thread",
    "sealed",
]
"""Kinds of what is stored. What is *sealed* the caller has himself, but only the account that made it can read it."""
BILLED_AGAIN: frozenset[StoredKind] = frozenset({"response", "item", "thread", "conversation", "prompt", "audio"})
"""What the vendor reads again, as input, for whoever names it."""
_MEMBERS: Mapping[str, StoredKind] = {
    "file_id": "file",
    "file_ids": "file",
    "container_id": "container",
    "vector_store_id": "vector_store",
    "vector_store_ids": "vector_store",
}
_OWN_CONTENT: Mapping[str, Sequence[str]] = {
    "reasoning": ("encrypted_content",),
    "web_search_call": (),
    "file_search_call": ("results",),
    "image_generation_call": ("result",),
    "computer_call": (),
    "item_reference": (),
}
"""By which members items of these types are whole without what the vendor stores; of others any member is one."""
_BESIDE = frozenset({"id", "type", "status", "role"})
_SCHEMAS = frozenset({"parameters", "input_schema"})
_LONGEST_ID = 512


@dataclass(frozen=True, slots=True)
class KeptState:
    """Something that a vendor keeps, as a request names it."""

    where: str
    """The member that names it."""
    kind: StoredKind
    id: str

    @property
    def digest(self) -> str:
        """How it is known here."""
        return hashlib.sha256(f"{self.kind}\n{self.id}".encode(errors="replace")).hexdigest()

    @property
    def not_found(self) -> str:
        """What the vendor says where there is no such thing."""
        name = self.id[:_LONGEST_ID]
        match self.kind:
            case "response" if self.where == "previous_response_id":
                return f"Previous response with id '{name}' not found."
            case "thread":
                return f"Thread not found: there is no message '{name}' to continue from."
            case _:
                kind = self.kind.replace("_", " ").capitalize()
                return f"{kind} with id '{name}' not found, which '{self.where}' names."


def named_within(value: Any, where: str) -> Iterator[KeptState]:
    """Yield what *value* names of files, containers and vector stores, at any depth; callers' schemas name nothing."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            if kind := _MEMBERS.get(name):
                yield from (KeptState(where, kind, one) for one in _words(inner))
            elif name not in _SCHEMAS:
                yield from named_within(inner, where)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from named_within(inner, where)


def named_by_tools(tools: Any) -> Iterator[KeptState]:
    """Yield what *tools* name, but for functions, which are the caller's own."""
    for place, tool in enumerate(dicts(tools)):
        if tool.get("type") not in ("function", "custom") or "container" in tool:
            where = f"tools[{place}]"
            yield from named_container(tool.get("container"), f"{where}.container")
            yield from named_within(tool, where)


def named_container(container: Any, where: str) -> Iterator[KeptState]:
    """Yield the container that is named, and the skills of one's own that it is to have."""
    match container:
        case str(name) | {"id": str(name)} if name:
            yield KeptState(where, "container", name)
        case _:
            pass
    for skill in dicts(mapping(container).get("skills")):
        if skill.get("type") == "custom":
            yield from (KeptState(where, "skill", one) for one in _words(skill.get("skill_id")))


def named_by_input(items: Any) -> Iterator[KeptState]:
    """Yield the items of an input that the vendor has to look up, and what it has sealed."""
    for place, item in enumerate(dicts(items)):
        kind, name = word(item, "type"), word(item, "id")
        if sealed := word(item, "encrypted_content"):
            yield KeptState(f"input[{place}]", "sealed", sealed)
        if name and not _is_whole(kind, item):
            yield KeptState(f"input[{place}]", "item", name)
        if kind == "code_interpreter_call":
            yield from (KeptState(f"input[{place}]", "container", one) for one in _words(item.get("container_id")))


def _is_whole(kind: str, item: Mapping[str, Any]) -> bool:
    own = _OWN_CONTENT.get(kind)
    names = [name for name in item if name not in _BESIDE] if own is None else own
    return any(item.get(name) not in (None, "", [], {}) for name in names)


class StoredByAnswer:
    """What a vendor says of an answer that it stores, collected from its body or its events."""

    def __init__(self, *, is_kept: bool) -> None:
        """Collect; *is_kept* says whether the vendor was to keep the answer itself."""
        self._is_kept = is_kept
        self._found: dict[KeptState, None] = {}
        self.tokens = 0
        """How many tokens who goes on from the answer is billed for again."""

    def take(self, event: Mapping[str, Any]) -> Sequence[KeptState]:
        """Take in a body or an event; return all that is stored, once that is known, else nothing."""
        raise NotImplementedError

    def _add(self, kind: StoredKind, name: Any) -> None:
        if isinstance(name, str) and name:
            self._found[KeptState("", kind, name)] = None

    def _add_within(self, value: Any) -> None:
        for one in named_within(value, ""):
            self._found[one] = None

    def _bill(self, usage: Any) -> None:
        told = mapping(usage)
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        count = sum(value for name in names if isinstance(value := told.get(name), int))
        self.tokens = max(self.tokens, min(count, (1 << 31) - 1))


class StoredByResponse(StoredByAnswer):
    """A response, its items, containers and files."""

    def take(self, event: Mapping[str, Any]) -> Sequence[KeptState]:
        """Take in a response, or the event that holds the whole of it."""
        response = mapping(event.get("response")) if "response" in event else event
        if "output" not in response or response.get("status") in ("in_progress", "queued"):
            return ()
        is_stored = self._is_kept and response.get("store") is not False
        if is_stored:
            self._add("response", response.get("id"))
        for item in dicts(response.get("output")):
            if is_stored:
                self._add("item", item.get("id"))
            if item.get("type") in ("reasoning", "compaction"):
                self._add("sealed", item.get("encrypted_content"))
            elif item.get("type") == "code_interpreter_call":
                self._add("container", item.get("container_id"))
            elif item.get("type") == "message":
                self._add_within([part.get("annotations") for part in dicts(item.get("content"))])
        self._bill(response.get("usage"))
        return tuple(self._found)


class StoredByMessage(StoredByAnswer):
    """A message's thread, its container, and the files that were made there."""

    def take(self, event: Mapping[str, Any]) -> Sequence[KeptState]:
        """Take in a message, or an event of one."""
        message = mapping(event.get("message")) or event
        for place in (message, mapping(event.get("delta"))):
            self._add("container", mapping(place.get("container")).get("id"))
        if self._is_kept and message.get("role") == "assistant":
            self._add("thread", message.get("id"))
        self._add_within([event.get("content_block"), message.get("content")])
        self._bill(message.get("usage"))
        is_whole = event.get("type") in ("message", "message_stop")
        return tuple(self._found) if is_whole else ()


class StoredByChat(StoredByAnswer):
    """What was spoken: it is named by its id where the conversation goes on."""

    def take(self, event: Mapping[str, Any]) -> Sequence[KeptState]:
        """Take in a completion, or a chunk of one."""
        before = len(self._found)
        for choice in dicts(event.get("choices")):
            for said in (mapping(choice.get("message")), mapping(choice.get("delta"))):
                self._add("audio", mapping(said.get("audio")).get("id"))
        return tuple(self._found)[before:]


def _words(value: Any) -> list[str]:
    listed = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str) and one]
