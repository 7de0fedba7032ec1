"""What each model can: the package's list, what vendors tell, what an operator knows, and what follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import anthropic.resources.messages.messages as anthropic_messages
import pytest

from core.capabilities import Cards, ModelCard, cards_told
from core.capabilities._told import MOST_TOLD
from core.capabilities.cards import STAYS_FOR, listed
from core.clock import ManualClock
from core.errors import Invalid, Misconfigured
from core.messages import Media, Message, Text
from core.principals import LOCAL_OPERATOR
from core.providers import Ask, Unreadable, load
from core.response_models import response_model
from core.routes import Routes
from core.servers import PROVIDERS, named_servers
from core.settings import Settings
from core.store import Store

TODAY = datetime(2026, 11, 29, 12, tzinfo=UTC)
GIVEN = {"GROQ_API_KEY": "k", "VLLM_LAB_BASE_URL": "http://vllm.example/v1", "DEEPSEEK_API_KEY": "k"}
SETTINGS = Settings(providers=named_servers("groq,vllm-lab,deepseek", GIVEN.get))


@pytest.fixture
def routes(sqlite_store: Store) -> Iterator[Routes]:
    """The routes of a deployment on the last Sunday of November 2026."""
    return Routes(sqlite_store, ManualClock(TODAY), SETTINGS)


@pytest.mark.parametrize(
    ("candidate", "sentence"),
    [
        ({"model": "openai/gpt-4"}, "openai/gpt-4 was retired on 2026-10-23, says OpenAI's own list, in its SDK"),
        ({"model": "anthropic/claude-3-opus-20240229"}, "anthropic/claude-3-opus-20240229 was retired on 2026-01-05"),
        (
            {"model": "openai/gpt-4o", "max_tokens": 20_000},
            "openai/gpt-4o writes 16,384 tokens at most, says models.dev",
        ),
        ({"model": "openai/gpt-4o", "most_tokens": 20_000}, "openai/gpt-4o writes 16,384 tokens at most"),
        (
            {"model": "anthropic/claude-opus-4-7", "parameters": {"temperature": 0.2}},
            "anthropic/claude-opus-4-7 takes no temperature, says models.dev",
        ),
        ({"model": "openai/o3", "parameters": {"top_p": 0.5}}, "openai/o3 takes no top_p"),
    ],
)
def test_a_route_whose_model_cannot_do_it_is_refused_when_it_is_saved(
    candidate: dict[str, Any], sentence: str, routes: Routes
) -> None:
    """In a sentence that names the model, what is wrong, who says so, and what to do; nothing is written."""
    with pytest.raises(Invalid) as refused:
        routes.set(LOCAL_OPERATOR, "mine", [candidate])

    assert refused.value.message.startswith(sentence)
    assert re.search(r"(Name another model|Ask for fewer|Leave it out)\.$", refused.value.message)
    assert [view.terms.name for view in routes.list(LOCAL_OPERATOR)] == ["default"]


@pytest.mark.parametrize(
    "candidate",
    [
        {"model": "openai/gpt-4o", "max_tokens": 16_384, "parameters": {"temperature": 0.2}},
        {"model": "openai/gpt-4o"},
        {"model": "openai/gpt-77-new", "max_tokens": 200_000, "mode": "json_schema", "parameters": {"top_p": 0.1}},
        {"model": "openai/gpt-5.2", "parameters": {"temperature": 0.2, "reasoning_effort": "none"}},
        {"model": "vllm-lab/openai/gpt-4", "max_tokens": 200_000},
        {"model": "groq/some/model", "max_tokens": 200_000},
    ],
)
def test_what_nobody_tells_is_allowed(candidate: dict[str, Any], routes: Routes) -> None:
    """A model that is unknown, one at a server of one's own, and one that retires later."""
    assert routes.set(LOCAL_OPERATOR, "mine", [candidate]).terms.candidates


def test_another_address_may_have_anybody_s_model(sqlite_store: Store) -> None:
    """Whatever its name is at its maker's."""
    settings = Settings(openai_base_url="http://gateway.example/v1")
    routes = Routes(sqlite_store, ManualClock(TODAY), settings)

    assert routes.set(LOCAL_OPERATOR, "mine", [{"model": "openai/gpt-4", "max_tokens": 100_000}])
    assert Cards(settings).of("openai", "gpt-4") == ModelCard()


def test_who_retires_within_a_month_is_warned_of() -> None:
    """Not before; from the day itself on it is retired."""
    card = Cards(SETTINGS).of("openai", "gpt-5")

    assert card.retires == date(2026, 12, 11)
    assert card.retiring("openai/gpt-5", date(2026, 11, 10)) == ""
    assert card.retiring("openai/gpt-5", date(2026, 11, 11)).startswith(
        "openai/gpt-5 retires on 2026-12-11, says OpenAI"
    )
    assert not card.is_retired(date(2026, 12, 10))
    assert card.retiring("openai/gpt-5", date(2026, 12, 11)).startswith("openai/gpt-5 was retired on 2026-12-11")


def test_a_date_that_is_not_told_is_known_as_its_model_but_for_its_end() -> None:
    """Limits are a model's, a retirement is that of one date of it."""
    dated = listed("openai", "gpt-4o-2031-01-01")

    assert (dated.output, dated.context, dated.retires) == (16_384, 128_000, None)
    assert listed("openai", "gpt-4o-2024-11-20").retires == date(2027, 1, 14)


def test_the_list_agrees_with_what_the_sdk_says_of_its_models() -> None:
    """Anthropic's own dates, of all models that both know."""
    said: dict[str, str] = anthropic_messages.DEPRECATED_MODELS
    assert said
    for name, day in said.items():
        found = datetime.strptime(re.sub(r"(\d)(st|nd|rd|th)", r"\1", day), "%B %d, %Y").replace(tzinfo=UTC).date()
        assert listed("anthropic", name).retires in (found, None), name


def test_what_vendors_tell_is_read_by_their_own_names() -> None:
    """OpenAI, Anthropic, OpenRouter, Groq, Mistral and vLLM; what is of another shape is not told."""
    told = cards_told(
        {
            "data": [
                {"id": "gpt", "object": "model", "shutdown_date": "2026-12-11"},
                {
                    "id": "claude",
                    "max_input_tokens": 200_000,
                    "max_tokens": 64_000,
                    "retires_at": "2027-01-02T00:00:00Z",
                    "capabilities": {"image_input": {"supported": False}, "pdf_input": {"supported": False}},
                },
                {
                    "id": "meta/llama",
                    "context_length": 131_072,
                    "architecture": {"input_modalities": ["text", "image"]},
                    "top_provider": {"max_completion_tokens": 4_096},
                    "supported_parameters": ["temperature", "max_tokens"],
                },
                {"id": "groq", "context_window": 8_192, "max_completion_tokens": 1_024},
                {"id": "mistral", "max_context_length": 32_768, "capabilities": {"vision": False}},
                {"id": "pixtral", "aliases": ["pixtral-latest", 3, "mistral"], "capabilities": {"vision": True}},
                {"id": "models/gemini", "max_completion_tokens": True, "context_length": 0, "max_model_len": 1_048_576},
                {
                    "id": "open/files",
                    "max_tokens": 512,
                    "top_provider": {"max_completion_tokens": 4_096, "max_tokens": 9},
                    "architecture": {"input_modalities": ["file", 7, "audio"]},
                    "expiration_date": "2027-02-03",
                },
                {"id": "n" * 200, "shutdown_date": "soon", "expiration_date": "2027-02-03T04:05:06Z"},
                {"id": "n" * 201, "context_length": 9},
                {"id": "open/other", "top_provider": {"max_tokens": 9}},
                {"id": "\u200bhidden"},
                {"id": "half", "capabilities": {"image_input": {"supported": True}}},
                {
                    "id": "both",
                    "capabilities": {"image_input": {"supported": True}, "pdf_input": {"supported": True}},
                },
                {"id": "vllm", "max_model_len": 4_096},
                {"id": "odd", "context_window": "many", "shutdown_date": "soon", "capabilities": ["vision"]},
                {"name": "nameless"},
                "nonsense",
            ]
        },
        "them",
    )

    assert told == {
        "gpt": ModelCard.told("them", retires=date(2026, 12, 11)),
        "claude": ModelCard.told("them", context=200_000, output=64_000, retires=date(2027, 1, 2), parts=()),
        "meta/llama": ModelCard.told(
            "them", context=131_072, output=4_096, parts=("image",), refuses=("top_p", "top_k", "seed")
        ),
        "groq": ModelCard.told("them", context=8_192, output=1_024),
        "mistral": ModelCard.told("them", context=32_768, parts=()),
        "pixtral": ModelCard(),
        "pixtral-latest": ModelCard(),
        "gemini": ModelCard.told("them", context=1_048_576),
        "open/files": ModelCard.told("them", output=512, parts=("document",), retires=date(2027, 2, 3)),
        "n" * 200: ModelCard.told("them", retires=date(2027, 2, 3)),
        "open/other": ModelCard(),
        "half": ModelCard(),
        "both": ModelCard.told("them", parts=("image", "document")),
        "vllm": ModelCard.told("them", context=4_096),
        "odd": ModelCard(),
    }
    assert cards_told("nonsense", "them") == cards_told({"data": 3}, "them") == {}
    assert len(cards_told({"data": [{"id": f"m{n}"} for n in range(MOST_TOLD + 1)]}, "them")) == MOST_TOLD


def test_a_vendor_goes_before_the_list_and_an_operator_before_both(tmp_path: Path, sqlite_store: Store) -> None:
    """Each for what it tells; so a list that is wrong keeps nobody from anything."""
    path = tmp_path / "models.toml"
    path.write_text('["openai/gpt-4"]\nretires = 2031-01-01\n["vllm-lab/qwen"]\noutput = 99\n')
    settings = SETTINGS.model_copy(update={"models_file": path})
    cards = Cards(settings)
    cards.learn("vllm-lab", {"qwen": ModelCard.told("vllm-lab", context=4_096, output=500)})

    assert cards.of("openai", "gpt-4").retires == date(2031, 1, 1)
    qwen = cards.of("vllm-lab", "qwen")
    assert (qwen.context, qwen.output, qwen.sources) == (
        4_096,
        99,
        {"context": "vllm-lab", "output": "MODELS_FILE"},
    )
    routes = Routes(sqlite_store, ManualClock(TODAY), settings, cards)
    assert routes.set(LOCAL_OPERATOR, "old", [{"model": "openai/gpt-4"}])
    with pytest.raises(
        Invalid, match=r"^vllm-lab/qwen writes 99 tokens at most, says MODELS_FILE; it is to write 1,024"
    ):
        routes.set(LOCAL_OPERATOR, "new", [{"model": "vllm-lab/qwen"}])


def test_what_an_operator_says_begins_on_its_day(tmp_path: Path, sqlite_store: Store) -> None:
    """At midnight in UTC, whatever the order in the file; a route is checked by what holds when it is saved."""
    path = tmp_path / "models.toml"
    table = '[["vllm-lab/qwen"]]\n'
    path.write_text(
        f"{table}from = 2026-12-02\nretires = 2026-12-24\n"
        f'{table}from = 2026-12-01\noutput = 4096\nmodes = ["json"]\n'
        f"{table}output = 99\n"
    )
    clock = ManualClock(TODAY)
    settings = SETTINGS.model_copy(update={"models_file": path})
    cards = Cards(settings, clock)
    routes = Routes(sqlite_store, clock, settings, cards)
    with pytest.raises(Invalid, match="writes 99 tokens at most"):
        routes.set(LOCAL_OPERATOR, "r", [{"model": "vllm-lab/qwen"}])
    clock.move_to(datetime(2026, 12, 1, tzinfo=UTC))
    card = cards.of("vllm-lab", "qwen")
    assert (card.output, card.modes, card.retires) == (4096, ("json",), None)
    assert routes.set(LOCAL_OPERATOR, "r", [{"model": "vllm-lab/qwen"}])
    clock.move_to(datetime(2026, 12, 2, tzinfo=UTC))
    card = cards.of("vllm-lab", "qwen")
    assert (card.output, card.modes, card.retires) == (4096, ("json",), date(2026, 12, 24))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense", "MODELS_FILE is no TOML"),
        ("[gpt]\noutput = 1\n", "MODELS_FILE, 'gpt': a table is named after a model, as provider/name"),
        ('["openai/gpt"]\nsize = 1\n', "MODELS_FILE, 'openai/gpt': size = 1 is nothing that is known of a model"),
        ('["openai/gpt"]\noutput = -1\n', "MODELS_FILE, 'openai/gpt': output = -1 is nothing"),
        ('["openai/gpt"]\nretires = 2031-01-01T00:00:00\n', "MODELS_FILE, 'openai/gpt': retires = datetime"),
        ('["openai/"]\noutput = 1\n', "MODELS_FILE, 'openai/': a table is named after a model"),
        ('["openia/gpt"]\noutput = 1\n', "MODELS_FILE, 'openia/gpt': there is no provider 'openia'"),
        ('["openai/gpt"]\nmodes = ["jsn"]\n', "MODELS_FILE, 'openai/gpt': modes has no 'jsn'; there are tools, "),
        ('["openai/gpt"]\nparts = ["text"]\n', "MODELS_FILE, 'openai/gpt': parts has no 'text'; there are image, "),
        ('["openai/gpt"]\nfrom = "soon"\noutput = 1\n', "MODELS_FILE, 'openai/gpt': from = 'soon' is no day"),
        ('["openai/gpt"]\nfrom = 2027-01-01\n', "MODELS_FILE, 'openai/gpt': a table says nothing"),
        (
            '[["openai/gpt"]]\noutput = 1\n[["openai/gpt"]]\noutput = 2\n',
            "MODELS_FILE, 'openai/gpt': what holds without a day is said twice",
        ),
        (
            '[["openai/gpt"]]\noutput = 1\nfrom = 2027-01-01\n[["openai/gpt"]]\noutput = 2\nfrom = 2027-01-01\n',
            "MODELS_FILE, 'openai/gpt': what holds from 2027-01-01 on is said twice",
        ),
        (None, "MODELS_FILE names "),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path: Path, text: str | None, sentence: str) -> None:
    """In a sentence that says where."""
    path = tmp_path / "models.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        Cards(SETTINGS.model_copy(update={"models_file": path}))
    assert refused.value.message.startswith(sentence)


def test_who_reads_no_images_is_not_sent_any() -> None:
    """It is passed over before anything goes out, with who says so; one that is unknown is asked."""
    shape = response_model({"type": "object", "properties": {"a": {"type": "string"}}}, "A")
    image = Media(kind="image", media_type="image/png", data="iVBORw0KGgo=")
    messages = (Message(role="user", parts=(Text(text="What is it?"), image)),)
    groq = load("groq", SETTINGS, Cards(SETTINGS))

    with pytest.raises(Unreadable, match=r"^groq/openai/gpt-oss-20b reads no images, says models\.dev"):
        groq.open(Ask(model="openai/gpt-oss-20b", response_model=shape, messages=messages))
    assert groq.open(Ask(model="new", response_model=shape, messages=messages))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_who_is_asked_by_default_does_not_retire_soon(provider: str) -> None:
    """The usual model while it stays for 90 days, then the cheapest that does everything and stays.

    Behind another address, of which no list tells, it is the usual one.
    """
    usual = PROVIDERS[provider].first_model
    settings = SETTINGS.model_copy(update={f"{provider}_base_url": None})
    cards = Cards(settings)
    last = date(2027, 1, 14)
    for at in (datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)):
        asked = cards.staying(provider, usual, at)
        card = cards.of(provider, asked)
        assert (asked == usual) is (provider == "anthropic" or at.date() + STAYS_FOR < last)
        assert card.retires is None or card.retires > at.date() + STAYS_FOR
        assert card.modes is None
    elsewhere = Cards(SETTINGS.model_copy(update={f"{provider}_base_url": "http://gateway.example/v1"}))
    assert elsewhere.staying(provider, usual, datetime(2027, 2, 1, tzinfo=UTC)) == usual
