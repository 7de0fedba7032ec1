"""Calls: the list with its filters, and one call with its attempts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR, Role
from core.reports import CallFilter
from core.reports.calls import NEWEST, SORTS, CallOrder
from core.runtime import Runtime
from core.tables import AttemptKind, Outcome, PolicySnapshot
from pages.calls.columns import COLUMNS, sorted_by
from pages.kit import formats
from pages.kit.markup import plain
from tests import builders, files
from tests.builders import person
from tests.pages.conftest import NOW, Open, Tab

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
REPAIRED = "a" * 32
BLOCKED = "b" * 32
LAPSED = "c" * 32


@pytest.fixture
def world(proctor: Runtime) -> Runtime:
    """Acme in Berlin with a repaired, a blocked and a lapsed call, and thirty plain ones of Borealis."""
    at = NOW - HOUR
    repaired = builders.generation(
        at,
        id=REPAIRED,
        outcome=Outcome.VALID_AFTER_REASK,
        attempts=2,
        duration_ms=2100.0,
        request_id="req `x` *7*",
        cost_nano_usd=228_000,
        wasted_nano_usd=114_000,
        trace=[{"room": "limit", "verdict": "allowed", "reason": "1 of 600 this minute."}],
        policy_hash="a policy",
    )
    first = builders.attempt(repaired, 1, Outcome.INVALID, duration_ms=900.0)
    second = builders.attempt(
        repaired,
        2,
        Outcome.VALID_AFTER_REASK,
        started_at=at + timedelta(seconds=1),
        duration_ms=1000.0,
        ttft_ms=250.0,
        cached_tokens=64,
    )
    blocked = builders.generation(
        NOW - 2 * HOUR,
        id=BLOCKED,
        outcome=Outcome.BLOCKED_BUDGET,
        schema_name="ticket",
        key_id="key-7",
        error_code="budget_exceeded",
        error_detail="The budget of $40.00 is used up.",
    )
    lapsed = builders.generation(NOW - 40 * DAY, id=LAPSED)
    later = NOW + 9 * DAY
    correction = [{"role": "user", "content": "$.total is not a decimal. Answer again."}]
    builders.save(
        proctor.store,
        builders.tenant("Acme", NOW - 60 * DAY, "Europe/Berlin"),
        builders.tenant("Borealis", NOW - 60 * DAY),
        PolicySnapshot(hash="a policy", tenant_id="acme", body={"route": "default"}),
        [repaired, blocked, lapsed],
        [first, second, builders.attempt(lapsed)],
        builders.field_error(first, "$.total", "decimal_parsing", "Input should be a valid decimal"),
        builders.payload(repaired, 0, [{"role": "user", "content": "Invoice 7"}], '{"total": "7.00"}', later),
        builders.payload(repaired, 1, None, '{"total": "seven"}', later),
        builders.payload(repaired, 2, correction, '{"total": "7.00"}', later),
        builders.payload(lapsed, 0, [{"role": "user", "content": "A secret"}], "{}", NOW - DAY),
        [builders.generation(NOW - 3 * HOUR, "borealis", id=f"{n:032}") for n in range(30)],
    )
    return proctor


def said(page: AppTest) -> str:
    """Return everything that the page says in text."""
    parts = [*page.markdown, *page.caption, *page.code, *page.error, *page.warning, *page.header, *page.title]
    return "\n".join(str(part.value) for part in parts)


def summary(page: AppTest) -> str:
    """Return the line under the list."""
    return next(caption.value for caption in page.caption if "click a row" in caption.value)


class TestList:
    """The filtered list."""

    def test_everything_of_a_day(self, world: Runtime, open_page: Open) -> None:
        """The newest twenty-five of thirty-two calls are shown, with outcome, tenant, model and cost."""
        page = open_page("calls")
        assert not page.exception
        assert summary(page).startswith("32 calls · \\$0\\.0036 · times in UTC")
        calls = page.dataframe[0].value
        assert len(calls) == 25
        newest = calls.iloc[0]
        assert (list(newest["outcome"]), newest["tenant"], newest["attempts"]) == (["Valid after re-ask"], "Acme", 2)
        assert (newest["schema"], newest["model"]) == ("invoice@1", "openai/gpt-4o-mini")
        assert newest["cost"] == pytest.approx(0.000228)

    @pytest.mark.parametrize(
        ("parameters", "q", "found"),
        [
            ({"outcome": "Any blocked"}, "outcome:any_blocked", 1),
            ({"outcome": "Valid after re-ask"}, "outcome:valid_after_reask", 1),
            ({"tenant": "Borealis"}, "", 30),
            ({"schema": "ticket", "version": "1"}, "schema:ticket version:1", 1),
            ({"error": "budget_exceeded"}, "error:budget_exceeded", 1),
            ({"text": BLOCKED[:8]}, BLOCKED[:8], 1),
            ({"text": LAPSED}, LAPSED, 1),
            ({"field": "$.total"}, "field:$.total", 1),
            ({"key": "key-7"}, "key:key-7", 1),
            ({"range": "1h"}, "", 1),
            ({"between": f"{int((NOW - 2.5 * HOUR).timestamp())}-{int((NOW - 1.5 * HOUR).timestamp())}"}, "", 1),
            ({"tenant": "Acme", "outcome": "Any valid"}, "outcome:any_valid", 1),
            ({"q": "latency:>2s", "model": "openai/gpt-4o-mini"}, "latency:>2s model:openai/gpt-4o-mini", 1),
        ],
    )
    def test_filters_come_from_the_url(
        self, world: Runtime, open_page: Open, parameters: dict[str, str], q: str, found: int
    ) -> None:
        """A link carries each filter, by the search or by a name of its own, and shows what passes it."""
        page = open_page("calls", **parameters)
        assert not page.exception
        assert summary(page).startswith("1 call " if found == 1 else f"{found} calls ")
        assert page.text_input(key="q").value == page.query_params.get("q", "") == q
        assert not {"outcome", "schema", "version", "error", "text", "field", "key", "model"} & set(page.query_params)

    def test_a_filter_for_what_does_not_occur(self, world: Runtime, open_page: Open) -> None:
        """A link to a model that has no calls now is not silently widened: it finds none and says so."""
        page = open_page("calls", model="openai/gone")
        assert page.selectbox(key="by_model").value == "model:openai/gone"
        assert page.header[0].value == "No calls"
        page.button(key="clear_all").click().run()
        assert summary(page).startswith("32 calls")

    def test_choices_chips_and_text_are_one_search(self, world: Runtime, open_page: Open) -> None:
        """What is chosen stands in the text as a term, the rest of which stays as typed; what is dropped leaves it."""
        page = open_page("calls", q="-latency:>9s  attempts:>=0")
        [offered] = [one for one in page.selectbox(key="by_tenant").options if one.startswith("Acme")]
        assert offered == "Acme (2)"
        page.selectbox(key="by_tenant").select(offered).run()
        assert page.text_input(key="q").value == "-latency:>9s  attempts:>=0 tenant:acme"
        assert summary(page).startswith("2 calls")
        assert page.selectbox(key="by_tenant").value == offered
        page.selectbox(key="by_outcome").select("Blocked: budget (1)").run()
        assert summary(page).startswith("1 call ")
        page.selectbox(key="by_tenant").select(None).run()
        page.button(key="chip_1").click().run()
        assert page.text_input(key="q").value == "-latency:>9s outcome:blocked_budget"
        assert page.query_params["q"] == page.text_input(key="q").value

    @pytest.mark.parametrize("q", ["tenat:acme", 'a "open', "latency:>2", "-", "\0"])
    def test_what_cannot_be_read_shows_no_list(self, world: Runtime, open_page: Open, q: str) -> None:
        """The text stays in the box, and it is said what is wrong with it and where."""
        page = open_page("calls", q=q)
        assert not page.exception
        assert page.text_input(key="q").value == q
        assert "At character" in page.error[0].value
        assert page.code[0].value.endswith("^")
        assert not page.dataframe

    def test_clearing_keeps_time_and_tenant(self, world: Runtime, open_page: Open) -> None:
        """Clear takes the other filters back, those of a chart's click too, and goes to the first page."""
        page = open_page("calls", tenant="Acme", outcome="Any error", field="$.nothing")
        page.button(key="clear_all").click().run()
        assert summary(page).startswith("2 calls")
        assert not {"q", "field"} & set(page.query_params)
        assert page.query_params["tenant"] == "Acme"

    def test_a_key_is_called_as_people_know_it(self, world: Runtime, open_page: Open) -> None:
        """The filter says how the key begins, which people see elsewhere, and an id only where nobody has that key."""
        acme = world.tenants.find(LOCAL_OPERATOR, "Acme")
        key = world.tenants.create_key(LOCAL_OPERATOR, acme)
        page = open_page("calls", key=key.id)
        assert page.selectbox(key="by_key").value == f"key:{key.prefix}…"
        assert page.header[0].value == "No calls"
        page = open_page("calls", key="key-7")
        assert page.selectbox(key="by_key").value == "key-7 (1)"
        page.selectbox(key="by_key").select(None).run()
        assert summary(page).startswith("32 calls")

    def test_nonsense_between(self, world: Runtime, open_page: Open) -> None:
        """A stretch of time that is none is left out of account."""
        page = open_page("calls", between="yesterday-9999999999999999999")
        assert not page.exception
        assert summary(page).startswith("32 calls")

    def test_pages(self, world: Runtime, open_page: Open, page_clock: ManualClock) -> None:
        """The second holds the rest, the way back the first, whatever has come since, which leads to the top."""
        page = open_page("calls", page="2")
        first = page.dataframe[0].value["started_at"].tolist()
        page.button(key="after").click().run()
        assert len(page.dataframe[0].value) == 7
        assert "26\N{EN DASH}32 of 32" in {one.value for one in page.caption}
        page_clock.advance(60)
        builders.save(world.store, builders.generation(NOW + timedelta(seconds=30)))
        page.button(key="before").click().run()
        assert page.dataframe[0].value["started_at"].tolist() == first
        assert page.button(key="newer").label == "1 newer"
        page.button(key="newer").click().run()
        assert summary(page).startswith("33 calls")
        assert not {"after", "before", "asof"} & set(page.query_params)

    def test_a_page_that_is_not_there(self, world: Runtime, open_page: Open) -> None:
        """A link that was cut, or names a place of another order, says so and leads to the first page."""
        page = open_page("calls", after="cut", sort="-cost")
        assert not page.exception
        assert "no place in the list" in page.error[0].value
        page.button(key="first_page").click().run()
        assert len(page.dataframe[0].value) == 25

    def test_sorted_in_the_database(self, world: Runtime, open_page: Open) -> None:
        """The slowest of all comes first, not that of the page; the head of its column says so; so has the file."""
        slow = builders.generation(NOW - 20 * HOUR, "borealis", id="5" * 32, duration_ms=9_000.0)
        builders.save(world.store, slow)
        page = open_page("calls", sort="-latency")
        assert page.dataframe[0].value["seconds"].tolist()[:2] == [9.0, 2.1]
        assert "Duration ↓" in page.dataframe[0].proto.columns.encode().decode("unicode_escape")
        assert page.selectbox(key="order").value == "-latency"
        page.selectbox(key="order").select("latency").run()
        assert page.query_params["sort"] == "latency"
        assert page.dataframe[0].value["seconds"].tolist()[0] == 0.8

    def test_a_click_on_a_head_sorts_all(self) -> None:
        """By the most at first, names from A on; a second click turns it round."""
        assert sorted_by("cost", NEWEST) == CallOrder("cost")
        assert sorted_by("cost", CallOrder("cost")) == CallOrder("cost", is_descending=False)
        assert sorted_by("tenant", NEWEST) == CallOrder("tenant", is_descending=False)
        assert {one.sort for one in COLUMNS.values()} <= set(SORTS)

    def test_columns_are_chosen(self, world: Runtime, open_page: Open) -> None:
        """The address names them; those that are none are left out, and the usual ones need no word."""
        page = open_page("calls", columns="ttft,outcome,nonsense")
        assert page.dataframe[0].value.columns.tolist() == ["outcome", "ttft"]
        page.multiselect(key="chosen_columns").set_value(["started_at", "cost"]).run()
        assert page.query_params["columns"] == "started_at,cost"
        assert page.dataframe[0].value.columns.tolist() == ["started_at", "cost"]
        assert not [one for one in open_page("calls", tail="true").selectbox if one.key == "order"]

    def test_what_is_recorded_is_followed(
        self, world: Runtime, open_page: Open, page_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The list is that of the latest records, by the search that is set, without pages; asked once for all tabs."""
        asked, tail = list[CallFilter](), world.reports.tail
        monkeypatch.setattr(world.reports, "tail", lambda who, wanted: asked.append(wanted) or tail(who, wanted))
        long = builders.generation(NOW - timedelta(minutes=2), id="6" * 32, duration_ms=119_000.0)
        builders.save(world.store, long, builders.generation(NOW - timedelta(minutes=1), "borealis", id="7" * 32))
        page = open_page("calls", tail="true")
        assert not page.exception
        assert page.dataframe[0].value["seconds"].tolist() == [119.0, 0.8]
        assert "The 2 that were recorded last" in page.caption[-1].value
        assert len(open_page("calls", tail="true", range="7d").dataframe[0].value) == 2
        assert len(asked) == 1
        page_clock.advance(3)
        page.run()
        assert len(asked) == 2
        page.text_input(key="q").set_value("tenant:acme").run()
        assert len(page.dataframe[0].value) == 1
        page.toggle(key="tail").set_value(False).run()
        assert summary(page).startswith("3 calls")

    def test_a_view_is_kept_and_shown(self, world: Runtime, open_page: Open, tab: Tab) -> None:
        """By whoever signs in: under its name, and what differs from it is said; a link's own search goes before it."""
        assert "people who sign in" in said(open_page("calls"))
        ada = world.people.create(LOCAL_OPERATOR, "Ada", "correct horse battery", Role.OWNER)
        tab.token = world.people.sign_in("Ada", "correct horse battery", "127.0.0.1").token
        signed_in = replace(person("Ada"), person_id=ada.id)
        page = open_page("calls", q="attempts:>1", sort="-cost", columns="cost,seconds")
        page.text_input(key="view_name").set_value("Dear").run()
        page.button(key="save_view").click().run()
        [view] = world.views.list(signed_in)
        assert (view.q, view.sort, view.columns) == ("attempts:>1", "-cost", "seconds,cost")
        assert page.query_params["view"] == view.id

        page = open_page("calls", q="tenant:acme", view=view.id)
        assert page.dataframe[0].value.columns.tolist() == ["seconds", "cost"]
        assert len(page.dataframe[0].value) == 2
        assert "Changed from Dear" in [one.proto.popover.label for one in page.get("popover")]
        page.button(key=f"view_{view.id}").click().run()
        assert (page.text_input(key="q").value, page.query_params["sort"]) == ("attempts:>1", "-cost")
        page.button(key=f"drop_view_{view.id}").click().run()
        assert not world.views.list(signed_in)

    def test_a_phone_has_cards(self, world: Runtime, open_page: Open) -> None:
        """Two lines for each call, of text alone, which lead to it with the list's own address."""
        builders.save(world.store, builders.generation(NOW - HOUR / 2, id="8" * 32, error_code="<b>", model="<i>"))
        page = open_page("calls", q="tenant:acme")
        [cards] = [one.proto.body for one in page.get("html") if "phone-cards" in one.proto.body]
        assert cards.count("<a href") == 3
        assert f"/calls?q=tenant%3Aacme&amp;call={REPAIRED}" in cards
        assert "&lt;b&gt;" in cards
        assert "<b>" not in cards

    def test_times_follow_the_tenant(self, world: Runtime, open_page: Open) -> None:
        """With one tenant, times are its own and its name is not repeated in each row."""
        page = open_page("calls", tenant="Acme")
        assert "times in Europe/Berlin" in summary(page)
        assert "tenant" not in page.dataframe[0].value.columns

    def test_nothing_was_ever_called(self, proctor: Runtime, open_page: Open) -> None:
        """An empty list leads to the playground."""
        page = open_page("calls")
        assert page.header[0].value == "No calls"
        assert page.get("page_link")[0].value == "Open the playground"


class TestOneCall:
    """``?call=<id>``."""

    def test_the_attempts(self, world: Runtime, open_page: Open) -> None:
        """Each attempt has a row: kind, model, tokens, price, outcome, and the first its field's error."""
        page = open_page("calls", call=REPAIRED)
        assert not page.exception
        assert [tile.value for tile in page.metric] == ["2.10 s", "\N{EN DASH}", "2", "400", "90", "$0.00023"]
        first, second = page.container(key="attempt_1"), page.container(key="attempt_2")
        assert "First ask" in first.markdown[0].value
        assert "Invalid" in first.markdown[1].value
        assert "Re-ask" in second.markdown[0].value
        assert "Valid after re-ask" in second.markdown[1].value
        assert first.dataframe[0].value.to_numpy().tolist() == [
            ["$.total", "decimal_parsing", "Input should be a valid decimal"]
        ]
        assert not second.dataframe
        facts = "\n".join(fact.value for fact in second.markdown)
        assert "250 ms" in facts
        assert "64 cached" in facts
        assert "0\\.15 in" in facts

    def test_what_was_shown(self, proctor: Runtime, open_page: Open) -> None:
        """A picture is drawn, a document can be had, a broken one is said; what each was stands there without them."""
        picture, broken = files.part(files.image(width=800), "image/png"), {"type": "image", "data": "AAAA"}
        invoice = files.part(files.pdf(2), "application/pdf", name="in*voice*.pdf")
        link = {"type": "image", "url": "https://a.b"}
        parts = [{"type": "text", "text": "Read *these*."}, picture, broken, invoice, link]
        seen = {"media_type": "image/png", "size_bytes": 3400, "sha256": "f" * 64, "width": 8, "height": 6}
        read = {"media_type": "application/pdf", "size_bytes": 2_400_000, "sha256": "e" * 64, "pages": 2}
        known = [{"type": "image", **seen}, {"type": "document", **read}, {"type": "image", "host": "a.b"}]
        made = builders.generation(NOW - HOUR, id=REPAIRED, media=known)
        asked = builders.payload(made, 0, [{"role": "user", "content": parts}], None, NOW + DAY)
        builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY), made, asked)
        page = open_page("calls", call=REPAIRED)

        assert not page.exception
        told = next(one.value for one in page.caption if "Sent beside the text" in one.value).replace("\\", "")
        assert "image (image/png, 3 kB, 8 by 6 pixels; SHA-256 ffffffffffff…)" in told
        assert "document (application/pdf, 2.4 MB, 2 pages; SHA-256 eeeeeeeeeeee…)" in told
        assert "image by a link to a.b" in told
        assert [one.value for one in page.caption if "cannot be drawn" in one.value]
        assert "Read *these*." in [one.value for one in page.code]

    def test_what_was_asked_again(self, world: Runtime, open_page: Open) -> None:
        """The re-ask shows the correction that was added, and each attempt its raw answer."""
        page = open_page("calls", call=REPAIRED)
        assert [part.value for part in page.container(key="attempt_1").code] == ['{"total": "seven"}']
        assert page.container(key="attempt_2").code[0].value == "$.total is not a decimal. Answer again."
        assert [expander.label for expander in page.container(key="attempt_2").expander] == [
            "What was asked again",
            "Raw answer",
        ]

    def test_prompt_and_object(self, world: Runtime, open_page: Open) -> None:
        """The prompt and the valid object are there, with how long they are kept."""
        page = open_page("calls", call=REPAIRED)
        payload = page.container(key="payload")
        assert payload.code[0].value == "Invoice 7"
        assert '"total": "7.00"' in str(payload.json[0].value)
        assert "Kept for 30 days by Acme, until Mar 13, 13:07" in payload.caption[0].value

    @pytest.mark.parametrize(
        ("outcome", "text", "shown"),
        [
            (Outcome.INVALID, '{"total": "seven"}', '{"total":"seven"}'),
            (Outcome.UNCHECKED, "Bern it is.", "Bern it is."),
            (Outcome.UNCHECKED, '"Bern it is."', "Bern it is."),
            (Outcome.UNCHECKED, "7", "7"),
        ],
    )
    def test_an_answer_as_it_came(
        self, proctor: Runtime, open_page: Open, outcome: Outcome, text: str, shown: str
    ) -> None:
        """What was relayed is not called valid; text is drawn as text; that there is no schema is said."""
        call = builders.generation(NOW - HOUR, id=REPAIRED, outcome=outcome, schema_name="")
        kept = builders.payload(call, 0, [{"role": "user", "content": "Which?"}], text, NOW + DAY)
        builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY), call, builders.attempt(call), kept)
        page = open_page("calls", call=REPAIRED)
        assert "**No schema**" in said(page)
        assert "**Answer**" in said(page)
        assert "**Valid object**" not in said(page)
        assert shown in [*(one.value.replace(" ", "") for one in page.json), *(one.value for one in page.code)]

    def test_what_a_client_asked_again_for_is_one_object(self, proctor: Runtime, open_page: Open) -> None:
        """The list marks it and finds it by that, no error does; each of the two says what both took."""
        first = builders.generation(NOW - HOUR, id=REPAIRED, outcome=Outcome.INVALID)
        second = builders.generation(NOW - HOUR / 2, id=LAPSED, outcome=Outcome.VALID_AFTER_REASK, reask_of=REPAIRED)
        builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY), first, second)
        shown = open_page("calls").dataframe[0].value["outcome"]
        assert [list(one) for one in shown] == [["Valid after re-ask"], ["Invalid", "Asked again"]]
        assert summary(open_page("calls", outcome="Asked again")).startswith("1 call ")
        assert open_page("calls", outcome="Any error").header[0].value == "No calls"
        for one in (REPAIRED, LAPSED):
            told = said(open_page("calls", call=one))
            assert "One object, counted as one call: 2 requests, 2 attempts, 980 tokens" in told
        for one, said_of, other in ((REPAIRED, "Asked again as", LAPSED), (LAPSED, "Re-ask of", REPAIRED)):
            links = [
                (link.proto.label, link.proto.query_string) for link in open_page("calls", call=one).get("page_link")
            ]
            assert (f"{said_of} {other}", f"call={other}") in links

    def test_a_call_without_a_schema_says_so(self, proctor: Runtime, open_page: Open) -> None:
        """Its cell has the sign of what is not there, and no blank."""
        call = builders.generation(NOW - HOUR, schema_name="", schema_version=None)
        builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY), call)
        assert open_page("calls").dataframe[0].value["schema"].tolist() == [formats.UNKNOWN]

    def test_what_strangers_wrote_is_not_markup(self, world: Runtime, open_page: Open) -> None:
        """A request id with markup in it is shown as it was sent."""
        page = open_page("calls", call=REPAIRED)
        assert page.table[0].value.loc["Request id"].iloc[0] == "`req 'x' *7*`"

    def test_why(self, world: Runtime, open_page: Open) -> None:
        """The decision trace and the policy are told."""
        page = open_page("calls", call=REPAIRED)
        assert "1 of 600 this minute" in page.container(key="trace").markdown[0].value
        assert '"route": "default"' in str(page.container(key="facts_card").json[0].value)

    def test_a_blocked_call(self, world: Runtime, open_page: Open) -> None:
        """A refusal has no attempts; it says which rule refused and why."""
        page = open_page("calls", call=BLOCKED)
        assert page.warning[0].proto.title == "Blocked: budget"
        assert "40\\.00 is used up" in page.warning[0].value
        assert page.container(key="attempts").caption[0].value == "No provider was called."

    def test_a_lapsed_payload(self, world: Runtime, open_page: Open) -> None:
        """Past its retention a prompt is nowhere on the page, and the page says why."""
        page = open_page("calls", call=LAPSED)
        assert "A secret" not in said(page)
        assert "Not kept" in page.container(key="payload").caption[0].value

    def test_a_broken_link(self, world: Runtime, open_page: Open) -> None:
        """A link to no call says so and leads to the list."""
        page = open_page("calls", call="nothing")
        assert page.header[0].value == "No such call"
        page.button(key="leave").click().run()
        assert summary(page).startswith("32 calls")

    def test_back_to_the_list(self, world: Runtime, open_page: Open) -> None:
        """From a call one comes back to the list."""
        page = open_page("calls", call=REPAIRED)
        page.button(key="back").click().run()
        assert page.title[0].value == "Calls"
        assert "call" not in page.query_params

    def test_back_to_what_was_looked_for(self, world: Runtime, open_page: Open) -> None:
        """The list that one comes back to is the one that one left: its search is in the box and in the address."""
        page = open_page("calls", q="attempts:>1")
        found = summary(page)
        page.query_params["call"] = REPAIRED
        page.run()
        assert page.title[0].value != "Calls"
        page.button(key="back").click().run()
        assert page.text_input(key="q").value == page.query_params["q"] == "attempts:>1"
        assert summary(page) == found

    @pytest.mark.parametrize("kind", list(AttemptKind))
    def test_every_kind_and_outcome_has_a_look(self, proctor: Runtime, open_page: Open, kind: AttemptKind) -> None:
        """Whatever way an attempt went, it has an icon and a word for it."""
        call = builders.generation(NOW - HOUR, attempts=len(Outcome))
        attempts = [builders.attempt(call, n, outcome, kind=kind) for n, outcome in enumerate(Outcome, 1)]
        builders.save(proctor.store, builders.tenant("Acme", NOW), call, attempts)
        page = open_page("calls", call=call.id)
        assert not page.exception
        for n in range(1, len(Outcome) + 1):
            badges: list[Any] = [part.value for part in page.container(key=f"attempt_{n}").markdown[:2]]
            assert all("badge[:material/" in badge for badge in badges)


@pytest.mark.parametrize(
    ("billing", "shown"),
    [
        (None, "reported"),
        ({"tier": "priority"}, "reported :small[:gray[(priority)]]"),
        ({"tier": "flex", "geo": "eu"}, "reported :small[:gray[(flex, in eu)]]"),
        ({"remark": "More reasoning was told than output: *beside* it."}, "reported :orange[:material/flag:]"),
        (
            {"tier": "scale", "remark": "No price is published for it."},
            "reported :small[:gray[(scale)]] :orange[:material/flag:]",
        ),
    ],
)
def test_how_a_call_was_billed_is_on_its_rung(
    proctor: Runtime, open_page: Open, billing: dict[str, Any] | None, shown: str
) -> None:
    """Tier and region stand beside the usage; what contradicts itself, or has no price, is flagged and said."""
    call = builders.generation(NOW - HOUR, id=REPAIRED)
    builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY), call, builders.attempt(call, billing=billing))
    page = open_page("calls", call=REPAIRED)
    assert not page.exception
    lines = [str(line.value) for line in page.markdown]
    [usage] = [line for line in lines if line.startswith(":small[:gray[Usage]]")]
    assert usage.partition("  \n")[2] == shown
    remark = (billing or {}).get("remark")
    flags = [line for line in lines if line.startswith(":small[:orange[:material/flag:")]
    assert flags == ([f":small[:orange[:material/flag: {plain(remark)}]]"] if remark else [])


def test_what_tools_at_the_provider_cost_is_on_the_rung(proctor: Runtime, open_page: Open) -> None:
    """How often each ran, at which fee by whose word, and what is missing of the cost."""
    call = builders.generation(NOW - HOUR, id=REPAIRED)
    attempt = builders.attempt(
        call,
        billing={"tool_uses": {"web_search": 3, "image_generation": 1}},
        price=builders.PRICE | {"fees": "web_search $10 per 1,000 (test fees)", "unpriced_uses": "image_generation"},
    )
    builders.save(proctor.store, builders.tenant("Acme", NOW - 60 * DAY), call, attempt)
    page = open_page("calls", call=REPAIRED)
    assert not page.exception
    lines = [str(line.value) for line in page.markdown]
    said = "Ran at the provider: web_search 3 times, image_generation once · web_search $10 per 1,000 (test fees)"
    assert f":small[:gray[:material/build: {plain(said)}]]" in lines
    missing = "The cost is without image_generation, whose price is not known: set one on Prices."
    assert f":small[:orange[:material/flag: {plain(missing)}]]" in lines
