"""Images and documents through the corridor: who is asked, what is held, what is kept of them, and what is not."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import Invalid
from core.principals import LOCAL_OPERATOR
from core.tables import Outcome
from tests import files
from tests.corridor import ANTHROPIC, DOLLAR, OPENAI, Rig, program, question, rig_on
from tests.wire.server import WireServer

LINK = "https://files.example.com/signed?signature=abc"
PICTURE = files.part(files.image(width=800, height=600), "image/png")
INVOICE = files.part(files.pdf(2), "application/pdf", name="invoice.pdf")


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def proctor(request: pytest.FixtureRequest, wire: WireServer) -> Iterator[Rig]:
    """A Proctor, on either database."""
    with rig_on(request, wire, "media") as running:
        yield running


def shown(*parts: Any, text: str = "Make a person.") -> list[dict[str, Any]]:
    """Return a conversation of one message with these parts."""
    return [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("stream", [False, True])
def test_what_was_shown_is_on_record(model: str, *, stream: bool, proctor: Rig) -> None:
    """The row knows kind, type, size and hash; the prompt holds the data; what was held was enough."""
    tenant = proctor.tenant()
    heard = proctor.ask(tenant, messages=shown(PICTURE, INVOICE), route=proctor.route(model), stream=stream)

    assert heard.error is None
    picture = b64decode(PICTURE["data"])
    written = proctor.written(heard.generation.id)
    assert written.generation.media == [
        {
            "type": "image",
            "media_type": "image/png",
            "size_bytes": len(picture),
            "sha256": hashlib.sha256(picture).hexdigest(),
            "width": 800,
            "height": 600,
        },
        {
            "type": "document",
            "media_type": "application/pdf",
            "size_bytes": len(b64decode(INVOICE["data"])),
            "sha256": hashlib.sha256(b64decode(INVOICE["data"])).hexdigest(),
            "pages": 2,
        },
    ]
    assert list(heard.generation.media) == written.generation.media
    assert written.payloads[0].asked == shown(PICTURE, INVOICE)
    assert proctor.is_settled()


def test_without_prompts_only_the_hash_is_kept(proctor: Rig) -> None:
    """A tenant that keeps no prompts keeps no picture; that there was one, and which, it can still prove."""
    tenant = proctor.tenant()
    proctor.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, 1, payload_retention_days=0)
    heard = proctor.ask(tenant, messages=shown(PICTURE, {"type": "image", "url": LINK}), route=proctor.route(OPENAI))

    written = proctor.written(heard.generation.id)
    assert not written.payloads
    assert [one.get("sha256", one.get("host"))[:9] for one in written.generation.media or ()] == [
        hashlib.sha256(b64decode(PICTURE["data"])).hexdigest()[:9],
        "files.exa",
    ]
    assert "signature" not in str(written)


def test_who_cannot_read_it_is_passed_over(proctor: Rig) -> None:
    """Chat completions fetch no document by its link; the next candidate does, and the trace says why it was asked."""
    heard = proctor.ask(
        proctor.tenant(10 * DOLLAR),
        messages=shown({"type": "document", "url": LINK}),
        route=proctor.route(OPENAI, ANTHROPIC),
    )

    assert heard.generation.outcome is Outcome.VALID_AFTER_FALLBACK
    assert [one.provider for one in heard.generation.attempts] == ["anthropic"]
    assert any("chat completions take a document as data" in step["reason"] for step in heard.generation.trace)


def test_nobody_reads_it(proctor: Rig) -> None:
    """Where no candidate can, the caller is told what to change, and nothing is held or recorded."""
    with pytest.raises(Invalid, match=r"No model of this route reads what the messages hold: .* not by a link"):
        proctor.ask(proctor.tenant(), messages=shown({"type": "document", "url": LINK}), route=proctor.route(OPENAI))
    assert proctor.is_settled()


def test_a_secret_beside_a_picture_is_redacted(proctor: Rig) -> None:
    """Texts among parts, and names of files, are screened like any text; the picture goes on as it is."""
    secret = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    messages = shown(PICTURE, INVOICE | {"name": f"{secret}.pdf"}, text=f"My token is {secret}.")
    heard = proctor.ask(proctor.tenant(), messages=messages, route=proctor.route(OPENAI))

    kept = proctor.written(heard.generation.id).payloads[0].asked[0]["content"]
    assert secret not in str(kept)
    assert kept[1] == PICTURE
    assert secret not in str(proctor.wire.ledger.calls()[-1].request)


def test_the_same_picture_is_answered_again(proctor: Rig) -> None:
    """The cache knows a picture by its hash; what stands behind a link may have changed, so it is asked each time."""
    tenant, route = proctor.tenant(), proctor.route(OPENAI, cache_seconds=600)
    other = files.part(files.image(width=801), "image/png")
    asked = [shown(PICTURE), shown(PICTURE), shown(other), *[shown({"type": "image", "url": LINK})] * 2]
    outcomes = [proctor.ask(tenant, messages=one, route=route).generation.outcome for one in asked]

    assert [one is Outcome.CACHE_HIT for one in outcomes] == [False, True, False, False, False]


def test_a_budget_that_a_picture_does_not_fit_is_not_passed(proctor: Rig) -> None:
    """What is held for a picture are its tokens at most: not nothing, and not its data as text."""
    tenant, route = proctor.tenant(limit_nano_usd=1_000_000), proctor.route(ANTHROPIC, max_tokens=100)
    refused = proctor.ask(tenant, messages=shown({"type": "image", "url": LINK}), route=route)
    assert refused.generation.outcome is Outcome.BLOCKED_BUDGET

    heavy = files.part(files.image() + b"\0" * 3_000_000, "image/png")  # as text it would be four million tokens
    [small], [large] = (
        proctor.corridor().expectations(question(messages=shown(one), route=route), program(tenant))
        for one in (PICTURE, heavy)
    )
    assert large.worst_nano_usd is not None
    assert small.worst_nano_usd is not None
    assert large.worst_nano_usd < small.worst_nano_usd  # it has fewer pixels


def test_the_prompt_is_what_was_filled_in(proctor: Rig) -> None:
    """A prompt with variables is one message, kept as it went out."""
    heard = proctor.ask(
        proctor.tenant(), messages=None, prompt="Make a person called {{name}}.", variables={"name": "Ada"}
    )
    assert proctor.written(heard.generation.id).payloads[0].asked == [
        {"role": "user", "content": "Make a person called Ada."}
    ]
