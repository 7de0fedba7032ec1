"""What guardrails let go on, of whatever place: requests and answers in a dialect, and answers that nobody gets.

A body is looked at once, as a whole, and read text by text only where that does not say that nothing is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import ValidationError

from core.dialects import (
    DIALECTS,
    Dialect,
    DialectName,
    PlacedText,
    RelayRequest,
    Screen,
    VendorResponse,
    readable,
    screened_request,
    unreadable,
)
from core.errors import GuardrailBlocked
from core.field_problems import FieldProblem, told_as
from core.guardrails import ANSWER, HELD, Finding, Guardrails, Stage, standing
from core.json_leaves import Steps, with_numbers, with_texts
from core.json_schemas import is_plain_name, json_path
from core.json_texts import as_python_reads, exactly, exactly_written
from core.messages.turns import earlier_listed
from core.providers import Answer

TWICE = b"\\\\"
"""Signs that were escaped twice, as in arguments that are JSON in JSON: a glance does not see what they stand for."""
Turn = tuple[str | int, ...]
"""Where in a body a message stands."""
_MESSAGES = ("messages", "input")
HELD_BACK = "[held back by a guardrail]"
"""What is kept in the place of a text of which nothing may be."""
_ESCAPED = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[bfnrt\"\\/])")


def asked_as_allowed(guardrails: Guardrails, asked: RelayRequest, findings: list[Finding]) -> RelayRequest:
    """Return what may go out of a request; what was found is added to *findings*.

    Raises:
        GuardrailBlocked: it may not, or not as it is, and may not be altered.
        Invalid: what is left of it is no request.

    """
    seen = readable(asked)
    if seen and TWICE not in seen and guardrails.passes(seen, Stage.INPUT):
        return asked

    over = earlier_in(asked.source.values) if guardrails.goes_by_turns else frozenset[Turn]()

    def look(found: list[Finding]) -> RelayRequest:
        return screened_request(asked, placed_screen(guardrails, Stage.INPUT, found, over))

    with guardrails.hearing(Stage.INPUT, lambda: look([])):
        return look(findings)


def answer_as_allowed(
    guardrails: Guardrails, dialect: Dialect, head: VendorResponse, findings: list[Finding], *, is_json: bool = False
) -> VendorResponse:
    """Return what may go back of a whole answer: its body is written anew only where something was found.

    Its text *is_json* where that was asked for.

    Raises:
        GuardrailBlocked: it may not go back.

    """
    body = body_as_allowed(guardrails, dialect, head.body, findings, is_json=is_json)
    if body is head.body:
        return head
    try:
        value: Any = as_python_reads(body)
    except (ValueError, RecursionError):
        value = None
    return replace(head, body=body, value=cast("dict[str, Any]", value) if isinstance(value, dict) else None)


def body_as_allowed(
    guardrails: Guardrails, dialect: Dialect | None, body: bytes, findings: list[Finding], *, is_json: bool = False
) -> bytes:
    """Return what may go back of the *body* of an answer, in a dialect or of ours; the same one where that is all.

    Raises:
        GuardrailBlocked: it may not go back.

    """
    if TWICE not in body and guardrails.passes(body, Stage.OUTPUT):
        return body
    try:
        before = exactly(body)
    except (ValueError, RecursionError):
        text = body.decode(errors="replace")
        new = guardrails.screen_text(text, Stage.OUTPUT, findings, ANSWER)
        return body if new == text else new.encode()
    if dialect is not None and isinstance(before, dict):
        after: Any = value_as_allowed(guardrails, dialect, cast("dict[str, Any]", before), findings, is_json=is_json)
    else:
        after = _document_as_allowed(guardrails, before, findings)
    return body if after is before else exactly_written(after)


def _document_as_allowed(guardrails: Guardrails, document: Any, findings: list[Finding]) -> Any:
    """Return a document of ours as it may go back: the answer is one member of it, and beside it nothing has fields."""
    if not isinstance(document, dict) or "value" not in document:
        return guardrails.screen_value(document, Stage.OUTPUT, findings)
    members = cast("dict[str, Any]", document)
    after = {
        name: guardrails.screen_value(inner, Stage.OUTPUT, findings, ANSWER if name == "value" else "")
        for name, inner in members.items()
    }
    return members if all(after[name] is inner for name, inner in members.items()) else after


def error_as_allowed(guardrails: Guardrails, dialect: Dialect, raw: VendorResponse | None) -> VendorResponse | None:
    """Return what may go back of a vendor's error; nothing where that is none of it."""
    if raw is None:
        return None
    try:
        return answer_as_allowed(guardrails, dialect, raw, [])
    except GuardrailBlocked:
        return None


def value_as_allowed(
    guardrails: Guardrails, dialect: Dialect, body: Mapping[str, Any], findings: list[Finding], *, is_json: bool
) -> Mapping[str, Any]:
    """Return the *body* of an answer in a *dialect* as it may be told; raises GuardrailBlocked."""

    def look(found: list[Finding]) -> Mapping[str, Any]:
        screen = placed_screen(guardrails, Stage.OUTPUT, found)
        return dialect.places.screened(body, screen, ANSWER, is_json=is_json or guardrails.goes_by_fields)

    with guardrails.hearing(Stage.OUTPUT, lambda: look([])):
        return look(findings)


def kept_as_allowed(guardrails: Guardrails, value: Any, stage: Stage, findings: list[Finding], place: str) -> Any:
    """Return what may be kept of a JSON *value*, which goes to nobody: a text of which nothing may is held back."""

    def changed(text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        try:
            return guardrails.screen_text(text, stage, findings, place, under=None if is_name else steps)
        except GuardrailBlocked:
            return HELD_BACK

    def may_stand(digits: str, steps: Steps) -> bool:
        try:
            return guardrails.lets_stand(digits, None, place, stage=stage, findings=findings, under=steps)
        except GuardrailBlocked:
            return False

    with guardrails.hearing(stage, lambda: with_texts(value, changed)):
        return with_numbers(with_texts(value, changed), may_stand)


def earlier_in(body: Mapping[str, Any]) -> frozenset[Turn]:
    """Return where in the *body* of a request messages of turns that are over stand."""
    return frozenset((name, at) for name in _MESSAGES for at in earlier_listed(body.get(name)))


def placed_screen(guardrails: Guardrails, stage: Stage, findings: list[Finding], over: Collection[Turn] = ()) -> Screen:
    """Return what screens the texts of a body on one side, and does not let a sealed one be altered.

    In what is *over* those look that look at earlier turns.
    """

    def screen(placed: PlacedText) -> str:
        before, place = len(findings), placed.place + " key" * placed.is_name
        try:
            is_earlier = bool(over) and tuple(placed.steps[:2]) in over
            text, steps, under = placed.text, placed.within, placed.steps
            if placed.is_number:
                stays = guardrails.lets_stand(text, steps, place, stage=stage, findings=findings, under=under)
                new = text if stays else ""
            else:
                new = guardrails.screen_text(text, stage, findings, place, steps, is_earlier=is_earlier, under=under)
        except GuardrailBlocked as error:
            findings[before:] = [replace(one, path=path_of(placed)) for one in findings[before:]]
            raise _named(error, place, path_of(placed), findings) from None
        if len(findings) > before:
            findings[before:] = [replace(one, path=path_of(placed)) for one in findings[before:]]
            if placed.is_sealed and new != placed.text:
                raise _named(_sealed(stage), place, path_of(placed), findings)
        return new

    return screen


def path_of(placed: PlacedText) -> str:
    """Return where a text stands as a JSON path, without names that people may have made."""
    return json_path(tuple(one if isinstance(one, int) or is_plain_name(one) else "…" for one in placed.steps))


def _sealed(stage: Stage) -> GuardrailBlocked:
    return GuardrailBlocked(
        f"{HELD[stage]}: what a guardrail takes out is in a part that its vendor has sealed, which cannot "
        "be altered. Leave that part out.",
        stage=stage.value,
    )


def _named(error: GuardrailBlocked, place: str, path: str, findings: Sequence[Finding]) -> GuardrailBlocked:
    """Return *error* with where it is that it speaks of."""
    return standing(error, f"{place}, at {path}", findings, place=place, path=path)


def unread_in(asked: RelayRequest, documents_read: int = 0) -> str:
    """Return in one sentence what of a request no guardrail can read; empty where it reads all.

    So many documents were read before.
    """
    found = {kind: count - documents_read * (kind == "document") for kind, count in unreadable(asked).items()}
    found = {kind: count for kind, count in found.items() if count > 0}
    if not found:
        return ""
    kinds = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in sorted(found.items()))
    return f"No guardrail reads what {kinds} hold{'s' * (sum(found.values()) == 1)}: it went on unseen."


class AnswerScreen:
    """Screens answers that are not given to anybody: what is kept of them, and what goes back to who gave them.

    An invalid answer is written down and asked again for, so it travels further than a valid one.
    """

    def __init__(self, guardrails: Guardrails) -> None:
        self._guardrails = guardrails

    def kept(self, text: str, *, is_whole: bool = True) -> str:
        """Return what of a *text* that a model wrote may be kept, read as the JSON that it may be.

        Of one that was cut, the end that may be the beginning of something is not.
        """
        try:
            if not is_whole:
                return self._guardrails.screen_partial(text, text)
            read = read_json(text)
            if read is not None:
                with self._guardrails.hearing(Stage.OUTPUT, lambda: with_texts(read, self._changed)):
                    made = with_numbers(with_texts(read, self._changed), self._may_stand)
                return text if made is read else exactly_written(made).decode()
            shown = self._shown(text)
            plain = _plain(shown)
            return HELD_BACK if plain != shown and self._shown(plain) != plain else shown
        except Exception:  # noqa: BLE001 a fault of ours must not make a paid call vanish
            return HELD_BACK

    def sentence(self, text: str) -> str:
        """Return what may be told of a sentence, whoever wrote it."""
        try:
            return self._shown(text)
        except Exception:  # noqa: BLE001 a fault of ours must not make a paid call vanish
            return HELD_BACK

    def problems(self, problems: Iterable[FieldProblem]) -> tuple[FieldProblem, ...]:
        """Return what may be told of what is wrong: names that a model invented stand in it."""
        return tuple(FieldProblem(self.sentence(one.path), one.type, self.sentence(one.message)) for one in problems)

    def said_back(self, answer: Answer) -> Answer:
        """Return an invalid answer as it may go back to the model; raises GuardrailBlocked."""
        raw: Any = answer.raw
        if isinstance(raw, dict):
            raw = self.body(DIALECTS[DialectName.CHAT], cast("dict[str, Any]", raw))
        elif isinstance(raw, list):
            raw = self.body(DIALECTS[DialectName.MESSAGES], {"content": cast("list[Any]", raw)})["content"]
        return replace(answer, raw=raw, text=self.kept(answer.text))

    def body(self, dialect: Dialect, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an invalid answer in a *dialect* as it may go back to the model; raises GuardrailBlocked."""

        def look() -> Mapping[str, Any]:
            return dialect.places.screened(body, placed_screen(self._guardrails, Stage.OUTPUT, []), ANSWER)

        with self._guardrails.hearing(Stage.OUTPUT, look):
            return look()

    def error(self, error: ValidationError) -> ValidationError:
        """Return what is wrong with an answer as its model is told it."""
        return told_as(error, self.sentence)

    def _changed(self, text: str, steps: Steps, is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        new = self._shown(text)
        return new if is_name or new != text else self._guardrails.screened(text, steps)

    def _may_stand(self, digits: str, steps: Steps) -> bool:
        return self._guardrails.lets_stand(digits, steps)

    def _shown(self, text: str) -> str:
        return self._guardrails.screened(text)


def read_json(text: str) -> Any:
    """Return a text that is a JSON object or list as one; ``None`` for any other."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return exactly(text)
    except (ValueError, RecursionError):
        return None


def _plain(text: str) -> str:
    """Return *text* with the characters that escapes in it stand for."""
    return _ESCAPED.sub(lambda found: _meant(found[0]), text) if "\\" in text else text


def _meant(escape: str) -> str:
    return str(as_python_reads(f'"{escape}"'.encode()))
