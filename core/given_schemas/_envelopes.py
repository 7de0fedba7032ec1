"""What a schema comes in: a provider's envelope, a tool's definition, a document with several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from core.given_schemas._notes import Refusal, Steps
from core.given_schemas._words import SAYING, TAKES, fits

_CARRIERS = {
    "json_schema": "OpenAI's response format",
    "response_format": "a request to OpenAI",
    "text": "a request to OpenAI",
    "format": "a request to OpenAI",
    "function": "OpenAI's tool definition",
    "functions": "a request to OpenAI",
    "tools": "a request with tools",
    "parameters": "a function's definition",
    "input_schema": "Anthropic's tool definition",
    "output_format": "a request to Anthropic",
    "output_config": "a request to Anthropic",
    "inputSchema": "a tool's definition",
    "toolSpec": "Bedrock's tool definition",
    "json": "Bedrock's tool definition",
    "functionDeclarations": "Gemini's function declarations",
    "function_declarations": "Gemini's function declarations",
    "generationConfig": "a request to Gemini",
    "generation_config": "a request to Gemini",
    "responseSchema": "Gemini's configuration",
    "response_schema": "Gemini's configuration",
    "responseJsonSchema": "Gemini's configuration",
    "response_json_schema": "Gemini's configuration",
    "schema": "an envelope",
}
"""What holds a schema, or holds what does; and what that is."""
_COMPANIONS = frozenset(
    {
        *("name", "description", "strict", "type", "title", "cache_control", "annotations", "outputSchema"),
        *("output_schema", "responseMimeType", "response_mime_type", "temperature", "maxOutputTokens", "verbosity"),
        *("effort", "defer_loading", "input_examples", "response"),
    }
)
"""What may stand beside a carrier."""
_REQUEST = frozenset({"model", "messages", "input", "contents", "system", "max_tokens", "instructions"})
"""What makes a whole request, in which anything may stand."""
_ENVELOPE_TYPES = frozenset({"function", "json_schema", "custom", "tool"})
_DOCUMENTS = (("components", "schemas"), ("definitions",), ("$defs",))
_DEEPEST = 8
_MOST_NAMED = 12
_MOST_LOOKED_AT = 200_000


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A schema in what it came in."""

    node: Any
    steps: Steps
    came_in: str = ""
    """Such as ``OpenAI's tool definition``."""
    name: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Library:
    """Several schemas by name, none of which is asked for by itself."""

    steps: Steps
    """Where they stand."""
    schemas: Mapping[str, Any]
    roots: tuple[str, ...]
    """Those that no other refers to; all of them where each is referred to."""
    is_openapi: bool


def enclosed(given: Any) -> Enclosed:
    """Return the schema in what was *given*.

    Raises:
        Refusal: it holds several, and none can be told from the others.

    """
    found = Enclosed(given, ())
    for _ in range(_DEEPEST):
        inner = _inside(found)
        if inner is None:
            break
        found = inner
    return found


def _inside(outer: Enclosed) -> Enclosed | None:
    node: Any = outer.node
    if isinstance(node, list):
        several = cast("list[Any]", node)
        if outer.steps and len(several) > 1 and all(isinstance(one, dict) for one in several):
            raise Refusal(outer.steps, f"holds {len(several)} schemas; give one of them alone")
        is_carried = len(several) == 1 and isinstance(several[0], dict)
        is_carried = is_carried and bool(_carriers(cast("dict[str, Any]", several[0])))
        return Enclosed(several[0], (*outer.steps, 0), outer.came_in) if is_carried else None
    if not isinstance(node, dict):
        return None
    known = cast("dict[str, Any]", node)
    if says_something(known):
        return None
    carriers = _carriers(known)
    beside = known.keys() - carriers.keys() - _COMPANIONS
    is_request = bool(_REQUEST & known.keys())
    if not carriers or (beside and not is_request):
        return None
    if is_request:
        carriers = {name: came_in for name, came_in in carriers.items() if name not in ("schema", "json", "function")}
    if len(carriers) > 1:
        raise Refusal(outer.steps, f"holds several schemas ({', '.join(carriers)}); give one of them alone")
    if not carriers:
        return None
    ((name, came_in),) = carriers.items()
    called, described = known.get("name"), known.get("description")
    came_in = came_in if not outer.came_in or came_in.startswith("OpenAI") else outer.came_in
    if name == "schema" and isinstance(known.get("strict"), bool):
        came_in = outer.came_in or "OpenAI's envelope"
    return Enclosed(
        known[name],
        (*outer.steps, name),
        came_in,
        called if isinstance(called, str) else outer.name,
        described if isinstance(described, str) else outer.description,
    )


def _carriers(node: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: came_in
        for name, came_in in _CARRIERS.items()
        if isinstance(node.get(name), dict) or (name.endswith(("s", "tools")) and isinstance(node.get(name), list))
    }


def says_something(node: Mapping[str, Any]) -> bool:
    """Whether *node* asks for something in words of JSON Schema; definitions alone ask for nothing."""
    return any(
        name in TAKES and name not in ("$defs", "definitions", "format", "required") and fits(name, part)
        for name, part in node.items()
    ) or (isinstance(node.get("type"), str) and node["type"] not in _ENVELOPE_TYPES and not _carriers(node))


def library(node: Any, steps: Steps) -> Library | None:
    """Return the schemas that *node* holds by name, where it asks for none of them."""
    if not isinstance(node, dict) or says_something(cast("dict[str, Any]", node)):
        return None
    known = cast("dict[str, Any]", node)
    is_openapi = "openapi" in known or "swagger" in known or "components" in known
    for way in _DOCUMENTS:
        inner: Any = known
        for step in way:
            inner = cast("dict[str, Any]", inner).get(step) if isinstance(inner, dict) else None
        unknown = known.keys() - SAYING.keys() - {"$defs", "definitions", "id"}
        if isinstance(inner, dict) and inner and (is_openapi or not unknown):
            schemas = cast("dict[str, Any]", inner)
            return Library((*steps, *way), schemas, _roots(schemas), is_openapi)
    return None


def _roots(schemas: Mapping[str, Any]) -> tuple[str, ...]:
    led_to: set[str] = set()
    for name, schema in schemas.items():
        led_to |= {other for other in _references(schema) if other != name}
    return tuple(name for name in schemas if name not in led_to) or tuple(schemas)


def _references(schema: Any) -> Iterator[str]:
    waiting: list[Any] = [schema]
    looked_at = 0
    while waiting and looked_at < _MOST_LOOKED_AT:
        node = waiting.pop()
        looked_at += 1
        if isinstance(node, dict):
            known = cast("dict[str, Any]", node)
            reference: Any = known.get("$ref")
            if isinstance(reference, str):
                yield reference.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
            waiting.extend(known.values())
        elif isinstance(node, list):
            waiting.extend(cast("list[Any]", node))


def listed(names: tuple[str, ...]) -> str:
    """Return *names* for a sentence: the first dozen."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(name[:60] for name in names[:_MOST_NAMED]) + more
