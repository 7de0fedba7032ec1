"""What an error says: its reason is kept, without keys, people or prompts; and what it means, and when to come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from core.pricing import Usage
from core.providers import (
    Answer,
    Broken,
    ContextOverflow,
    Failed,
    Filtered,
    KeyRejected,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    Throttled,
    TurnedAway,
)
from core.providers._failures import broken_off, error_in_answer, status_error
from core.providers.reading.reasons import body_of, reason_in, shown_sentence
from core.providers.reading.waits import LONGEST_SECONDS, wait_in

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KEYS = (
    "sk-proj-abcdefgh12345678",
    "sk-ant-api03-XyZ",
    "sk-proj-****7890",
    "Bearer abc.def.ghi",
    "AIzaSyD-1234567890abcdefghijklmnopqrstu",
    "gsk_0123456789abcdef",
    "xai-0123456789",
    "org-AbCdEf123456",
    "0123456789abcdef0123456789abcdef",
    "ada@example.com",
    "rk_live_51H",
)


def meaning(status: int, body: Any, **more: Any) -> ProviderError:
    """Return what an answer with that status and body means."""
    return status_error("x", httpx2.Response(status), body, Answer(http_status=status), **more)


def told(**error: Any) -> dict[str, Any]:
    """Return the body of an error as most vendors word it."""
    return {"error": error}


# ── The reason is kept ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rejected_request_says_which_part() -> None:
    """Sentence, type and parameter of the vendor stand in ours: an operator sees what to change."""
    sentence = "Invalid schema for response_format 'F': In context=('properties', 'url'), 'uri' is not a valid format."
    error = meaning(400, told(message=sentence, type="invalid_request_error", param="response_format", code=None))
    assert type(error) is TurnedAway
    assert error.message == (
        f'x answered 400 (invalid_request_error, response_format): it rejects the request. It says: "{sentence}"'
    )


@pytest.mark.parametrize(
    ("error", "label"),
    [
        ({"code": "unsupported_value", "type": "invalid_request_error", "param": "messages[0].role"},
         "unsupported_value, invalid_request_error, messages[0].role"),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, "invalid_api_key, invalid_request_error"),
        ({"code": "insufficient_quota", "type": "insufficient_quota"}, "insufficient_quota"),
        ({"code": 400, "status": "INVALID_ARGUMENT"}, "INVALID_ARGUMENT"),
        ({"code": "DeploymentNotFound", "type": None}, "DeploymentNotFound"),
        ({"type": "overloaded_error"}, "overloaded_error"),
        ({"code": "AKIAIOSFODNN7EXAMPLE", "type": "sk-proj-abcdefgh", "param": "sk-proj-abcdefgh"}, ""),
        ({"code": "Ada Lovelace", "type": "ada@example.com", "param": "my name is Ada"}, ""),
    ],
)  # fmt: skip
def test_code_type_and_parameter_are_told(error: dict[str, Any], label: str) -> None:
    """All of them that are plain words, each once; what may be a key, a person or a text is left out."""
    expected = f" ({label})" if label else ""
    assert meaning(400, told(**error)).message.startswith(f"x answered 400{expected}: ")
    assert broken_off("x", told(**error), Answer()).message.startswith(f"x broke off with an error{expected}")


def test_a_request_that_is_too_long_says_by_how_much() -> None:
    """The numbers of the vendor stand behind our sentence, without what it quotes of the messages."""
    sentence = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
    error = meaning(400, told(message=sentence, type="invalid_request_error", code="context_length_exceeded"))
    assert isinstance(error, ContextOverflow)
    assert error.message == (
        "The request is longer than x takes for this model (context_length_exceeded, invalid_request_error). "
        f'It says: "{sentence}"'
    )
    quoted = meaning(400, told(message="prompt is too long: my dear Ada Lovelace"), hidden=("My dear Ada Lovelace!",))
    assert quoted.message.endswith('It says: "prompt is too long: […]"')


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"error": {"message": "No such voice."}}, "No such voice."),
        ({"error": "No such voice."}, "No such voice."),
        ({"message": "No such voice.", "object": "error", "code": 400}, "No such voice."),
        ({"detail": "No such voice."}, "No such voice."),
        ({"detail": [{"loc": ["body", "voice"], "msg": "no such"}]}, "body.voice: no such"),
        ({"errors": [{"message": "No such voice."}]}, "No such voice."),
        ([{"error": {"message": "No such voice.", "status": "INVALID_ARGUMENT"}}], "No such voice."),
        ({"error": {"code": 400, "metadata": {"raw": "No such voice."}}}, "No such voice."),
        ("No such\n\tvoice.", "No such voice."),
        (body_of(b"No such voice."), "No such voice."),
    ],
)
def test_every_shape_of_an_error(body: Any, sentence: str) -> None:
    """The sentence is found wherever a server puts it."""
    assert meaning(400, body).message.endswith(f' It says: "{sentence}"')


@pytest.mark.parametrize("body", [None, {}, [], 7, "", {"error": None}, {"error": {"message": [7]}}, {"detail": [7]}])
def test_an_error_without_a_sentence(body: Any) -> None:
    """Nothing is made up."""
    assert meaning(400, body).message == "x answered 400: it rejects the request."


@pytest.mark.parametrize(
    "page", [b"<!DOCTYPE html><title>502</title>", b"\n <html><body>no</body>", b"<?xml version='1.0'?>"]
)
def test_a_page_is_one_phrase(page: bytes) -> None:
    """HTML is not shown."""
    said = meaning(502, body_of(page)).message
    assert (
        said
        == "x answered 502: it failed on its side. It sent an HTML page, as a proxy or a sign-in does, and no reason."
    )


# ── Nothing of ours is repeated ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("secret", KEYS)
def test_no_key_and_no_person(secret: str) -> None:
    """Keys, whole or starred out, accounts and addresses are left out, the rest of the sentence stays."""
    said = shown_sentence(f"Incorrect key provided: {secret}. You can find yours in the settings.")
    assert "[…]" in said
    assert secret.removeprefix("Bearer ")[4:] not in said
    assert said.startswith("Incorrect key provided: ")
    assert said.endswith("in the settings.")


@pytest.mark.parametrize(
    "plain",
    [
        "Unknown organization: use claude-3-5-haiku-20241022 or gpt-4o-mini-2024-07-18 instead.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "user_id and project must be strings; accounts/fireworks/models/llama-v3p1-405b-instruct has none.",
    ],
)
def test_plain_words_stay(plain: str) -> None:
    """Models, parameters and words that only begin as a secret does are kept."""
    assert shown_sentence(plain) == plain


@pytest.mark.parametrize(
    ("sent", "quoted"),
    [
        ("My name is Ada Lovelace, born 1815.", "my name is ada lovelace"),
        ("My name is Ada Lovelace, born 1815.", "'Ada Lovelace'"),
        ("hello", "hello"),
        ("The card is X12345 and so on", "X12345"),
        ("One\ntwo\nthree four", "one two, three"),
    ],
)
def test_no_prompt(sent: str, quoted: str) -> None:
    """What an error quotes of the messages is left out."""
    said = meaning(400, told(message=f"Cannot parse {quoted} here"), hidden=(sent,)).message
    assert quoted.strip("'") not in said
    assert "Cannot parse" in said
    assert said.endswith('here"')


@given(
    st.lists(st.text("abcXYZ019é", min_size=2, max_size=8), min_size=3, max_size=9),
    st.sampled_from([" ", "  ", "\n", ", ", "'", "/"]),
)
def test_no_whole_prompt_survives(words: list[str], between: str) -> None:
    """An error that repeats what was sent does not show it, however the words are set apart or written."""
    sent = " ".join(words)
    for quoted in (between.join(words), between.join(words).upper()):
        assert shown_sentence(f"Cannot parse: {quoted}.", (sent,)) in ("Cannot parse: […].", "Cannot parse: […]")


@given(st.integers(0, 70_000), st.sampled_from([" ", "\n\n", "; — ", "—"]), st.booleans())
def test_a_quote_is_found_wherever_it_stands(before: int, between: str, is_odd: bool) -> None:  # noqa: FBT001 drawn
    """Also where a long text is cut within it, to be searched in pieces."""
    quoted = ("Ada", "Lovelace", "born") if not is_odd else ("X12345Y",)
    text = f"{'wörd ' * (before // 5)}{'x' * (before % 5)} {between.join(quoted)} {'and so on ' * 400}"
    assert shown_sentence(f"Cannot parse {' '.join(quoted)} here", (text,)) == "Cannot parse […] here"
    assert shown_sentence("Cannot parse Ada Byron here", (text,)) == "Cannot parse Ada Byron here"


def test_texts_are_searched_by_whoever_reads_the_sentence() -> None:
    """Making the error takes the same for any prompt; the search is done once, where the message is first read."""
    searched: list[str] = []

    class Prompt(str):
        __slots__ = ()

        @override
        def __len__(self) -> int:
            searched.append("once")
            return super().__len__()

    error = meaning(400, told(message="Cannot parse my name is Ada"), hidden=(Prompt("My name is Ada."),))
    assert not searched
    assert error.message == error.message == 'x answered 400: it rejects the request. It says: "Cannot parse […]"'
    count = len(searched)
    assert count
    assert error.message
    assert len(searched) == count


def test_a_sentence_is_cut() -> None:
    """It is one line of 300 characters at most."""
    said = shown_sentence("word\n" * 10_000)
    assert len(said) <= 300
    assert said.isprintable()
    assert said.endswith("…")


# ── What it means ─────────────────────────────────────────────────────────────────────────────────────────────────────

QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, told(message=QUOTA, type="insufficient_quota", code="insufficient_quota"), QuotaExhausted),
        (429, told(message=QUOTA, status="RESOURCE_EXHAUSTED", code=429), Throttled),
        (400, told(message="Your credit balance is too low to access the Anthropic API.", type="x"), QuotaExhausted),
        (400, told(message="You have reached your specified API usage limits."), QuotaExhausted),
        (402, told(message="Insufficient Balance"), QuotaExhausted),
        (402, None, QuotaExhausted),
        (403, told(code="billing_not_active"), QuotaExhausted),
        (500, told(code="insufficient_quota"), QuotaExhausted),
        (401, told(code="invalid_api_key"), KeyRejected),
        (403, told(message="Your account has been deactivated", code="account_deactivated"), KeyRejected),
        (400, told(message="This organization has been disabled.", type="invalid_request_error"), KeyRejected),
        (404, told(code="model_not_found"), ModelNotFound),
        (403, told(code="model_not_found"), ModelNotFound),
        (400, told(code="model_not_found"), ModelNotFound),
        (404, None, ModelNotFound),
        (400, told(code="unsupported_parameter", param="max_tokens"), TurnedAway),
        (500, told(code="unsupported_value"), TurnedAway),
        (422, told(message="no"), TurnedAway),
        (429, told(code="rate_limit_exceeded"), Throttled),
        (429, None, Throttled),
        (408, None, Failed),
        (503, told(type="overloaded_error"), Failed),
        (400, told(code="content_filter"), Filtered),
        (413, None, ContextOverflow),
    ],
)
def test_what_an_error_means(status: int, body: Any, kind: type[ProviderError]) -> None:
    """Dead ends are told from what may pass, by the words of the error before its status."""
    error = meaning(status, body)
    assert type(error) is kind
    is_dead_end = isinstance(error, TurnedAway)
    assert not (is_dead_end and (error.try_again or error.trips_breaker or error.was_sent))


def test_every_dead_end_has_a_word_of_its_own() -> None:
    """The attempt's error says which it is."""
    assert [kind.code for kind in (KeyRejected, QuotaExhausted, ModelNotFound, TurnedAway)] == [
        "key_rejected",
        "quota_exhausted",
        "model_not_found",
        "turned_away",
    ]


USAGE = Usage(input_tokens=10, output_tokens=5)


@pytest.mark.parametrize("usage", [None, USAGE])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (told(message="slow down", code=429), Throttled),
        (told(message="slow down", type="rate_limit_error"), Throttled),
        (told(message="busy", type="overloaded_error"), Failed),
        (told(message="busy", code=503), Failed),
        (told(message="busy", code="502"), Failed),
        (told(message="no", code="insufficient_quota"), QuotaExhausted),
        (told(message="no", code=402), QuotaExhausted),
        (told(message="no", code=401), KeyRejected),
        (told(message="no", code=400), TurnedAway),
        (told(message="prompt is too long: 9 > 8"), ContextOverflow),
        ({"error": "what?"}, Broken),
    ],
)
def test_an_error_in_the_place_of_an_answer(body: Any, kind: type[ProviderError], usage: Usage | None) -> None:
    """With status 200 it means what it says, and costs what was told: nothing, where nothing was."""
    error = error_in_answer("x", body, Answer(http_status=200, usage=usage))
    assert type(error) is kind
    assert error.was_sent == error.told_all == (usage is not None)


def test_an_error_in_the_middle_was_worked_for() -> None:
    """What had been written by then is estimated."""
    for body in (told(message="no", code="insufficient_quota"), told(message="what?")):
        error = broken_off("x", body, Answer(http_status=200, text="{"))
        assert (error.was_sent, error.told_all) == (True, False)


# ── When to come back ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "30"}, 30),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1e300"}, LONGEST_SECONDS),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=30), usegmt=True)}, 0),
        ({"retry-after": "Sunday, 06-Nov-94 08:49:37 GMT"}, 0),
        ({"retry-after": "Sun Nov  6 08:49:37 1994"}, 0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_SECONDS),
        ({"retry-after": "2026-11-28T12:00:10Z"}, 10),
        (
            {
                "retry-after": format_datetime(NOW + timedelta(hours=1, seconds=7), usegmt=True),
                "date": format_datetime(NOW + timedelta(hours=1), usegmt=True),
            },
            7,
        ),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "30"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "30"}, 30),
        ({"retry-after-ms": "nan", "retry-after": "30"}, 30),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "9"}, None),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-remaining-requests": "0"}, 0.12),
        ({"x-ratelimit-reset-requests": "1d2h3m4.5s", "x-ratelimit-remaining-requests": "0"}, LONGEST_SECONDS),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "7.66s",
                "x-ratelimit-remaining-tokens": "0",
            },
            7.66,
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-28T12:00:20Z",
            },
            20,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 9)}, 9),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp() * 1000) + 9000)}, 9),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, 9),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "later"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """It is a number, a date, or the moment at which what is used up is full again; what makes no sense is no word."""
    assert wait_in(httpx2.Headers(headers), NOW) == (None if seconds is None else pytest.approx(seconds))


@given(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset"]), st.text(max_size=30))
def test_no_header_breaks_anything(name: str, value: str) -> None:
    """Whatever a header says, the wait is none, or between nothing and a day."""
    wait = wait_in({name: value, "date": value, "x-ratelimit-remaining": "0"}, NOW)
    assert wait is None or 0 <= wait <= LONGEST_SECONDS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda one: (
            st.lists(one, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["error", "message", "code", "type", "param", "detail", "errors", "metadata", "raw", "status"]
                ),
                one,
                max_size=4,
            )
        ),
        max_leaves=9,
    )
)
def test_no_body_breaks_anything(body: Any) -> None:
    """Whatever the body of an error is, something is made of it."""
    assert isinstance(meaning(400, body), ProviderError)
    assert isinstance(error_in_answer("x", body, Answer()), ProviderError)
    assert reason_in(body).quoted().isprintable()
