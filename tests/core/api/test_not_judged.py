"""Who asks is told by which guardrails something went on without a verdict, before the first byte if that is known."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from core.api.response_headers import NOT_JUDGED, unjudged
from core.dialects import DialectName
from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import CITY, House, events
from tests.core.test_screened_frames import written

SAID = '<<{"name": "Bern", "people": 3}>>'


def watched(house: House, *stages: str) -> None:
    """Let a service judge that does not know us, and let texts go on without it."""
    settings = {"on_failure": "pass"}
    house.runtime.guardrails.set(
        LOCAL_OPERATOR, "watch", house.tenant, "moderation", "block", stages=stages, settings=settings
    )


def chat(**more: Any) -> dict[str, Any]:
    """Return a request in a vendor's dialect."""
    said = [{"role": "user", "content": SAID}]
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
    return {"model": "gpt-4o-mini", "messages": said, "max_tokens": 300, "response_format": form, **more}


@pytest.mark.parametrize("stage", ["input", "output"])
def test_what_was_not_judged_is_told(stage: str, client: TestClient, house: House) -> None:
    """In a header, in the last event or at the end of a stream, and in what is recorded."""
    watched(house, stage)
    asked = house.ask() | {"input": SAID, "schema": CITY}
    whole = client.post("/v1/generate", json=asked)
    assert (whole.headers[NOT_JUDGED], whole.json()["not_judged"]) == ("watch", ["watch"])
    assert client.get(f"/v1/generations/{whole.json()['id']}").json()["not_judged"] == ["watch"]
    streamed = client.post("/v1/generate", json={**asked, "stream": True})
    assert events(streamed)[-1][1]["not_judged"] == ["watch"]
    assert client.post("/v1/chat/completions", json=chat()).headers[NOT_JUDGED] == "watch"
    relayed = client.post("/v1/chat/completions", json=chat(stream=True))
    is_known = stage == "input"
    assert relayed.headers.get(NOT_JUDGED) == ("watch" if is_known else None)
    assert relayed.text.endswith(f": {NOT_JUDGED}: watch\n\n") is not is_known
    assert "Bern" in written(DialectName.CHAT, relayed.content)[0]
    plain = client.post("/v1/chat/completions", json={**chat(stream=True), "response_format": {"type": "text"}})
    assert (NOT_JUDGED in plain.headers, NOT_JUDGED in plain.text) == (is_known, not is_known)


def test_nothing_is_told_where_all_have_judged(client: TestClient, house: House) -> None:
    """No header, an empty list; a name is written as a header can carry it."""
    whole = client.post("/v1/generate", json=house.ask() | {"input": SAID, "schema": CITY})
    assert whole.json()["not_judged"] == []
    assert NOT_JUDGED not in whole.headers
    assert unjudged(["a, b", "größe"]) == {NOT_JUDGED: "a%2C b, gr%C3%B6%C3%9Fe"}
