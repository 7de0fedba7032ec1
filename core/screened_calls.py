"""What of one call may go out, come back and be kept, and what its trace is told of that."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import orjson

from core.answer_checks import check_answer, format_model
from core.dialects import RelayRequest, VendorResponse
from core.errors import GuardrailBlocked
from core.field_problems import FieldProblem
from core.guardrails import Guardrail, Guardrails, Stage, ToolTexts
from core.json_texts import as_python_reads, exactly, exactly_written
from core.json_values import JsonValue
from core.messages import Message
from core.policy import Policy, TenantSnapshot
from core.principals import Principal
from core.record import Record
from core.redactions import Unfitting, fitting
from core.replaced_calls import replacing, texts_in
from core.requests import GenerationRequest
from core.response_models import response_model
from core.screened_documents import judge_documents
from core.screened_places import answer_as_allowed, asked_as_allowed, kept_as_allowed, unread_in, value_as_allowed
from core.tables import Outcome
from core.tool_calls import CallJudge, calls_in
from core.validation import Effort
from core.workers import TenantWorkers

_SCHEMA = "schema text"


def resolved(snapshot: TenantSnapshot, request: GenerationRequest, principal: Principal, record: Record) -> Policy:
    """Return the policy; a schema that came with the request has no text in it that may not go out.

    Raises:
        GuardrailBlocked: it may not go out.
        ProctorError: as ``resolve``; a schema without what was taken out of it may be none.

    """
    resolve = partial(snapshot.resolve, principal, route=request.route, model=request.model, stream=request.stream)
    policy = with_added(resolve(schema=request.schema), request.guardrails, record)
    policy = replacing(policy, snapshot, lambda: texts_in(request))
    if isinstance(request.schema, str) or policy.guardrails.passes(orjson.dumps(request.schema), Stage.INPUT):
        return policy
    with record.findings.looking(Stage.INPUT) as found:
        schema = policy.guardrails.screen_value(request.schema, Stage.INPUT, found, _SCHEMA)
    return policy if schema is request.schema else replace(resolve(schema=schema), guardrails=policy.guardrails)


def with_added(policy: Policy, added: Sequence[Guardrail], record: Record) -> Policy:
    """Return *policy* with the rules that its caller *added*, which the trace tells."""
    if not added:
        return policy
    told = ", ".join(f"{one.name} ({one.action})" for one in added)
    record.step("policy", "guardrails added", f"Beside the tenant's rules hold for this call {told}.")
    return replace(policy, guardrails=policy.guardrails.and_those(added))


def with_allowed_schema(policy: Policy, record: Record) -> Policy:
    """Return *policy* with its registered schema as it may go out; an example that is none any more is left out.

    One that came with the request was looked at when it was read.

    Raises:
        GuardrailBlocked: it may not.

    """
    schema = policy.schema
    if schema.version is None or policy.schema_passes:
        return policy
    with record.findings.looking(Stage.INPUT) as found:
        body = policy.guardrails.screen_value(schema.body, Stage.INPUT, found, _SCHEMA)
        example = policy.guardrails.screen_value(schema.example_output, Stage.INPUT, found, _SCHEMA)
        asked = policy.guardrails.screen_text(schema.example_input, Stage.INPUT, found, _SCHEMA)
    model = schema.response_model if body is schema.body else response_model(body, schema.name)
    if example is not schema.example_output:
        try:
            example = fitting(schema.example_output, example, model)
        except Unfitting:
            example = None
    allowed = replace(schema, body=body, response_model=model, example_input=asked, example_output=example)
    return replace(policy, schema=allowed)


def kept_metadata(request: GenerationRequest, snapshot: TenantSnapshot) -> Mapping[str, Any] | None:
    """Return what is kept of the caller's own notes, which go to nobody."""
    if not request.metadata:
        return request.metadata
    guardrails = snapshot.guardrails(request.route or "").and_those(request.guardrails)
    return kept_as_allowed(guardrails, request.metadata, Stage.INPUT, [], "metadata")


def screened(
    messages: Sequence[Message], guardrails: Guardrails, record: Record, workers: TenantWorkers | None
) -> Sequence[Message]:
    """Return *messages* as they may go out; raises GuardrailBlocked. *workers* read documents in them."""
    with record.findings.looking(Stage.INPUT) as found:
        allowed = guardrails.screen_messages(messages, Stage.INPUT, found)
        judge_documents(allowed, guardrails, found, workers)
    record.asking(allowed)
    return allowed


def screened_request(
    asked: RelayRequest,
    guardrails: Guardrails,
    record: Record,
    texts: ToolTexts,
    tenant_id: str,
    *,
    workers: TenantWorkers | None,
) -> RelayRequest:
    """Return what may go out of a request in a dialect, of whatever place in it; raises GuardrailBlocked.

    *texts* remembers what its tools and schemas say of themselves; *workers* read its documents.
    """
    with record.findings.looking(Stage.INPUT) as found:
        asked = asked_as_allowed(guardrails, asked, found)
        judge = CallJudge(guardrails, asked)
        judge.offered(found)
        judge.remembered(texts, tenant_id, found)
        read = judge_documents(asked.messages, guardrails, found, workers)
    if unread := unread_in(asked, read):
        record.step("screen in", "not judged", unread)
    record.asking(asked.messages)
    return asked


def screened_head(
    head: VendorResponse, asked: RelayRequest, guardrails: Guardrails, record: Record, outcome: Outcome
) -> VendorResponse:
    """Return a whole answer in a dialect without what guardrails forbid.

    Raises:
        GuardrailBlocked: it may not come back; or it was valid, and is not without what would be taken out.

    """
    with record.findings.looking(Stage.OUTPUT) as found:
        allowed = answer_as_allowed(guardrails, asked.dialect, head, found, is_json=asked.wants_json)
        if allowed is not head and outcome.is_valid:
            allowed = fitted_answer(asked, head, allowed)
        if (judge := CallJudge(guardrails, asked)).has_rules and guardrails.giving_back is None:  # else as it is given
            judge.judge(calls_in(allowed.value or {}), found)
    return allowed


def screened_told(
    told: VendorResponse, asked: RelayRequest, guardrails: Guardrails, record: Record, outcome: Outcome
) -> VendorResponse:
    """Return what the stream that *told* is said without what was taken out; what was valid is valid without it.

    Raises:
        GuardrailBlocked: it is not.

    """
    with record.findings.looking(Stage.OUTPUT) as found:
        value = value_as_allowed(guardrails, asked.dialect, told.value or {}, found, is_json=asked.wants_json)
        if (judge := CallJudge(guardrails, asked)).has_rules and guardrails.giving_back is None:  # else as it is given
            judge.judge(calls_in(value), found)
    if outcome.is_valid:
        _require_valid(asked, value)
    return replace(told, value=value)


def screened_value(value: Any, guardrails: Guardrails, record: Record) -> JsonValue:
    """Return an answer's *value* as it may come back; raises GuardrailBlocked."""
    with record.findings.looking(Stage.OUTPUT) as found:
        return guardrails.screen_json(JsonValue.of(value), Stage.OUTPUT, found)


def valid_value(value: Any, policy: Policy, record: Record) -> JsonValue:
    """Return a valid *value* as it may come back, still valid: where no mark fits, with what says as little.

    Raises:
        GuardrailBlocked: it may not come back, or nothing that may stand there is valid.

    """
    given = JsonValue.of(value)
    allowed = screened_value(given, policy.guardrails, record)
    if allowed is given:
        return given
    try:
        return JsonValue(
            fitting(given.value, allowed.value, policy.schema.response_model, policy.guardrails.replaced_in)
        )
    except Unfitting as error:
        raise _not_valid(error.problem) from None


def fitted_answer(asked: RelayRequest, before: VendorResponse, after: VendorResponse) -> VendorResponse:
    """Return an answer that was valid *before* as it is *after* something was taken out, valid still.

    Raises:
        GuardrailBlocked: nothing that may stand there is valid.

    """
    if (problem := _invalid(asked, after.value or {})) is None:
        return after
    objects = [asked.dialect.answer_objects(one.value or {}) for one in (before, after)]
    texts: dict[str, Any] = {}
    for old, new in zip(*objects, strict=True):
        kind = "format" if new.name is None else "tool"
        wanted = next((one for one in asked.formats if one.kind == kind and new.name in (None, one.name)), None)
        if old.text != new.text and wanted is not None:
            try:
                texts[new.text] = fitting(json.loads(old.text), json.loads(new.text), format_model(wanted))
            except Unfitting as error:
                raise _not_valid(error.problem) from None
            except ValueError:
                raise _not_valid(problem) from None
    value = _with_fitted(exactly(after.body), texts)
    made = replace(after, body=exactly_written(value), value=as_python_reads(exactly_written(value)))
    _require_valid(asked, made.value or {})
    return made


def _with_fitted(value: Any, texts: Mapping[str, Any]) -> Any:
    """Return *value* with those objects for *texts* that satisfy their schema, as a text or as themselves."""
    if isinstance(value, str):
        return exactly_written(texts[value]).decode() if value in texts else value
    if isinstance(value, list):
        return [_with_fitted(one, texts) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    written = as_python_reads(exactly_written(members))
    fitted = next((one for text, one in texts.items() if json.loads(text) == written), None)
    return {name: _with_fitted(inner, texts) for name, inner in members.items()} if fitted is None else fitted


def _require_valid(asked: RelayRequest, body: Mapping[str, Any]) -> None:
    if (problem := _invalid(asked, body)) is not None:
        raise _not_valid(problem)


def _invalid(asked: RelayRequest, body: Mapping[str, Any]) -> FieldProblem | None:
    check = check_answer(asked, asked.dialect.answer_objects(body), asked.dialect.ends(body), Effort())
    return check.problems[0] if check.outcome is Outcome.INVALID else None


def _not_valid(first: FieldProblem) -> GuardrailBlocked:
    return GuardrailBlocked(
        "The answer was held back: without what a guardrail takes out of it, it is not valid any more "
        f"({first.path}: {first.type}).",
        stage=Stage.OUTPUT.value,
        path=first.path,
    )
