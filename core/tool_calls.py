"""Calls of tools, judged before they are handed on: by their names, the schemas that were declared, and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

from core.answer_checks import check_object
from core.dialects import AnswerObject, RelayRequest
from core.errors import GuardrailBlocked, Invalid
from core.guardrails import (
    HELD,
    Action,
    Finding,
    Guardrail,
    Guardrails,
    Objection,
    Stage,
    ToolPolicy,
    ToolTexts,
    not_public_by_text,
)
from core.json_texts import exactly_written, json_in
from core.tables import Outcome
from core.validation import Effort

_DICT: Any = dict
_SCHEMA = "schema: "
_INSIDE = "leads to a server that is not public, or of which that is not known"
_ENDS = (".completed", ".incomplete", ".failed")
"""Of events that hold a whole response."""
_OF_THE_CALLER = (
    "function", "custom", "local_shell", "apply_patch", "computer", "bash", "text_editor", "memory", "shell",
)  # fmt: skip
"""How the kinds of tools begin whose calls the caller answers."""


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """What a model asks its caller to run."""

    name: str
    arguments: str | None = field(repr=False)
    """As JSON; ``None`` for a text without a form."""


def calls_in(body: Mapping[str, Any]) -> Iterator[RequestedCall]:
    """Yield the calls in a whole answer of any dialect, but for those of tools that the vendor runs."""
    for choice in _dicts(body.get("choices")):
        message = choice.get("message")
        said: Mapping[str, Any] = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
        for call in _dicts(said.get("tool_calls")):
            yield from _called(_dicts([call.get("function")]), "arguments")
            yield from (RequestedCall(_word(one, "name"), None) for one in _dicts([call.get("custom")]))
        yield from _called(_dicts([said.get("function_call")]), "arguments")
    for block in _dicts(body.get("content")):
        if block.get("type") == "tool_use":
            yield from _called([block], "partial_json" if block.get("partial_json") else "input")
    for one in _dicts(body.get("output")):
        if one.get("type") == "function_call":
            yield from _called([one], "arguments")
        elif one.get("type") == "custom_tool_call":
            yield RequestedCall(_word(one, "name"), None)


class CallJudge:
    """Judges the calls of one request's answer."""

    def __init__(self, guardrails: Guardrails, asked: RelayRequest) -> None:
        """Take the rules about tools, and what *asked* declares."""
        self._rules = guardrails.tool_rules
        self._asked = asked

    @property
    def has_rules(self) -> bool:
        """Whether there is any rule about tools."""
        return bool(self._rules)

    def offered(self, findings: list[Finding]) -> None:
        """Go on only if every tool that the request offers may be.

        Raises:
            GuardrailBlocked: one may not; the sentence names it, and where it stands.
            Invalid: no rule speaks of tools, and one is of a server that is not public.

        """
        values = self._asked.source.values
        if not self._rules:
            if inside := not_public_by_text([address for address, _ in _servers(values)]):
                path = next(path for address, path in _servers(values) if address in inside)
                raise Invalid(f"{path} leads to what is not public, or begins with another scheme than https://.")
            return
        for rule, policy in self._rules:
            self._reached(rule, policy, findings)
            for name, path, objection in _offers(values, policy):
                if objection is not None:
                    self._object(rule, Stage.INPUT, f"The tool {name!r}", replace(objection, path=path), findings)

    def _reached(self, rule: Guardrail, policy: ToolPolicy, findings: list[Finding]) -> None:
        """Go on only if every server of tools is public, unless the rule lets such be inside; raises GuardrailBlocked.

        What the rule does not list is not looked up: it is refused for that.
        """
        listed = [(address, path) for address, path in _servers(self._asked.source.values)]
        listed = [one for one in listed if policy.may_be_server(one[0])] if not policy.may_be_inside else []
        inside = policy.not_public([address for address, _ in listed]) if listed else ()
        for address, path in listed:
            if address in inside:
                self._object(rule, Stage.INPUT, "The tool 'mcp'", Objection(_INSIDE, path), findings)

    def remembered(self, texts: ToolTexts, tenant_id: str, findings: list[Finding]) -> None:
        """Take in what the tools and schemas of the request say of themselves; what has changed is noted."""
        rules = [rule for rule, policy in self._rules if policy.notes_changes]
        changed = texts.changed(tenant_id, _declared_texts(self._asked)) if rules else ()
        for name in sorted(changed):
            kind = "a schema whose text has changed" if name.startswith(_SCHEMA) else "a tool whose text has changed"
            findings += [
                Finding(rule.name, Stage.INPUT, Action.NOTE, kind, 1, "description", rule.rule_id) for rule in rules
            ]

    def judge(self, calls: Iterable[RequestedCall], findings: list[Finding]) -> None:
        """Go on only if every one of *calls* may be handed on; what is noted is added to *findings*.

        Raises:
            GuardrailBlocked: one may not; the sentence says which, where in it and why.

        """
        for call in calls:
            for rule, policy in self._rules:
                if (objection := self._objection(call, policy)) is not None:
                    named = f"A call of the tool {call.name!r}" if call.name in self._declared else "A call of a tool"
                    self._object(rule, Stage.OUTPUT, named, objection, findings)

    @cached_property
    def _declared(self) -> frozenset[str]:
        """The names under which the request declares tools of its caller's."""
        values = self._asked.source.values
        held = [each for one in _dicts(values.get("tools")) for each in (one, one.get("function"), one.get("custom"))]
        named = [one.get("name") for one in (*_dicts(held), *_dicts(values.get("functions")))]
        return frozenset(name for name in named if isinstance(name, str) and name)

    def _objection(self, call: RequestedCall, policy: ToolPolicy) -> Objection | None:
        if call.name not in self._declared:
            return Objection("is not one that the request declares")
        if (found := policy.about(call.name)) is not None or call.arguments is None:
            return found
        try:
            arguments = json_in(call.arguments, "It")
        except Invalid:
            return Objection("has arguments that are no JSON which all readers read alike", "$")
        if not isinstance(arguments, dict):
            return Objection("has arguments that are no object", "$")
        return (policy.validate and self._not_valid(call)) or policy.about_arguments(call.name, arguments)

    def _not_valid(self, call: RequestedCall) -> Objection | None:
        declared = next((one for one in self._asked.formats if one.kind == "tool" and one.name == call.name), None)
        if declared is None:
            return None
        found = check_object(declared, AnswerObject(call.name, call.arguments or ""), Effort())
        if found.outcome is Outcome.INVALID:
            return Objection(f"does not satisfy its schema ({found.problems[0].type})", found.problems[0].path)
        return Objection("cannot be checked by its schema") if found.outcome is Outcome.UNCHECKED else None

    def _object(self, rule: Guardrail, stage: Stage, what: str, objection: Objection, findings: list[Finding]) -> None:
        place, path = "tool arguments" if stage is Stage.OUTPUT else "tool setting", objection.path
        findings.append(
            Finding(rule.name, stage, rule.action, "a tool that may not be called so", 1, place, rule.rule_id, path)
        )
        if rule.action is not Action.BLOCK:
            return
        at = f", at {path}" if path else ""
        error = GuardrailBlocked(
            f"{HELD[stage]}: by the guardrail {rule.name}. {what} {objection.reason}{at}.",
            guardrail=rule.name,
            stage=stage.value,
            place=place,
            **({"path": path} if path else {}),
        )
        error.findings = tuple(findings)
        raise error


class CallsInStream:
    """Puts the calls of a stream together, of whatever dialect; says which events are about one that is open."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: dict[Any, dict[str, Any]] = {}

    @property
    def is_open(self) -> bool:
        """Whether there is a call of which more is to come."""
        return bool(self._open)

    def take(self, event: Mapping[str, Any]) -> tuple[bool, list[RequestedCall]]:
        """Take in *event*; return whether it is about a call, and the calls that have ended with it."""
        kind = event.get("type")
        if not isinstance(kind, str):
            return self._take_chunk(event)
        if kind.startswith("content_block"):
            return self._take_block(kind, event)
        return self._take_output(kind, event) if kind.startswith("response.") else (False, [])

    def rest(self) -> list[RequestedCall]:
        """Return the calls that are open, now that nothing more comes."""
        calls = [_put_together(one) for one in self._open.values()]
        self._open.clear()
        return calls

    def _take_chunk(self, event: Mapping[str, Any]) -> tuple[bool, list[RequestedCall]]:
        is_about, ended = False, list[RequestedCall]()
        for place, choice in enumerate(_dicts(event.get("choices"))):
            at = choice.get("index") if isinstance(choice.get("index"), int) else place
            for delta in (*_dicts([choice.get("delta")]), *_dicts([choice.get("message")])):
                for number, call in enumerate(_dicts(delta.get("tool_calls"))):
                    is_about = True
                    told = call.get("index") if isinstance(call.get("index"), int) else number
                    for part in (*_dicts([call.get("function")]), *_dicts([call.get("custom")])):
                        self._add((at, told), part, is_free="custom" in call)
                for part in _dicts([delta.get("function_call")]):
                    is_about = True
                    self._add((at, "function_call"), part, is_free=False)
            if choice.get("finish_reason"):
                ended += [_put_together(self._open.pop(key)) for key in list(self._open) if key[0] == at]
        return is_about, ended

    def _take_block(self, kind: str, event: Mapping[str, Any]) -> tuple[bool, list[RequestedCall]]:
        at = event.get("index")
        for block in _dicts([event.get("content_block")]) if kind == "content_block_start" else ():
            if block.get("type") == "tool_use":
                self._add(at, {"name": block.get("name"), "input": block.get("input")}, is_free=False)
                return True, []
        if at not in self._open:
            return False, []
        if kind == "content_block_stop":
            return True, [_put_together(self._open.pop(at))]
        for delta in _dicts([event.get("delta")]):
            self._add(at, {"arguments": delta.get("partial_json")}, is_free=False)
        return True, []

    def _take_output(self, kind: str, event: Mapping[str, Any]) -> tuple[bool, list[RequestedCall]]:
        at = event.get("output_index")
        for item in _dicts([event.get("item")]):
            if item.get("type") in ("function_call", "custom_tool_call"):
                if kind.endswith(".done"):
                    self._open.pop(at, None)
                    return True, list(calls_in({"output": [item]}))
                self._open.setdefault(at, {})
                return True, []
        for response in _dicts([event.get("response")]) if kind.endswith(_ENDS) else ():
            return False, list(calls_in(response))
        if kind.startswith(("response.function_call_arguments.", "response.custom_tool_call_input.")):
            self._open.setdefault(at, {})
            return True, []
        return at is not None and at in self._open, []

    def _add(self, key: Any, part: Mapping[str, Any], *, is_free: bool) -> None:
        call = self._open.setdefault(key, {"name": "", "arguments": "", "is_free": is_free})
        for name in ("name", "arguments"):
            piece = part.get(name)
            if isinstance(piece, str):
                call[name] += piece
            elif isinstance(piece, _DICT):
                call["input"] = piece
        if isinstance(given := part.get("input"), _DICT) and given:
            call["input"] = given


def _put_together(call: Mapping[str, Any]) -> RequestedCall:
    if call.get("is_free") or "name" not in call:
        return RequestedCall(call.get("name", ""), None)
    given = call.get("input")
    if not call["arguments"]:
        return RequestedCall(call["name"], exactly_written(given).decode() if given is not None else "")
    return RequestedCall(call["name"], call["arguments"])


def _called(calls: Iterable[Mapping[str, Any]], member: str) -> Iterator[RequestedCall]:
    for call in calls:
        given = call.get(member)
        written = given if isinstance(given, str) else exactly_written(given).decode()
        yield RequestedCall(_word(call, "name"), written)


def _offers(values: Mapping[str, Any], policy: ToolPolicy) -> Iterator[tuple[str, str, Objection | None]]:
    """Yield every tool that a body offers or asks for: its name, where it stands, and what is said against it."""
    for at, tool in enumerate(_dicts(values.get("tools"))):
        yield from _offer(tool, f"$.tools[{at}]", policy)
    for at, tool in enumerate(_dicts(values.get("functions"))):
        yield _word(tool, "name"), f"$.functions[{at}]", policy.about(_word(tool, "name"))
    for at, server in enumerate(_dicts(values.get("mcp_servers"))):
        yield from _server(server, "url", f"$.mcp_servers[{at}]", policy)
    if values.get("web_search_options") is not None:
        yield from _vendor_tool("web_search_options", "$.web_search_options", policy)
    for member in ("tool_choice", "function_call"):
        for name in _chosen(values.get(member)):
            yield name, f"$.{member}", policy.about(name)


def _offer(tool: Mapping[str, Any], path: str, policy: ToolPolicy) -> Iterator[tuple[str, str, Objection | None]]:
    kind = _word(tool, "type")
    if not kind or kind.startswith(_OF_THE_CALLER):
        for one in (tool, *_dicts([tool.get("function"), tool.get("custom")])):
            if name := _word(one, "name"):
                yield name, path, policy.about(name)
    elif kind == "mcp":
        yield from _server(tool, "server_url", path, policy)
    else:
        yield from _vendor_tool(kind, path, policy)


def _vendor_tool(kind: str, path: str, policy: ToolPolicy) -> Iterator[tuple[str, str, Objection | None]]:
    is_allowed = any(kind == one or kind.startswith(f"{one}_20") for one in policy.vendor_tools)
    yield kind, path, None if is_allowed else Objection("runs at the provider and is not among those that are allowed")


def _server(
    tool: Mapping[str, Any], member: str, path: str, policy: ToolPolicy
) -> Iterator[tuple[str, str, Objection | None]]:
    yield from _vendor_tool("mcp", path, policy)
    if (address := tool.get(member)) is not None and not policy.may_be_server(str(address)):
        yield "mcp", f"{path}.{member}", Objection("leads to a server that is not among those that are allowed")


def _declared_texts(asked: RelayRequest) -> Mapping[str, Any]:
    """Return what each tool and each format of a request says of itself, by its name; of several alike all."""
    found: dict[str, list[Any]] = {}
    for tool in (*_dicts(asked.source.values.get("tools")), *_dicts(asked.source.values.get("functions"))):
        for one in (tool, *_dicts([tool.get("function"), tool.get("custom")])):
            if name := _word(one, "name"):
                found.setdefault(name, []).append(one)
    for one in asked.formats:
        if one.kind == "format":
            found.setdefault(_SCHEMA + one.name, []).append(one.schema)
    return found


def _servers(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the addresses of servers of tools that a body names, and where each stands."""
    for at, tool in enumerate(_dicts(values.get("tools"))):
        if tool.get("server_url") is not None:
            yield str(tool["server_url"]), f"$.tools[{at}].server_url"
    for at, server in enumerate(_dicts(values.get("mcp_servers"))):
        if server.get("url") is not None:
            yield str(server["url"]), f"$.mcp_servers[{at}].url"


def _chosen(choice: Any) -> Iterator[str]:
    """Yield the names that a choice of tools has."""
    for one in _dicts([choice]):
        if name := _word(one, "name"):
            yield name
        inner = (one.get("function"), one.get("custom"), one.get("allowed_tools"), *_dicts(one.get("tools")))
        for each in inner:
            yield from _chosen(each)


def _dicts(value: Any) -> Sequence[dict[str, Any]]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", one) for one in listed if isinstance(one, dict)]


def _word(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
