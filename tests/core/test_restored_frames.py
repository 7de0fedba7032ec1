"""Streams in a dialect with what was replaced put back: a beginning of the restored whole, however they are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName
from core.guardrails import Action, GivenBack, Guardrail, Guardrails, Placeholders, Stage, built_in, search_of
from core.replaced_calls import restored_body
from core.restored_frames import RestoredFrames, restored_stream
from tests.core.test_screened_frames import STREAMS, cut, data, final, frames_of, written
from tests.examples import many

JANE = "jane@example.org"
ANNIE = 'Anna "Annie" O\'Neil\\'
NAMES = search_of("words", json.dumps({"words": [ANNIE]}))


def at_work() -> tuple[Guardrails, list[str]]:
    """Return guardrails that have replaced data of a request, and the placeholders of those."""
    rules = [
        *built_in(),
        Guardrail("personal", search_of("personal", "{}"), Action.REPLACE, frozenset(Stage), restores=True),
        Guardrail("names", NAMES, Action.REPLACE, frozenset(Stage), restores=True),
    ]
    guardrails = Guardrails(rules).of_call(Placeholders(b"k" * 32))
    names = [guardrails.screen_text(one, Stage.INPUT, [], "user text") for one in (JANE, ANNIE)]
    assert JANE not in names
    assert ANNIE not in names
    return guardrails, names


GUARDRAILS, (MAIL, NAME) = at_work()
_GIVING = GUARDRAILS.giving_back
assert _GIVING is not None
GIVING: GivenBack = _GIVING
HALVES = [MAIL[:9], MAIL[9:], NAME[:4], NAME[4:], MAIL.upper(), "redacted", "-", "[", "]"]
PIECES = st.lists(st.sampled_from([*HALVES, MAIL, NAME, " ", "é", "👋", "\\", "Dear "]), max_size=20)


def restored(dialect: DialectName, stream: list[bytes]) -> list[bytes]:
    """Return what a caller gets of a stream, frame by frame as it comes."""
    restoring = RestoredFrames(GIVING, DIALECTS[dialect])
    frames = [one for fed in frames_of(dialect, b"".join(stream)) for one in fed]
    out = [restoring.of([one]) for one in frames]
    return [b"".join(one.outward for one in part) for part in (*out, restoring.rest())]


@settings(max_examples=many(60), deadline=None)
@given(st.sampled_from(sorted(STREAMS)), PIECES, PIECES)
def test_each_prefix_is_a_prefix_of_the_restored_whole(dialect: DialectName, text: list[str], body: list[str]) -> None:
    """For any cut: of text, and of strings in arguments, where a datum is escaped; kept, it is the same again."""
    arguments = ['{"body":"', *(json.dumps(one, ensure_ascii=len(text) % 2 == 0)[1:-1] for one in body), '"}']
    whole, wanted = (GIVING.text("".join(one), []) for one in (text, body))
    stream = STREAMS[dialect](text, arguments)
    out, came = restored(dialect, stream), ""
    for at in range(len(out)):
        came = written(dialect, b"".join(out[: at + 1]))[0]
        assert whole.startswith(came)
    assert came == whole
    assert json.loads(written(dialect, b"".join(out))[1]) == {"body": wanted}
    assert restored_stream(GIVING, DIALECTS[dialect], b"".join(stream)) == b"".join(out)
    if whole == "".join(text) and wanted == "".join(body):
        assert b"".join(out) == b"".join(stream)


@pytest.mark.parametrize("dialect", STREAMS)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_the_sdk_makes_the_restored_whole_of_it(dialect: DialectName, size: int) -> None:
    """Text that is JSON unasked, arguments, and what events at the end repeat; half a placeholder is soon let go."""
    said = json.dumps({"to": MAIL, "name": NAME, "near": MAIL[:-3] + "x"})
    out = b"".join(restored(dialect, STREAMS[dialect](cut(said, size), cut(said, size))))
    for one in final(dialect, out):
        assert json.loads(one) == {"to": JANE, "name": ANNIE, "near": MAIL[:-3] + "x"}
    assert MAIL.encode() not in out
    stream = STREAMS[dialect]([f"Dear {MAIL[:12]}", "! ", "Bye"], ["{}"])
    shown = restored(dialect, stream)
    reached = [written(dialect, b"".join(shown[: at + 1]))[0] for at in range(len(shown))]
    assert f"Dear {MAIL[:12]}! " in reached


def test_thoughts_keep_their_placeholders() -> None:
    """A vendor may seal them with an event that is yet to come, and what repeats them says what they said."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": MAIL}]}
    where = {"output_index": 0, "item_id": "rs_1", "content_index": 0}
    for dialect, events in (
        (
            DialectName.RESPONSES,
            [
                {"type": "response.reasoning_text.delta", **where, "delta": MAIL},
                {"type": "response.reasoning_text.done", **where, "text": MAIL},
                {"type": "response.output_item.done", "output_index": 0, "item": thought},
            ],
        ),
        (
            DialectName.MESSAGES,
            [{"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": MAIL}}],
        ),
    ):
        stream = [data(one) for one in events]
        assert b"".join(restored(dialect, stream)) == b"".join(stream)


def test_what_arises_by_restoring_is_looked_at() -> None:
    """In a stream as in the whole: a key that only comes about with the datum is not handed on."""
    guardrails = Guardrails([
        *built_in(),
        Guardrail("names", search_of("words", '{"words": ["jane"]}'), Action.REPLACE, frozenset(Stage), restores=True),
        Guardrail("outward", search_of("words", '{"words": ["jane-doe"]}'), Action.REDACT, frozenset({Stage.OUTPUT})),
    ]).of_call(Placeholders(b"k" * 32))  # fmt: skip
    name = guardrails.screen_text("jane", Stage.INPUT, [], "user text")
    giving = guardrails.giving_back
    assert giving is not None
    dialect = DIALECTS[DialectName.CHAT]
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": f"It is {name}-doe."}}]}).encode()
    whole = json.loads(restored_body(giving, dialect, body, []))["choices"][0]["message"]["content"]
    assert "jane-doe" not in whole
    for size in (1, 3, 100):
        stream = b"".join(STREAMS[DialectName.CHAT](cut(f"It is {name}-doe.", size), ["{}"]))
        assert written(DialectName.CHAT, restored_stream(giving, dialect, stream))[0] == whole
