"""What is replaced in one call, and put back into what its caller gets: behind the record, the cache and all else.

Which placeholder stands for what is known to the guardrails of the call, and to nobody once it has ended. Who gives its
answer again looks at the same request anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import orjson

from core.answer_checks import check_answer
from core.dialects import Dialect, RelayRequest, VendorResponse
from core.errors import GuardrailBlocked, ProctorError
from core.field_problems import FieldProblem
from core.frame_screens import placed_back
from core.guardrails import ANSWER, Action, Finding, GivenBack, Guardrail, Guardrails, Stage
from core.json_leaves import Steps, with_texts
from core.json_texts import as_python_reads, exactly, exactly_written
from core.json_values import JsonValue
from core.messages import texts_of
from core.policy import Policy, TenantSnapshot
from core.principals import Principal
from core.record import Record
from core.redactions import Unfitting, require_valid
from core.requests import GenerationRequest, RelayCall, messages_of
from core.response_models import ResponseModel
from core.screened_places import asked_as_allowed, read_json
from core.tables import Outcome
from core.tool_calls import CallJudge, calls_in
from core.validation import Effort


def replacing(policy: Policy, snapshot: TenantSnapshot, texts: Callable[[], Iterable[str]]) -> Policy:
    """Return *policy* with guardrails of its own for one call, in which *texts* are the caller's; if they replace."""
    if not policy.guardrails.replace:
        return policy
    return replace(policy, guardrails=policy.guardrails.of_call(snapshot.placeholders(texts)))


def texts_in(request: GenerationRequest) -> Iterable[str]:
    """Return all texts of a request in which a placeholder may stand that is not ours."""
    yield from texts_of(messages_of(request))
    if not isinstance(request.schema, str):
        yield orjson.dumps(request.schema).decode()


def texts_in_body(asked: RelayRequest) -> Iterable[str]:
    """Return all texts of a request in a dialect in which a placeholder may stand that is not ours."""
    found: list[str] = []

    def seen(text: str, _steps: Steps, _is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        found.append(text)
        return text

    with_texts(exactly(asked.source.text), seen)
    return found


def as_asked(request: GenerationRequest, principal: Principal, snapshot: TenantSnapshot) -> type[ResponseModel]:
    """Return what the caller asked to satisfy; in what the model was given there may be placeholders."""
    asked = snapshot.resolve(
        principal, schema=request.schema, route=request.route, model=request.model, stream=request.stream
    )
    return asked.schema.response_model


def given_back(value: JsonValue, policy: Policy, record: Record, asked: Callable[[], type[ResponseModel]]) -> JsonValue:
    """Return a valid *value*, which is kept as it is, as its caller gets it: valid for what he *asked*.

    Raises:
        GuardrailBlocked: he may not get it; or with his data in it, it is not valid any more.

    """
    giving = policy.guardrails.giving_back
    if giving is None:
        return value
    with record.findings.looking(Stage.OUTPUT) as found:
        restored = giving.value(value.value, found, "answer")
    if restored is value.value:
        return value
    try:
        require_valid(restored, asked())
    except Unfitting as error:
        raise not_valid(error.problem) from None
    tell(giving.count, record)
    return JsonValue(restored)


def restored_body(giving: GivenBack, dialect: Dialect, body: bytes, findings: list[Finding]) -> bytes:
    """Return the *body* of a whole answer in a *dialect* with what was replaced put back; the same one without.

    What its vendor has sealed stays as it is, or the next turn would be refused. A text that is JSON stays that.

    Raises:
        GuardrailBlocked: it may not go back.

    """
    before = read_json(body.decode(errors="replace"))
    if not isinstance(before, dict):
        return body
    told = cast("dict[str, Any]", before)
    after = dialect.places.screened(told, placed_back(giving, findings), ANSWER, is_json=True)
    return body if after is told else exactly_written(after)


def head_given_back(
    head: VendorResponse, asked: RelayRequest, guardrails: Guardrails, record: Record, outcome: Outcome
) -> VendorResponse:
    """Return an answer in a dialect, which may be kept as it is, as its caller gets it; of a stream what it says.

    Raises:
        GuardrailBlocked: he may not get it; or it was valid for what he *asked*, and with his data in it is not.

    """
    giving = guardrails.giving_back
    if giving is None:
        return head
    before = head.body if head.frames is None else exactly_written(head.value or {})
    with record.findings.looking(Stage.OUTPUT) as found:
        body = restored_body(giving, asked.dialect, before, found)
        value: Any = head.value if body is before else as_python_reads(body)
        CallJudge(guardrails, asked).judge(calls_in(value or {}), found)
    if body is before:
        return head
    if outcome.is_valid:
        check = check_answer(asked, asked.dialect.answer_objects(value), asked.dialect.ends(value), Effort())
        if check.outcome is Outcome.INVALID:
            raise not_valid(check.problems[0])
    tell(giving.count, record)
    return replace(head, body=body, value=value, kept=before)


def tell(count: int, record: Record) -> None:
    """Tell the trace that data were put back."""
    times = "once" if count == 1 else f"{count:,} times"
    record.step("screen out", "restored", f"What was replaced in the request was put back into the answer, {times}.")


def not_valid(first: FieldProblem) -> GuardrailBlocked:
    """Return what is told of an answer that only was valid without the data of its caller."""
    return GuardrailBlocked(
        "The answer was held back: with what was replaced in the request put back into it, it is not valid any more "
        f"({first.path}: {first.type}).",
        stage=Stage.OUTPUT.value,
        path=first.path,
    )


def again_in_dialect(call: RelayCall, principal: Principal, snapshot: TenantSnapshot) -> Guardrails:
    """Return what looks at an answer that is given again to a *call*, as :func:`again` does."""
    asked, added = call.request, call.guardrails
    guardrails = snapshot.guardrails().and_those(added)
    if not _may_replace(snapshot, added):
        return guardrails
    with suppress(ProctorError):
        policy = snapshot.deciding(call.user).resolve_relay(principal, asked, schema="")
        guardrails = _at_work(policy, added, snapshot, lambda: texts_in_body(asked))
        asked_as_allowed(guardrails.asking_nobody, asked, [])
    return guardrails


def again(request: GenerationRequest, principal: Principal, snapshot: TenantSnapshot) -> Guardrails:
    """Return what looks at an answer that is given again to *request*, and puts back what that was made without."""
    guardrails = snapshot.guardrails(request.route or "").and_those(request.guardrails)
    if not _may_replace(snapshot, request.guardrails):
        return guardrails
    findings: list[Finding] = []
    with suppress(ProctorError):  # what cannot be asked today is given again as it is kept
        policy = snapshot.deciding(request.user, request.id).resolve(
            principal, schema=request.schema, route=request.route, model=request.model, stream=request.stream
        )
        guardrails = _at_work(policy, request.guardrails, snapshot, lambda: texts_in(request))
        schema = policy.schema
        of_schema = [request.schema] if schema.version is None else [schema.body, schema.example_output]
        looking = guardrails.asking_nobody
        looking.screen_value([*of_schema, schema.example_input], Stage.INPUT, findings, "schema text")
        looking.screen_messages(messages_of(request), Stage.INPUT, findings)
    return guardrails


def _may_replace(snapshot: TenantSnapshot, added: Sequence[Guardrail]) -> bool:
    rules = (rule for _, rule in snapshot.tenant.guardrail_rules)
    return any(rule.action is Action.REPLACE for rule in (*rules, *added))


def _at_work(
    policy: Policy, added: Sequence[Guardrail], snapshot: TenantSnapshot, texts: Callable[[], Iterable[str]]
) -> Guardrails:
    policy = replace(policy, guardrails=policy.guardrails.and_those(added))
    return replacing(policy, snapshot, texts).guardrails
