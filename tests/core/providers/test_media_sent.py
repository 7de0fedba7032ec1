"""Images and documents go out as each vendor takes them, in every mode, and no error repeats them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.messages import Message
from core.providers import Ask, Unreadable
from core.providers._messages import sent_by
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.providers.reading.reasons import shown_sentence
from core.requests import GenerationRequest, messages_of
from core.response_models import response_model
from tests import files
from tests.corridor import A_PERSON, PERSON
from tests.wire.server import WireServer

MODEL = response_model(PERSON, "person")
LINK = "https://files.example.com/signed?signature=abc"
PICTURE = files.part(files.image(), "image/png")
INVOICE = files.part(files.pdf(2), "application/pdf", name="invoice.pdf")
MODES = ("tools", "json_schema", "json", "md_json")
SHOWN = [{"type": "text", "text": "Read these."}, PICTURE, {"type": "image", "url": LINK}, INVOICE]


def said(*parts: Any, system: str | None = None) -> list[Message]:
    """Return the messages that these parts become, behind a system text."""
    leads = [{"role": "system", "content": system}] if system else []
    return list(messages_of(GenerationRequest(schema="s", messages=[*leads, {"role": "user", "content": [*parts]}])))


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake vendors, which turn away what theirs would."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def vendors(wire: WireServer) -> Iterator[tuple[Loop, dict[str, Any]]]:
    """A provider per dialect."""
    loop = Loop()
    made: dict[str, Any] = {
        "chat": OpenAI(api_key="sk-media-test", base_url=wire.openai_url),
        "responses": OpenAI(api_key="sk-media-test", base_url=wire.openai_url, responses=True),
        "messages": Anthropic(api_key="sk-media-test", base_url=wire.anthropic_url),
    }
    yield loop, made
    for one in made.values():
        loop.run(one.close())
    loop.close()


def send(loop: Loop, conversation: Any, *, stream: bool = False) -> Any:
    """Send once."""
    call = loop.call(conversation, 10, Cancellation(), stream=stream)
    while True:
        try:
            next(call)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("system", [None, "Be exact."])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_media_go_out_in_every_mode(
    dialect: str, mode: str, system: str | None, *, stream: bool, wire: WireServer, vendors: tuple[Loop, dict[str, Any]]
) -> None:
    """Each vendor takes it as it is worded, re-asks included, and what was sent holds every part once."""
    loop, providers = vendors
    ask = Ask(model="m", response_model=MODEL, messages=said(*SHOWN, system=system), mode=mode, stream=stream)
    conversation = providers[dialect].open(ask)
    answer = send(loop, conversation, stream=stream)

    assert conversation.read(answer).model_dump() == A_PERSON
    asked = str(wire.ledger.calls()[-1].request)
    assert [asked.count(what) for what in (PICTURE["data"], LINK, INVOICE["data"], "invoice.pdf")] == [1, 1, 1, 1]

    conversation.ask_again(answer, ValueError("wrong"))
    again = send(loop, conversation, stream=stream)
    assert conversation.read(again).model_dump() == A_PERSON


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_data_are_not_held_as_text(dialect: str, vendors: tuple[Loop, dict[str, Any]]) -> None:
    """A larger file of the same picture weighs the same: what counts is its pixels."""
    sizes: list[tuple[int, int]] = []
    for kind in ("png", "gif"):
        shown = said({"type": "text", "text": "Read."}, files.part(files.image(kind, 900, 900), f"image/{kind}"))
        conversation = vendors[1][dialect].open(Ask(model="m", response_model=MODEL, messages=shown))
        sizes.append((conversation.size_bytes, conversation.media_tokens.most))
    assert sizes[0] == sizes[1]
    assert sizes[0][1] >= 900 * 900 / 750


def test_a_document_behind_a_link(vendors: tuple[Loop, dict[str, Any]], wire: WireServer) -> None:
    """The Responses API and Anthropic fetch it; chat completions do not, and say so before anything is sent."""
    loop, providers = vendors
    ask = Ask(model="m", response_model=MODEL, messages=said({"type": "document", "url": LINK}))
    for dialect in ("responses", "messages"):
        send(loop, providers[dialect].open(ask))
        assert LINK in str(wire.ledger.calls()[-1].request)
    with pytest.raises(Unreadable, match="chat completions take a document as data"):
        providers["chat"].open(ask)


def test_no_error_repeats_what_was_shown() -> None:
    """Of links and names what is quoted is left out; data as such, and nobody looks through megabytes for it."""
    sent = sent_by(Ask(model="m", response_model=MODEL, messages=said(*SHOWN)))
    data = files.part(files.image(width=640, height=480), "image/png")["data"]
    assert shown_sentence(f"Invalid image: {data[:900]}.", sent) == "Invalid image: […]."
    assert shown_sentence(f"Cannot fetch {LINK} now.", sent) == "Cannot fetch […] now."
    assert set(sent) == {"Read these.", LINK, "invoice.pdf"}
