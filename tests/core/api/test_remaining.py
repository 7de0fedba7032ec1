"""What is left of limits and budget stands on every answer: in our headers, and where each vendor's programs look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.limit_headers import with_limits
from core.clock import EPOCH
from core.dialects import DIALECTS, DialectName
from core.limits import Limited, LimitLeft
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from tests.core.api.conftest import House, api_settings
from tests.core.api.test_relay_troubles import PATHS
from tests.relayed import house_settings
from tests.wire.server import WireServer

CENT = 10_000_000
OURS = ("x-proctor-remaining-requests", "x-proctor-remaining-tokens", "x-proctor-remaining-concurrency")


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """All three doors have somebody behind them."""
    return house_settings(api_settings(sqlite_url, wire), wire.url)


@pytest.fixture
def limited(house: House) -> Iterator[House]:
    """A tenant with all three limits and a budget of a cent."""
    limits = {"rate_limit_per_min": 3, "tokens_per_min": 20_000, "concurrent_limit": 5}
    house.runtime.tenants.edit(LOCAL_OPERATOR, house.tenant.id, house.tenant.version, **limits)
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, CENT)
    return house


def asked(door: str, **more: Any) -> dict[str, Any]:
    """Return what is sent at a door."""
    if door == "generate":
        return {"schema": {"type": "object", "title": "a"}, "input": "Bern. [[ok]]", **more}
    told: dict[str, Any] = {"model": "claude-haiku-4-5" if door == "messages" else "gpt-4o-mini", "max_tokens": 50}
    told |= {"messages": [{"role": "user", "content": "Bern. [[ok]]"}]}
    if door == "responses":
        told = {"model": "openai-responses/gpt-4o-mini", "input": "Bern. [[ok]]", "store": False}
    return told | more


def sent(door: str, house: House, url: str, **more: Any) -> httpx2.Response:
    """Send it."""
    path = PATHS.get(door, "/v1/generate")
    return httpx2.post(url + path, json=asked(door, **more), headers=house.headers, timeout=30)


def vendors(door: str, answer: httpx2.Response) -> dict[str, str]:
    """Return what an answer says of requests, in the words of the door's vendor."""
    name = {"messages": "anthropic-ratelimit-requests-{}"}.get(door, "x-ratelimit-{}-requests")
    return {what: answer.headers.get(name.format(what), "") for what in ("limit", "remaining", "reset")}


@pytest.mark.parametrize("door", [*PATHS, "generate"])
def test_a_whole_answer_says_what_is_left(door: str, limited: House, url: str) -> None:
    """Requests and places as they were at the door, tokens and money once all is known; then the refusal says 0."""
    first, second = sent(door, limited, url), sent(door, limited, url)
    assert first.status_code == 200, first.text
    assert [first.headers[name] for name in OURS[::2]] == ["2", "4"]
    left = [int(answer.headers[OURS[1]]) for answer in (first, second)]
    document = httpx2.get(
        f"{url}/v1/generations/{first.headers['x-proctor-generation-id']}", headers=limited.headers, timeout=30
    ).json()
    used = document["usage"]["input_tokens"] + document["usage"]["output_tokens"]
    assert left == [20_000 - used, 20_000 - 2 * used]
    assert first.headers["x-proctor-remaining-budget-usd"] == f"0.{CENT - document['cost_nano_usd']:09}"
    assert datetime.fromisoformat(first.headers["x-proctor-budget-resets-at"]) > datetime.now(UTC)
    third, refused = sent(door, limited, url), sent(door, limited, url)
    assert (third.headers[OURS[0]], refused.status_code, refused.headers[OURS[0]]) == ("0", 429, "0")
    if door != "generate":
        assert vendors(door, first) | {"reset": ""} == {"limit": "3", "remaining": "2", "reset": ""}
        assert vendors(door, refused)["remaining"] == "0"
        reset = vendors(door, first)["reset"]
        assert re.fullmatch(r"\d{4}-.*Z" if door == "messages" else r"1m0s", reset)


@pytest.mark.parametrize("door", [*PATHS, "generate"])
def test_a_stream_says_it_at_its_head(door: str, limited: House, url: str) -> None:
    """What is known then: the limits as they were at the door, and the budget with what is held; and which it is."""
    answer = sent(door, limited, url, stream=True)
    assert answer.headers[OURS[0]] == "2"
    assert 0 < float(answer.headers["x-proctor-remaining-budget-usd"]) < CENT / 1e9
    assert len(answer.headers["x-proctor-generation-id"]) == 32


@pytest.mark.parametrize("door", list(PATHS))
def test_a_refusal_of_the_budget_says_what_is_left_of_it(door: str, house: House, url: str) -> None:
    """402 with the money that there is."""
    house.runtime.budgets.set(LOCAL_OPERATOR, house.tenant, 7)
    answer = sent(door, house, url)
    assert (answer.status_code, answer.headers["x-proctor-remaining-budget-usd"]) == (402, "0.000000007")


@given(st.sampled_from(list(Limited)), st.integers(1, 10**9), st.floats(0, 120), st.none() | st.integers(0, 10**9))
def test_whichever_limit_stops_a_caller_first_is_told(
    what: Limited, most: int, seconds: float, theirs: int | None
) -> None:
    """Of the vendor's and ours the one with less left, whole: limit, rest and time are of one of them."""
    ours = LimitLeft(what, most, most // 2, seconds)
    for name in (DialectName.CHAT, DialectName.MESSAGES):
        dialect = DIALECTS[name]
        names = dialect.limit_headers(what.value)
        vendor = {} if theirs is None else {names.most: "x", names.left: str(theirs), names.reset: "y"}
        told = with_limits(dialect, vendor, [ours], EPOCH)
        if what is Limited.CONCURRENCY or (theirs is not None and theirs <= ours.left):
            assert told == vendor
        else:
            assert (told[names.most], told[names.left]) == (str(most), str(most // 2))
            assert told[names.reset] == dialect.limit_reset(seconds, EPOCH)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, "0ms"), (0.017, "17ms"), (1.0, "1s"), (1.5, "1.5s"), (60, "1m0s"), (90.25, "1m30.25s")]
)
def test_openai_tells_a_time_to_wait(seconds: float, told: str) -> None:
    """As its own headers do."""
    assert DIALECTS[DialectName.CHAT].limit_reset(seconds, EPOCH) == told


def test_anthropic_tells_the_time_of_day() -> None:
    """As its own headers do, never too early."""
    now = EPOCH + timedelta(seconds=1)
    assert DIALECTS[DialectName.MESSAGES].limit_reset(1.2, now) == "1970-01-01T00:00:03Z"
