"""Beside a body what is a vendor's own word passes both ways, known or not; what says as whom does not."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects import beside, passed_query, passes_back

HEADERS = {
    "anthropic-beta": True,
    "anthropic-version": True,
    "anthropic-unheard-of": True,
    "openai-beta": True,
    "openai-unheard-of": True,
    "anthropic-dangerous-direct-browser-access": False,
    "anthropic-organization-id": False,
    "anthropic-user-profile-id": False,
    "anthropic-worker-id": False,
    "anthropic-workspace-id": False,
    "openai-api-key": False,
    "openai-organization": False,
    "openai-project": False,
    "authorization": False,
    "cookie": False,
    "host": False,
    "idempotency-key": False,
    "proxy-authorization": False,
    "x-api-key": False,
    "x-forwarded-for": False,
    "x-forwarded-user": False,
    "x-proctor-reask": False,
    "x-stainless-os": False,
}
BACK = {
    "anthropic-ratelimit-input-tokens-remaining": True,
    "anthropic-ratelimit-requests-limit": True,
    "content-type": True,
    "deprecation": True,
    "openai-processing-ms": True,
    "openai-unheard-of": True,
    "openai-version": True,
    "retry-after": True,
    "retry-after-ms": True,
    "sunset": True,
    "warning": True,
    "x-ratelimit-limit-tokens": True,
    "x-should-retry": True,
    "anthropic-organization-id": False,
    "content-length": False,
    "openai-organization": False,
    "openai-project": False,
    "server": False,
    "set-cookie": False,
    "strict-transport-security": False,
    "transfer-encoding": False,
    "x-proctor-cost-usd": False,
}
QUERIES = {
    "after": True,
    "beta": True,
    "include": True,
    "include[]": True,
    "limit": True,
    "max_tokens": True,
    "unheard_of": True,
    "access_token": False,
    "api-version": False,
    "api_base": False,
    "api_key": False,
    "Base-URL": False,
    "key": False,
    "location": False,
    "organization": False,
    "project": False,
    "userProject": True,
    "workspace_id": False,
}

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(("name", "passes"), HEADERS.items())
def test_headers_of_a_caller(name: str, *, passes: bool) -> None:
    """A vendor's own go on, whatever they say; the program's, its proxies' and those that say as whom stay here."""
    assert (name in beside([(name, "1")], b"").headers) is passes


@pytest.mark.parametrize(("name", "passes"), BACK.items())
def test_headers_of_a_vendor(name: str, *, passes: bool) -> None:
    """What says something of the answer comes back; none sets a cookie, names the account, or passes for ours."""
    assert passes_back(name) is passes


@pytest.mark.parametrize(("name", "passes"), QUERIES.items())
def test_a_query(name: str, *, passes: bool) -> None:
    """All of it goes on, but for what says where to ask, or as whom."""
    assert bool(passed_query([(name, "1")])) is passes
    assert bool(beside((), f"{quote(name)}=1".encode()).query) is passes


def test_a_header_that_came_twice_is_one_list() -> None:
    """As HTTP has it."""
    twice = [("anthropic-beta", "a,b"), ("x-other", "1"), ("anthropic-beta", "c")]
    assert beside(twice, b"").headers == {"anthropic-beta": "a,b, c"}


@given(st.lists(st.tuples(TEXTS.filter(bool), TEXTS)), st.sampled_from([quote, quote_plus]))
def test_a_query_goes_on_as_it_was_written(query: list[tuple[str, str]], written: Callable[..., str]) -> None:
    """Names, values, their order, those that come twice, and in which of the two ways a space was written."""
    said = beside((), urlencode(query, quote_via=written).encode()).query
    assert said == urlencode(passed_query(query), quote_via=written)


@given(st.binary())
def test_whatever_is_sent_nothing_in_it_is_more_than_a_query(query: bytes) -> None:
    """It ends no line and no address, and whoever reads it reads what was sent, but for what is left out."""
    said = beside((), query).query
    assert said.isascii()
    readable = [parse_qsl(text, keep_blank_values=True, encoding="latin-1") for text in (said, query.decode("latin-1"))]
    assert readable[0] == passed_query(readable[1])
    assert not {"#", " ", "\r", "\n"} & set(said)
