"""What Anthropic takes: the subset of its structured outputs, and any schema of an object as a tool's input.

Supported and not, and how many: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (objects
closed, no recursion, ten formats, plain patterns, no bounds but ``minItems`` of 0 or 1, enums of plain values; 24
optional properties and 16 of several types in all). Names of properties: ``^[a-zA-Z0-9_.-]{1,64}$``, as its answers
to others say (n8n-io/n8n#30590, dimagi/open-chat-studio#4027). A tool that is not strict has no other limits, so it
is taken where the subset has no words (TanStack/ai#682 found the same way out).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.schema_forms._enforced import Enforced
from core.schema_forms._form import SchemaForm
from core.schema_forms._names import OwnNames, hang_on_names, renamed, sent_names
from core.schema_forms._rules import CannotSay, Rules, is_plain_pattern
from core.schema_forms._walk import subschemas

_MOST_OPTIONAL = 24
_MOST_UNIONS = 16
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


def _too_large(body: Mapping[str, Any]) -> str:
    optional = unions = 0
    for node in subschemas(body):
        optional += len(node.get("properties", {}).keys() - set(node.get("required", ())))
        unions += "anyOf" in node or isinstance(node.get("type"), list)
    if optional > _MOST_OPTIONAL:
        return f"has {optional} optional properties; Anthropic takes {_MOST_OPTIONAL} where it enforces a schema"
    if unions > _MOST_UNIONS:
        return f"has {unions} places of several types; Anthropic takes {_MOST_UNIONS} where it enforces a schema"
    return ""


OUTPUT = Rules(
    vendor="Anthropic",
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}),
    bounds=frozenset({"pattern", "minItems"}),
    takes_bound=lambda _kind, keyword, value: is_plain_pattern(value) if keyword == "pattern" else value in (0, 1),
    optional_is_null=False,
    has_recursion=False,
    too_large=_too_large,
)


def form(schema: Mapping[str, Any], mode: str) -> SchemaForm:
    """Return *schema* as Anthropic is sent it in *mode*."""
    if mode not in ("tools", "json_schema"):
        return SchemaForm(vendor="Anthropic", asked=mode, mode=mode, body=schema)
    names = sent_names(schema, _NAME)
    sent = renamed(schema, names)
    way_back = (OwnNames(schema, names),) if names else ()
    relaxed = ""
    if mode == "json_schema":
        try:
            said = Enforced(sent, OUTPUT)
        except CannotSay as error:
            relaxed = error.sentence
        else:
            return SchemaForm(
                vendor="Anthropic",
                asked=mode,
                mode=mode,
                body=said.body,
                is_enforced=True,
                left_out=said.left_out,
                closed=said.closed,
                names=names,
                way_back=way_back,
            )
    if names and hang_on_names(schema):
        relaxed = "Anthropic does not take its property names, and it says more of names than which there are."
        return SchemaForm(vendor="Anthropic", asked=mode, mode="json", body=schema, relaxed=relaxed)
    return SchemaForm(
        vendor="Anthropic", asked=mode, mode="tools", body=sent, relaxed=relaxed, names=names, way_back=way_back
    )
