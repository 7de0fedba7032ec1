"""Calls found, sorted, paged, summed and followed by a search, on both databases alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.call_search import FieldMatch, Negation, Term, either, every, exactly, printed, read_search
from core.clock import ManualClock
from core.errors import Invalid
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, CallPage, Reports
from core.reports.calls import SORTS, TAIL_SIZE, CallCursor, CallOrder
from core.store import Store
from core.tables import ApiKey, AttemptKind, ModelListing, Outcome
from tests import builders
from tests.examples import many

NOW = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NAMES = "abcdefghijklmn"


def _world(store: Store) -> Reports:
    """Fourteen calls, ``a`` to ``n``, no two alike, at some of the same times."""
    at = (NOW - HOUR * (1 + place // 3) for place in count())

    def made(name: str, outcome: str = Outcome.VALID_FIRST_TRY, tenant_id: str = "acme", **more: Any) -> Any:
        return builders.generation(next(at), tenant_id, outcome, id=name, **{"request_id": f"{name}-rq"} | more)

    error, blocked = Outcome.PROVIDER_ERROR, Outcome.BLOCKED_BUDGET
    invalid = made("b", Outcome.INVALID, attempts=2, duration_ms=2000.0, key_id="key-1", schema_version=3)
    calls = [
        made("a", ttft_ms=250.0, streamed=True, key_id="key-2", caller_metadata={"team": "core", "n": 5, "on": True}),
        invalid,
        made("c", error, error_code="throttled", error_detail="50% off, says MÜLLER", cost_nano_usd=10_000_000),
        made("d", error, error_code="throttled", error_detail="500 off", cost_nano_usd=None),
        made("e", error, error_code="timed_out", error_detail="a_b at C:\\tmp", model="gpt-4o", duration_ms=2000.5),
        made("f", error, error_detail="aXb", model="a/b", provider="openrouter"),
        made("g", blocked, "borealis", error_code="budget_exceeded", schema_name="ticket", schema_version=None),
        made("h", Outcome.TIMEOUT, "borealis", route="cheap", input_tokens=910),
        made("i", Outcome.CACHE_HIT, schema_name="invoice_2", user_hash=store.own_keys.user_hashes("acme", "ada")[0]),
        made("j", estimated=True, caller_metadata={"team": 'a "b" \\ é'}),
        made("k", Outcome.UNCHECKED, schema_name="", route="Cheap", reask_of="b"),
        made("l", Outcome.INVALID, request_id="50%_rq", caller_metadata={"team": ["core"], "\0": "\0"}),
        made("m", Outcome.CANCELLED, provider="anthropic", model="claude-haiku-4-5", cost_nano_usd=0),
        made("n", Outcome.VALID_AFTER_REASK, key_id="gone", wasted_nano_usd=7),
    ]
    later = NOW + DAY
    builders.save(
        store,
        builders.tenant("Acme", NOW - 30 * DAY),
        builders.tenant("Borealis", NOW - 30 * DAY),
        ApiKey(id="key-1", tenant_id="acme", name="user01", prefix="prk_one", hash="1", created_at=NOW),
        ApiKey(id="key-2", tenant_id="acme", name="user01-cli", prefix="prk_two", hash="2", created_at=NOW),
        calls,
        [builders.attempt(invalid, 1, provider="anthropic"), builders.attempt(invalid, 2, kind=AttemptKind.FALLBACK)],
        builders.field_error(builders.attempt(invalid, 1), "$.lines[3].total"),
        builders.payload(calls[0], 0, [{"role": "user", "content": 'Order "7"\nof Müller'}], '{"sum": "9 EUR"}', later),
        builders.payload(calls[1], 0, [{"role": "user", "content": "Order 8"}], "9 EUR", NOW - DAY),
        builders.generation(NOW - 9 * DAY, id="old-one"),
    )
    return Reports(store, ManualClock(NOW))


@pytest.fixture
def reports(store: Store) -> Reports:
    """The read side with fourteen calls, and an old one."""
    return _world(store)


def wanted(q: str = "", **more: Any) -> CallFilter:
    """Return a filter for the last day."""
    return CallFilter(starts_at=NOW - DAY, ends_at=NOW, q=q, **more)


FOUND = [
    ("", NAMES),
    ("tenant:ACME outcome:error", "cdefl"),
    ("tenant:bor*", "gh"),
    ("tenant:nobody", ""),
    ("outcome:superseded", "b"),
    ("outcome:(invalid OR timeout)", "bhl"),
    ("outcome:valid*", "ajn"),
    ("-outcome:error outcome:blocked", "g"),
    ("key:user01", "b"),
    ("key:user01*", "ab"),
    ("key:prk_two…", "a"),
    ("key:gone", "n"),
    ("-key:user01*", "cdefghijklmn"),
    ("user:ada", "i"),
    ("user:*", "i"),
    ("error:throttled", "cd"),
    ('error:""', "abfhijklmn"),
    ("schema:invoice", "abcdefhjlmn"),
    ("schema:invoice*", "abcdefhijlmn"),
    ('schema:""', "k"),
    ("version:3", "b"),
    ("version:>=2", "b"),
    ('version:""', "g"),
    ("field:total", "b"),
    ("field:$.lines[*].total", "b"),
    ('field:"$.lines[*].total"', ""),
    ("field:otal", ""),
    ("route:cheap", "h"),
    ("route:?heap", ""),
    ("-route:default", "hk"),
    ("model:gpt-4o", "e"),
    ("model:openai/gpt-4o", "e"),
    ("-model:gpt-4o", "abcdfghijklmn"),
    ("model:a/b", "f"),
    ("model:openrouter/*", "f"),
    ('model:""', "g"),
    ("provider:anthropic", "bm"),
    ("latency:>2s", "e"),
    ("latency:>=2000ms", "be"),
    ("latency:1.5s..2s", "b"),
    ("ttft:<1s", "a"),
    ("-ttft:<1s", "bcdefghijklmn"),
    ("cost:>=0.01", "c"),
    ('cost:""', "d"),
    ("cost:0 -outcome:blocked", "im"),
    ("wasted:>0", "n"),
    ("tokens:1k..", "h"),
    ("input_tokens:910", "h"),
    ("attempts:2", "b"),
    ("attempts:<9999999999", NAMES),
    ("tokens:>3000m", ""),
    ("input_tokens:..4000m", NAMES),
    ("version:>3000000000", ""),
    ("streamed:yes", "a"),
    ("-streamed:no", "a"),
    ("estimated:yes", "j"),
    ("unpriced:yes", "d"),
    ("reask:yes", "k"),
    ("id:c", "c"),
    ("request:50*", "l"),
    ("request:5*_rq", "l"),
    ('"50%"', "cl"),
    ('detail:"50%"', "c"),
    ('"a_b"', "e"),
    ("detail:a*b", "ef"),
    ('"C:\\tmp"', "e"),
    ("detail:müller", "c"),
    ("detail:MÜLLER", "c"),
    ("detail:OFF", "cd"),
    ("metadata.team:core", "a"),
    ("metadata.team:*", "aj"),
    ('metadata.team:""', "bcdefghiklmn"),
    ("metadata.n:5", "a"),
    ("metadata.on:true", "a"),
    ('metadata.team:"a \\"b\\" \\\\ é"', "j"),
    ('prompt:"order \\"7\\""', "a"),
    ("prompt:MÜLLER", "a"),
    ("prompt:8", ""),
    ("answer:eur", "a"),
    ("answer:eur streamed:no", ""),
    ("c", "ce"),
    ("c-r", "c"),
    ("old-one", "*"),
]


def test_each_field_finds_what_it_says(reports: Reports) -> None:
    """By name, number, text and pattern; what is missing is like nothing but the empty text."""
    for q, found in FOUND:
        page = reports.calls(LOCAL_OPERATOR, wanted(q))
        ids = {"old-one"} if found == "*" else set(found)
        assert set(page.calls["id"]) == ids, q
        assert page.total == reports.summary(LOCAL_OPERATOR, wanted(q)).calls == len(ids), q


@pytest.mark.parametrize(("q", "said"), [("user:a*", "a hash is kept"), ("tenat:acme", "Did you mean 'tenant'?")])
def test_what_cannot_be_asked_is_refused_everywhere(reports: Reports, q: str, said: str) -> None:
    """In the list, its sums, its export and what is followed: a filter is never left out."""
    for ask in (reports.calls, reports.summary, reports.tail, lambda who, what: list(reports.calls_frames(who, what))):
        with pytest.raises(Invalid, match=said):
            ask(LOCAL_OPERATOR, wanted(q))


PARTS = [read_search(q).term for q, found in FOUND if q and found != "*"]
TERMS: st.SearchStrategy[Term] = st.recursive(
    st.sampled_from([one for one in PARTS if one is not None]),
    lambda below: st.one_of(
        below.map(Negation),
        st.lists(below, min_size=2, max_size=3).map(lambda some: every(*some) or some[0]),
        st.lists(below, min_size=2, max_size=3).map(lambda some: either(*some)),
    ),
    max_leaves=4,
)


@given(TERMS)
@settings(
    max_examples=many(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_search_and_its_negation_part_all_calls(reports: Reports, term: Term) -> None:
    """None is in both, none is in neither, and the negation of the negation is what it was."""
    within, beyond, again = (
        set(reports.calls(LOCAL_OPERATOR, wanted(f"latency:* {printed(one)}")).calls["id"])
        for one in (term, Negation(term), Negation(Negation(term)))
    )
    assert not within & beyond
    assert within | beyond == set(NAMES)
    assert again == within


def test_pages_hold_each_call_once_in_every_order(reports: Reports) -> None:
    """By pages of five, on and back again, over ties and what is missing, which comes last either way."""
    for by in SORTS:
        ways = (True, False) if by in {"started", "ttft", "error"} else (by < "m",)
        for order in (CallOrder(by, one) for one in ways):
            [whole] = reports.calls_frames(LOCAL_OPERATOR, wanted(), order=order)
            pages = [reports.calls(LOCAL_OPERATOR, wanted(), order, size=5)]
            while (after := pages[-1].after) is not None:
                pages.append(reports.calls(LOCAL_OPERATOR, wanted(), order, _sent(after, order), size=5))
            back = [pages[-1]]
            while (before := back[-1].before) is not None:
                back.append(reports.calls(LOCAL_OPERATOR, wanted(), order, _sent(before, order), size=5))
            listed = [one for page in pages for one in page.calls["id"]]

            assert listed == whole["id"].tolist(), order
            assert sorted(listed) == list(NAMES), order
            assert [one.calls["id"].tolist() for one in reversed(back)] == [one.calls["id"].tolist() for one in pages]
            assert [one.skipped for one in pages] == list(range(0, len(NAMES), 5))
    missing_last = reports.calls(LOCAL_OPERATOR, wanted(), CallOrder("ttft", is_descending=False)).calls["ttft_ms"]
    assert missing_last.notna().tolist() == [True] + [False] * 13


def _sent(cursor: CallCursor, order: CallOrder) -> CallCursor:
    """Return a cursor as it comes back by an address."""
    return CallCursor.of(str(cursor), order, is_before=cursor.is_before)


def test_a_cursor_of_something_else_is_refused() -> None:
    """One that was cut, one of another order, and what only looks like one."""
    text = str(CallCursor("gpt", "a"))
    for broken in ("", "x", text[:-3], text, str(CallCursor(2.0**70, "a")), str(CallCursor("a\0", "b"))):
        with pytest.raises(Invalid, match="no place in the list"):
            CallCursor.of(broken, CallOrder("cost"))
    assert CallCursor.of(text, CallOrder("model")) == CallCursor("gpt", "a")
    with pytest.raises(Invalid, match="nothing to sort by"):
        CallOrder.of("-colour")


def test_who_pages_meets_nothing_twice_while_calls_come(reports: Reports, store: Store) -> None:
    """The second page goes on below the first, and the way back shows it as it was, with what is newer before it."""
    first = reports.calls(LOCAL_OPERATOR, wanted(), size=5)
    builders.save(store, [builders.generation(NOW - timedelta(minutes=1)) for _ in range(7)])
    second = reports.calls(LOCAL_OPERATOR, wanted(), cursor=first.after, size=5)
    again: CallPage = reports.calls(LOCAL_OPERATOR, wanted(), cursor=second.before, size=5)
    assert not {*first.calls["id"]} & {*second.calls["id"]}
    assert again.calls["id"].tolist() == first.calls["id"].tolist()
    assert (again.skipped, second.skipped, again.before is None) == (7, 12, False)


def test_what_there_is_to_narrow_by(reports: Reports) -> None:
    """Each value says how many calls have it, and its term finds just those; the commonest come first."""
    summary = reports.summary(LOCAL_OPERATOR, wanted("-outcome:blocked"))
    assert summary.is_all
    for name, values in summary.facets.items():
        assert [one.calls for one in values] == sorted((one.calls for one in values), reverse=True), name
        for one in values:
            q = f"-outcome:blocked {printed(one.term)}"
            assert reports.count(LOCAL_OPERATOR, wanted(q)) == one.calls, (name, one)
    assert [one.label for one in summary.facets["tenant"]] == ["Acme", "Borealis"]
    assert "invoice@3" in {one.label for one in summary.facets["schema"]}
    assert "prk_one…" in {one.label for one in summary.facets["key"]}


def test_what_is_recorded_late_is_followed(reports: Reports, store: Store) -> None:
    """The order is that of the records: a call that took long comes on top as it ends, though others began later."""
    builders.save(
        store,
        builders.generation(NOW - timedelta(seconds=60), id="long", duration_ms=59_000.0, outcome=Outcome.INVALID),
        builders.generation(NOW - timedelta(seconds=30), id="short", duration_ms=100.0),
        [builders.generation(NOW - timedelta(minutes=9), duration_ms=1.0) for _ in range(TAIL_SIZE)],
    )
    followed = reports.tail(LOCAL_OPERATOR, wanted())
    assert followed["id"].tolist()[:2] == ["long", "short"]
    assert len(followed) == TAIL_SIZE
    assert reports.tail(LOCAL_OPERATOR, wanted("outcome:invalid"))["id"].tolist() == ["long"]


def test_old_names_are_terms_of_the_search() -> None:
    """What a link of an earlier release says by a name of its own is the same term as what is typed now."""
    old = wanted("a", outcome="any_error", model="openai/gpt-4o", version=3, field="$.lines[*].total", text=" x y ")
    assert printed(old.term) == 'a outcome:any_error model:openai/gpt-4o version:3 field:$.lines[*].total "x y"'
    assert wanted(key_id="k").term == FieldMatch("key", exactly("k"))
    assert wanted().term is None


def test_what_others_are_called_alike_is_not_found_as_well(store: Store) -> None:
    """A model of a provider is not another's whose name begins so, and a schema without a version not all of it."""
    at = NOW - HOUR
    calls = [
        builders.generation(at, id="a", model="gpt-4o", schema_name="ticket", schema_version=None),
        builders.generation(at, id="b", model="openai/gpt-4o", provider="openrouter", schema_name="ticket"),
    ]
    listed = {"models": [], "gone": [], "asked_at": NOW, "told_at": NOW}
    builders.save(store, builders.tenant("Acme", NOW - DAY), calls)
    builders.save(store, *(ModelListing(provider=one, **listed) for one in ("openai", "openrouter")))
    reports = Reports(store, ManualClock(NOW))
    summary = reports.summary(LOCAL_OPERATOR, wanted())
    for facet in ("model", "schema"):
        for value in summary.facets[facet]:
            found = reports.calls(LOCAL_OPERATOR, wanted(printed(value.term)))
            assert (value.calls, found.total) == (1, 1), printed(value.term)


def test_a_word_is_looked_for_in_the_time_alone(reports: Reports) -> None:
    """Ids that begin so are not read of all times; a whole id is found whenever it was."""
    assert reports.calls(LOCAL_OPERATOR, wanted("old")).total == 0
    assert reports.calls(LOCAL_OPERATOR, wanted("old-one")).total == 1


def test_how_many_are_sorted_is_how_many_are_told(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is sorted among the newest alone tells the number of those."""
    monkeypatch.setattr("core.reports.calls._lists.MOST_SORTED", 6)
    page = reports.calls(LOCAL_OPERATOR, wanted(), CallOrder.of("-cost"))
    assert page.since is not None
    assert page.total == len(page.calls)
