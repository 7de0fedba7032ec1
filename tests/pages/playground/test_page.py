"""Playground: an object that fills in, problems beside their fields, failures in calm sentences, nothing lost."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.clock import SystemClock
from core.flags import Flag
from core.generation import GenerationRequest, Partial
from core.principals import LOCAL_OPERATOR
from core.runtime import Runtime
from core.settings import Settings
from core.tables import Tenant
from pages.playground import answer, runs
from pages.playground.ask import SOURCES
from tests.builders import person
from tests.pages.conftest import Open

TICKET = ("summary", "category", "priority", "sentiment", "needs_human")


def _ask(page: AppTest, text: str) -> AppTest:
    page.text_area(key="input_support_ticket@1").set_value(text)
    page.button(key="run").click().run()
    assert not page.exception
    return page


def _state(page: AppTest) -> dict[str, str]:
    """Return the state of each field as it is shown."""
    table = page.table[0].value
    return {name.strip().split(":")[0].replace("\\", ""): state for name, state in table["State"].items()}


def _told(page: AppTest) -> str:
    return " ".join(element.value for element in (*page.markdown, *page.caption))


def test_without_a_tenant_the_page_leads_to_one(open_page: Open) -> None:
    """A generation belongs to somebody; the page says so instead of failing later."""
    page = open_page("playground")

    assert not page.exception
    assert "No tenant to pay for it" in [header.value for header in page.header]
    assert not [button for button in page.button if button.key == "run"]


def test_the_page_opens_ready_to_run(open_page: Open, acme: Tenant) -> None:
    """A schema that everybody understands is chosen, with its example as input and the default route to ask."""
    del acme
    page = open_page("playground")

    assert page.selectbox(key="schema").value == "support_ticket"
    assert page.text_area(key="input_support_ticket@1").value.strip()
    assert not page.button(key="run").disabled
    assert "Route default asks `openai/gpt-4o-mini`, then `anthropic/claude-haiku-4-5`." in _told(page)


def test_a_schema_s_own_route_is_asked_unless_another_is_chosen(
    open_page: Open, proctor: Runtime, acme: Tenant
) -> None:
    """As for a program that names no route: the one that lists the schema answers."""
    proctor.routes.set(LOCAL_OPERATOR, "tickets", [{"model": "gpt-4.1-nano"}], schemas=["support_ticket"])
    page = _ask(open_page("playground"), "The printer is on fire.")
    assert "Route tickets asks `openai/gpt-4.1-nano`." in _told(page)
    page.selectbox(key="model").set_value("Route default").run()
    assert "Route default asks `openai/gpt-4o-mini`" in _told(page)

    (recorded,) = _calls(proctor, acme)
    assert (recorded.route, recorded.model) == ("tickets", "gpt-4.1-nano")


def test_a_run_ends_with_every_field_valid_and_what_it_took(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """Object, attempts, tokens, cost and latency are those of the recorded call."""
    page = _ask(open_page("playground"), "The printer is on fire.")

    assert len(_state(page)) == len(TICKET)
    assert all("valid" in state for state in _state(page).values())
    (recorded,) = _calls(proctor, acme)
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Attempts"] == "1"
    assert metrics["Tokens"] == f"{recorded.input_tokens + recorded.output_tokens:,}"
    assert recorded.streamed
    assert "First ask" in _told(page)


def _calls(proctor: Runtime, tenant: Tenant) -> list[Any]:
    from sqlmodel import select

    from core.tables import GenerationRow

    with proctor.store.reading() as session:
        return list(session.exec(select(GenerationRow).where(GenerationRow.tenant_id == tenant.id)))


def test_what_was_asked_again_is_told_beside_its_field(open_page: Open, acme: Tenant) -> None:
    """A field that an earlier attempt had wrong is valid now, and says what was wrong before."""
    del acme
    page = _ask(open_page("playground"), "The printer is on fire. [[invalid-once]]")

    states = list(page.table[0].value["State"])
    assert "valid" in states[0]
    assert "asked again: Input should be a valid string" in states[0]
    assert not any("asked again" in state for state in states[1:])
    assert {metric.label: metric.value for metric in page.metric}["Attempts"] == "2"


def test_an_invalid_end_shows_the_problem_beside_the_field_and_keeps_the_input(open_page: Open, acme: Tenant) -> None:
    """The sentence says what happened, the field what is wrong, the rest arrived, and the input is still there."""
    del acme
    page = _ask(open_page("playground"), "The printer is on fire. [[never-valid]]")

    assert "No valid object after 6 calls" in page.error[0].value
    states = list(page.table[0].value["State"])
    assert "wrong" in states[0]
    assert states[0].count("Input should be a valid string") == 1
    assert all("arrived" in state for state in states[1:])
    assert page.text_area(key="input_support_ticket@1").value == "The printer is on fire. [[never-valid]]"
    assert not page.button(key="run").disabled


@pytest.mark.parametrize(
    ("scenario", "title"),
    [
        ("refused", "Refused"),
        ("truncated", "Truncated"),
        ("content-filter", "Content filtered"),
        ("failed", "Provider error"),
    ],
)
def test_every_failure_is_a_sentence(open_page: Open, acme: Tenant, scenario: str, title: str) -> None:
    """However it ends, the page stands: a title, a sentence, the attempts, no traceback."""
    del acme
    page = _ask(open_page("playground"), f"The printer is on fire. [[{scenario}]]")

    assert page.error
    assert len(page.metric) == 4
    assert title in _told(page)


def test_a_fallback_is_seen_in_the_attempts(open_page: Open, acme: Tenant) -> None:
    """Who failed and who answered stand under each other; nothing is charged for the failure."""
    del acme
    page = _ask(open_page("playground"), "The printer is on fire. [[failed@openai]]")

    assert all("valid" in state for state in _state(page).values())
    told = _told(page)
    assert told.index("Provider error") < told.index("Fallback")
    assert "nothing charged" in told


def test_where_streaming_is_off_the_object_comes_whole(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """The page honours the flag: it says so, asks without a stream, and shows the same object."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, False)
    page = open_page("playground")
    assert "Streaming is switched off for this tenant" in _told(page)

    page = _ask(page, "The printer is on fire.")

    assert all("valid" in state for state in _state(page).values())
    assert [call.streamed for call in _calls(proctor, acme)] == [False]


def test_where_generation_is_off_the_refusal_says_which_flag(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """A refusal before any provider has no attempts, and names the switch."""
    proctor.flags.set(LOCAL_OPERATOR, Flag.GENERATION, acme, False)

    page = _ask(open_page("playground"), "The printer is on fire.")

    assert "generation.enabled" in page.error[0].value.replace("\\", "")
    assert "No provider was asked." in _told(page)


def test_the_url_chooses_schema_source_and_model(open_page: Open, acme: Tenant) -> None:
    """A link opens the playground on what it means."""
    del acme
    page = open_page("playground", schema="invoice", model="anthropic/claude-haiku-4-5")

    assert page.selectbox(key="schema").value == "invoice"
    assert page.selectbox(key="model").value == "anthropic/claude-haiku-4-5"


def test_a_pasted_pydantic_model_is_asked_for(open_page: Open, acme: Tenant) -> None:
    """Source is read, never run; its fields are what fills in."""
    del acme
    page = open_page("playground", source="Pydantic")
    page.text_area(key="source_pydantic").set_value(
        "from pydantic import BaseModel\n\n\nclass Place(BaseModel):\n    city: str\n    country: str | None = None\n"
    )
    page.run()
    page.button(key="run").click().run()

    assert not page.exception
    assert [name.split(":")[0] for name in page.table[0].value.index] == ["city", "country"]


@pytest.mark.parametrize(
    ("source", "text", "says"),
    [
        ("json", "{", "Line 1"),
        ("json", "[]", "object"),
        ("json", '{"type": "nonsense"}', "is no type"),
        ("json", "[" * 100_000, "nests too deep"),
        ("json", f'{{"a": {"9" * 5_000}}}', "too many digits"),
        ("pydantic", "import os\nos.system('id')", ""),
        ("pydantic", "class", ""),
    ],
)
def test_what_is_no_schema_yet_says_why_and_cannot_be_run(
    open_page: Open, acme: Tenant, source: str, text: str, says: str
) -> None:
    """While a schema is being written the page says what is missing; the text stays."""
    del acme
    page = open_page("playground", source=SOURCES[source])
    page.text_area(key=f"source_{source}").set_value(text).run()

    assert not page.exception
    assert says in page.error[0].value
    assert page.button(key="run").disabled
    assert page.text_area(key=f"source_{source}").value == text


def test_curl_asks_the_api_the_same(proctor: Runtime) -> None:
    """The command survives a shell: quotes, dollars and lines of the input arrive as they were typed."""
    del proctor
    text = 'it\'s $HOME `now`\n"ünïcode"'
    request = GenerationRequest(schema="invoice@1", input=text, model="openai/gpt-4o-mini", tenant_id="t1")
    command = answer.curl(request, "https://proctor.example:8443/playground?schema=invoice")

    words = shlex.split(command.replace("\\\n", " "))
    assert words[2] == "https://proctor.example:8443/v1/generate"
    assert json.loads(words[-1]) == {"schema": "invoice@1", "input": text, "model": "openai/gpt-4o-mini"}
    shown = subprocess.run(
        ["sh", "-c", command.replace("curl -s", "printf '%s\\n'")], capture_output=True, text=True, check=True
    ).stdout
    assert "tenant_id" not in shown
    assert "$PROCTOR_KEY" not in shown


@dataclass
class _Endless:
    """A corridor that streams for ever and notices when it is hung up on."""

    is_closed: bool = False

    def stream(self, request: Any, principal: Any, cancellation: Any) -> Iterator[Partial]:
        try:
            while True:
                yield Partial({"name": "x"}, 1)
        finally:
            self.is_closed = True


class _Left(BaseException):
    """What Streamlit raises through a script whose reader has left is no Exception either."""


def test_leaving_hangs_up_on_the_provider() -> None:
    """Whatever ends the script while an object arrives closes the stream, and with it the provider's call."""
    corridor = _Endless()
    ticks = iter(range(3))

    def monotonic() -> float:
        if (tick := next(ticks, None)) is None:
            raise _Left
        return float(tick)

    runtime = SimpleNamespace(generator=corridor, clock=SimpleNamespace(monotonic=monotonic))
    visit: Any = SimpleNamespace(runtime=runtime, principal=LOCAL_OPERATOR)

    with pytest.raises(_Left):
        runs.run(visit, GenerationRequest(schema={}, input="x", stream=True), {"type": "object"})
    assert corridor.is_closed


@pytest.fixture
def nobody(sqlite_url: str) -> Iterator[Runtime]:
    """A Proctor with a tenant, and nobody to answer it."""
    runtime = running.build(Settings(database_url=sqlite_url, demo=False, local_model="off"), SystemClock())
    runtime.schemas.load_samples(person("test"))
    runtime.tenants.create(LOCAL_OPERATOR, "Acme")
    running.install(runtime)
    yield runtime
    running.install(None)
    runtime.close()


def test_without_a_provider_the_page_says_what_to_set(proctor: Runtime, open_page: Open, nobody: Runtime) -> None:
    """Nothing can be run, and the page names the variables that change that."""
    del proctor, nobody
    page = open_page("playground")

    assert not page.exception
    assert "OPENAI_API_KEY" in page.warning[0].value
    assert "LOCAL_MODEL" in page.warning[0].value
    assert page.button(key="run").disabled


@pytest.mark.parametrize(
    ("phase", "fraction", "is_ready"),
    [("fetching", 0.4, False), ("starting", None, False), ("failed", None, True), ("ready", None, True)],
)
def test_the_local_model_s_way_is_shown(phase: str, fraction: float | None, is_ready: bool) -> None:  # noqa: FBT001
    """While it is fetched or starts nothing can be run and its progress is told; a failure says what it says."""

    def script(phase: str, fraction: float | None) -> None:
        from types import SimpleNamespace

        import streamlit as st

        from pages.playground import answer

        status = SimpleNamespace(phase=phase, fraction=fraction, sentence=f"The local model is {phase}.")
        runtime = SimpleNamespace(providers={"local": None}, local_model=SimpleNamespace(status=status))
        st.session_state["is_ready"] = answer.provider_notice(SimpleNamespace(runtime=runtime), "local")

    page = AppTest.from_function(script, args=(phase, fraction)).run()

    assert not page.exception
    assert page.session_state["is_ready"] is is_ready
    shown = [*page.markdown, *page.caption, *page.warning]
    told = " ".join([element.value for element in shown] + [str(bar.proto) for bar in page.get("progress")])
    assert f"The local model is {phase}" in told
