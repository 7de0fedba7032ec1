"""``Idempotency-Key``, on every request that may cost something: its form, and the answer that is given again."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.requests import Request

from core.api.in_flight import Ending
from core.api.response_headers import BUDGET_RESETS, REMAINING
from core.dialects import DIALECTS, Dialect
from core.errors import BadHeader, GuardrailBlocked, Repeated
from core.guardrails import Guardrails, Stage
from core.idempotency import Idempotency, KeptAnswer
from core.json_texts import exactly, exactly_written
from core.record import Generation
from core.replaced_calls import restored_body
from core.restored_frames import restored_stream
from core.screened_places import body_as_allowed
from core.telemetry import Metrics, log

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MOST_KEY_CHARACTERS = 255
_OF_THE_MOMENT = (
    "retry-after",
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "x-should-retry",
    REMAINING.lower(),
    BUDGET_RESETS.lower(),
)
"""Headers that say when to come back and how much is left: true then, and not of the answer."""
_ANSWERED = 200
_SENT_AGAIN = (408, 409, 429)
"""Beside all from 500 on: the SDKs ask again by themselves."""
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')

Answered = tuple[Ending, Generation | None]
"""How a request ended, and the generation that it became, if it became one."""


def key_of(request: Request) -> str | None:
    """Return the key that a request brings, quoted as a structured field is or bare; ``None`` without one.

    Raises:
        BadHeader: it is no key.

    """
    given = request.headers.getlist(HEADER)
    if not given:
        return None
    if len(given) > 1:
        raise BadHeader(f"'{HEADER}' was sent {len(given)} times. Send it once.")
    key = given[0].strip()
    if found := _QUOTED.fullmatch(key):
        key = re.sub(r"\\(.)", r"\1", found[1])
    if not 1 <= len(key) <= MOST_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise BadHeader(
            f"'{HEADER}' holds 1 to {MOST_KEY_CHARACTERS} printable ASCII characters, such as a UUID; this does not."
        )
    return key


class Repeats:
    """Answers each request under a key once, and gives the answer again to who sends it again."""

    def __init__(self, idempotency: Idempotency, metrics: Metrics) -> None:
        self._idempotency = idempotency
        self._metrics = metrics

    def answer(
        self,
        *,
        tenant_id: str,
        door: str,
        key: str | None,
        body: bytes,
        guardrails: Callable[[], Guardrails],
        once: Callable[[str | None], Answered],
    ) -> Ending:
        """Return how *once* answers, which is given the id that its generation is to have, or how it did before.

        What is given again is what *guardrails* let go on today, whatever they did then; they are asked for it alone.

        Raises:
            Repeated: it can be neither answered again nor done now.
            GuardrailBlocked: it may not be given again.
            Unavailable: the database does not answer.

        """
        if key is None:
            return once(None)[0]
        try:
            turn = self._idempotency.begin(tenant_id=tenant_id, door=door, key=key, body=body)
        except Repeated as error:
            self._metrics.repeats.labels(error.code).inc()
            raise
        if isinstance(turn, KeptAnswer):
            self._metrics.repeats.labels("replayed").inc()
            log().info("request_replayed", generation_id=turn.generation_id, status=turn.status)
            again = _given_again(turn, door, guardrails())
            return Ending(turn.status, again, turn.headers | {REPLAYED: "true"}, turn.streamed)
        try:
            ending, generation = once(turn.generation_id)
        except BaseException:
            turn.lost()
            raise
        turn.answered(_reply(ending, turn.generation_id), generation)
        return ending


def _given_again(kept: KeptAnswer, door: str, guardrails: Guardrails) -> bytes:
    """Return what is given again of an answer: what was replaced in its request is put back, which is not kept.

    Raises:
        GuardrailBlocked: it may not be given again.

    """
    body = _allowed(kept, door, guardrails)
    giving = guardrails.giving_back
    if giving is None or kept.status != _ANSWERED:
        return body
    if (dialect := _dialect_of(door)) is not None:
        return restored_stream(giving, dialect, body) if kept.streamed else restored_body(giving, dialect, body, [])
    read = exactly(body)
    return exactly_written({**read, "value": giving.value(read["value"], [], "answer")})


def _allowed(kept: KeptAnswer, door: str, guardrails: Guardrails) -> bytes:
    """Return what may be given again of an answer: events cannot be altered without all that counts in them.

    Raises:
        GuardrailBlocked: it may not be given again.

    """
    body = (kept.body or "").encode()
    if kept.streamed:
        if not guardrails.passes(body, Stage.OUTPUT) and not _stands(body, guardrails):
            raise GuardrailBlocked(
                "What was answered under this Idempotency-Key holds what a guardrail takes out today, which cannot be "
                "done in a stream. Send another key to ask anew.",
                stage=Stage.OUTPUT.value,
            )
        return body
    return body_as_allowed(guardrails, _dialect_of(door), body, [])


def _stands(events: bytes, guardrails: Guardrails) -> bool:
    """Whether every text and number of a stream may go on as it is.

    Each by itself, as in what is not streamed: what one member is called says nothing of the number in another.
    """
    told = (line.partition(b":")[2].strip() for line in events.splitlines() if line.startswith(b"data:"))
    return all(body_as_allowed(guardrails, None, data, []) == data for data in told)


def _dialect_of(door: str) -> Dialect | None:
    return next((one for one in DIALECTS.values() if one.name == door), None)


def _reply(ending: Ending, generation_id: str) -> KeptAnswer:
    kept = ending.again or ending
    headers = {name: value for name, value in kept.headers.items() if not name.lower().startswith(_OF_THE_MOMENT)}
    if kept.status in _SENT_AGAIN or kept.status >= 500:
        headers["x-should-retry"] = "false"  # an SDK that asks for it again would be told the same again
    try:
        body = kept.body.decode()
    except UnicodeDecodeError:
        body = None
    return KeptAnswer(
        status=kept.status, body=body, generation_id=generation_id, headers=headers, streamed=kept.streamed
    )
