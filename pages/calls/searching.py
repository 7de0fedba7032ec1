"""The search of *Calls*: one text, which the address holds, and every choice beside it edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.call_search import (
    CallSearch,
    FieldMatch,
    FieldRange,
    PlacedTerm,
    Term,
    every,
    fields_of,
    parts,
    printed,
    read_search,
    with_term,
    without,
)
from core.errors import Invalid, ProctorError
from core.reports.calls import FACETS, MOST_COUNTED_CALLS, CallSummary, term_of
from pages.calls import paging
from pages.kit import address, formats, outcomes
from pages.kit.markup import plain
from pages.kit.page import Visit

Q = "q"
GROUPS = {"Any valid": "any_valid", "Any error": "any_error", "Any blocked": "any_blocked"}
OUTCOMES = (
    GROUPS
    | {badge.word: outcome for outcome, badge in outcomes.OUTCOMES.items()}
    | {outcomes.ASKED_AGAIN.word: "superseded"}
)
"""Outcomes as links name them, and as a search does."""
OLD_FILTERS = {
    "text": "text", "outcome": "outcome", "model": "model", "provider": "provider", "key": "key_id",
    "schema": "schema", "version": "version", "route": "route", "error": "error_code", "field": "field",
    "guardrail": "guardrail", "found": "found",
}  # fmt: skip
"""Parameters of an address that are one term each, and what a filter calls them."""
_HINT = 'tenant:acme outcome:invalid latency:>2s field:total -route:default "words"'
_FACET_LABELS = {
    "outcome": "Outcome", "tenant": "Tenant", "schema": "Schema", "model": "Model", "route": "Route",
    "error": "Error code", "key": "Key",
}  # fmt: skip


def take_over() -> None:
    """Let what a link says by parameters of one thing each stand in the search."""
    terms: list[Term | None] = []
    for name, told in OLD_FILTERS.items():
        if value := st.query_params.get(name):
            said = OUTCOMES.get(value, value) if name == "outcome" else value
            number = int(value) if name == "version" and value.isdecimal() else None
            terms.append(term_of(told, said if number is None else number))
            address.take_out(name)
    address.take_out("page")
    if (term := every(*terms)) is not None:
        text = st.query_params.get(Q, "")
        try:
            text = with_term(text, term)
        except Invalid:  # which is said once it is drawn
            text = f"{text} {printed(term)}".strip()
        address.choose(Q, text)
        paging.first_page()


def edit(text: str) -> None:
    """Search for something else from now on."""
    address.choose(Q, text)
    paging.first_page()


def box(visit: Visit) -> str:
    """Draw the box; return what is typed."""
    address.follow(visit, Q, "")
    text = st.text_input(
        "Search",
        key=Q,
        type="search",
        placeholder=_HINT,
        label_visibility="collapsed",
        help="Fields, ranges, words: see the guide *Operate*, Find a call.",
        on_change=paging.first_page,
    )
    address.write(visit, Q, text, "")
    return text


def read(text: str) -> CallSearch | None:
    """Return what is searched for; ``None`` where that cannot be read, which is said with its place."""
    try:
        return read_search(text)
    except Invalid as error:
        at = min(int(error.facts["at"]), len(text))
        begins = max(0, at - 60)
        shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[begins : at + 60])
        st.error(plain(error.message), title="The search cannot be read", icon=":material/search_off:")
        st.code(f"{shown}\n{' ' * (at - begins)}^", language=None)
        return None


def facets(visit: Visit, search: CallSearch, summary: CallSummary, *, one_tenant: bool) -> None:
    """Draw what there is to narrow by, with how many calls have it; what the search says already is chosen."""
    for name in FACETS:
        if name == "tenant" and one_tenant:
            continue
        said = [one for one in search.placed if _is_about(one.term, name)]
        offered = {f"{_label(name, one.label)} ({formats.count(one.calls)})": one.term for one in summary.facets[name]}
        key, current = f"by_{name}", _current(visit, said, offered)
        st.session_state[key] = current or None
        st.selectbox(
            _FACET_LABELS[name],
            [*([current] if current else []), *(label for label, term in offered.items() if not _holds(search, term))],
            index=None,
            key=key,
            placeholder=_FACET_LABELS[name],
            label_visibility="collapsed",
            width=128,
            on_change=_narrow,
            args=(key, search, said, offered),
        )


def of_how_many(summary: CallSummary) -> str:
    """Return of which calls the counts are, where those are not all."""
    return "" if summary.is_all else f"counts and cost are of the newest {formats.count(MOST_COUNTED_CALLS)}"


def chips(search: CallSearch) -> None:
    """Draw the terms that no choice shows; a click takes one out."""
    for number, one in enumerate(search.placed):
        if not any(_is_about(one.term, name) for name in FACETS if name != "tenant"):
            st.button(
                plain(_told(search, one)), icon=":material/close:", key=f"chip_{number}", on_click=edit,
                args=(without(search.text, one),),
            )  # fmt: skip


def _told(search: CallSearch, one: PlacedTerm) -> str:
    text = search.text[one.begins : one.ends]
    return text if len(text) <= 48 else f"{text[:45]}…"


def _current(visit: Visit, said: Sequence[PlacedTerm], offered: Mapping[str, Term]) -> str:
    """Return what the search says of a facet, as it is offered; a key by what people know it."""
    terms = every(*(one.term for one in said))
    if (known := next((label for label, term in offered.items() if term == terms), None)) is not None:
        return known
    match terms:
        case FieldMatch(field="key", pattern=(str(key_id),)):
            return f"key:{_key_prefix(visit, key_id)}"
        case FieldMatch(field="outcome", pattern=(str(outcome),)):
            return next((word for word, one in OUTCOMES.items() if one == outcome), outcome)
        case _:
            return printed(terms)


def _key_prefix(visit: Visit, key_id: str) -> str:
    """Return how the text of a key begins; who may not see it is told its id, as the address has it."""
    try:
        return f"{visit.runtime.tenants.find_key(visit.principal, key_id).prefix}…"
    except ProctorError:
        return key_id


def _is_about(term: Term, facet: str) -> bool:
    """Whether a term of the search is what a choice of that facet says: one value, and nothing else."""
    names = {"schema", "version"} if facet == "schema" else {facet}
    is_value = isinstance(term, FieldMatch) and len(term.pattern) < 2
    is_number = isinstance(term, FieldRange) and term.low == term.high
    return (is_value or is_number) and fields_of(term) <= names


def _holds(search: CallSearch, term: Term) -> bool:
    known = [one.term for one in search.placed]
    return all(one in known for one in parts(term))


def _label(facet: str, label: str) -> str:
    return (outcomes.word(label) if facet == "outcome" else label) or "none"


def _narrow(key: str, search: CallSearch, said: Sequence[PlacedTerm], offered: Mapping[str, Term]) -> None:
    """Let the search say what was chosen, instead of what it said of that."""
    text = search.text
    for one in reversed(said):
        text = without(text, one)
    if term := offered.get(st.session_state[key] or ""):
        for one in parts(term):
            text = with_term(text, one)
    edit(text)
