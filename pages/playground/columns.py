"""The columns of the playground: what each is to ask, and what that may cost, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from core.attempts import Expectation
from core.errors import Invalid, ProctorError
from core.generation import GenerationRequest
from core.requests import CallSettings
from core.tenants import Tenant
from pages.kit import formats
from pages.kit.markup import code, plain
from pages.kit.page import Visit
from pages.playground import ask

TIMES, OFTEN = 5, "Run 5 times"
"""How often a question is asked to see whether the answers agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One of the questions that are asked together."""

    label: str
    request: GenerationRequest
    body: dict[str, Any]
    """The JSON Schema that it asks for."""
    first: str
    """The provider that is asked first."""
    expected: Sequence[Expectation] = field(default=())
    """What a first call to each candidate may cost."""
    refusal: str = ""
    """Why it cannot be asked, as far as it is known beforehand."""
    is_askable: bool = True

    @property
    def likely_nano_usd(self) -> int | None:
        """What the first call is likely to cost."""
        return self.expected[0].cost.nano_usd if self.expected and self.expected[0].cost else None

    @property
    def worst_nano_usd(self) -> int | None:
        """The most that the first call can cost, whoever of the candidates gets it."""
        bounds = [one.worst_nano_usd for one in self.expected]
        known = [bound for bound in bounds if bound is not None]
        return max(known) if known and len(known) == len(bounds) else None


def choose(
    visit: Visit, asked: ask.AskedSchema | None, messages: dict[str, Any], settings: CallSettings | None, tenant: Tenant
) -> list[Column]:
    """Draw who answers, in as many columns as are wanted; return what each is to ask."""
    count = wanted()
    columns: list[Column] = []
    for place, cell in enumerate(st.columns(count, gap="small"), 1):
        with cell:
            columns.append(_column(visit, asked, messages, place, settings=settings, tenant=tenant))
    with st.container(horizontal=True, gap="small"):
        if count < ask.MOST_COLUMNS:
            st.button(
                "Compare with another",
                icon=":material/add_column_right:",
                key="add_column",
                type="tertiary",
                on_click=_set_columns,
                args=(count + 1,),
                help="Another model, route or version of the schema, asked together with this one.",
            )
        if count > 1:
            st.button(
                "Remove the last",
                icon=":material/close:",
                key="drop_column",
                type="tertiary",
                on_click=_set_columns,
                args=(count - 1,),
            )
    return _told_apart(columns)


def wanted() -> int:
    """Return how many columns are wanted."""
    return min(st.session_state.setdefault("columns", 1), ask.MOST_COLUMNS)


def _column(
    visit: Visit,
    asked: ask.AskedSchema | None,
    messages: dict[str, Any],
    place: int,
    *,
    settings: CallSettings | None,
    tenant: Tenant,
) -> Column:
    """Draw the choice of one column; return what it is to ask."""
    schema = asked
    if place > 1 and asked is not None:
        schema = ask.version_choice(visit, asked, place)
    chosen = ask.model_choice(visit, schema.named if schema else None, place)
    request = GenerationRequest(
        schema=schema.named if schema else {},
        **messages,
        route=chosen.route,
        model=chosen.model,
        settings=settings,
        tenant_id=tenant.id,
    )
    is_another = schema is not None and asked is not None and schema.version != asked.version
    label = f"{chosen.label}, version {schema.version}" if schema and is_another else chosen.label
    column = Column(label=label, request=request, body=schema.body if schema else {}, first=chosen.first)
    if schema is not None:
        column = _priced(visit, column)
        _tell(column, is_alone=wanted() == 1)
    return column


def _set_columns(count: int) -> None:
    st.session_state["columns"] = count


def _told_apart(columns: list[Column]) -> list[Column]:
    """Return the columns with labels that differ."""
    labels = [column.label for column in columns]
    return [
        replace(column, label=f"{place}. {column.label}") if labels.count(column.label) > 1 else column
        for place, column in enumerate(columns, 1)
    ]


def _priced(visit: Visit, column: Column) -> Column:
    """Return *column* with what a call may cost, by the functions that hold the money for it."""
    try:
        expected = visit.runtime.generator.expectations(column.request, visit.principal)
    except Invalid as error:
        return replace(column, refusal=error.message, is_askable=False)
    except ProctorError as error:  # Run tells it, with all that belongs to it
        return replace(column, refusal=error.message)
    return replace(column, expected=expected)


def _tell(column: Column, *, is_alone: bool) -> None:
    """Say what the column's first call may use, and cost where that is not said of one that *is_alone* anyway."""
    if column.refusal:
        st.caption(f":orange[:material/info:] {plain(column.refusal)}")
        return
    if not column.expected:
        return
    first = column.expected[0]
    tokens = (
        f"about {formats.count(first.usage.input_tokens)} tokens in, {formats.count(first.usage.output_tokens)} out"
    )
    money = _money(column.likely_nano_usd, column.worst_nano_usd)
    lines = [
        f"{code(one.candidate.name)} ({one.mode}): {formats.count(one.usage.input_tokens)} tokens in, "
        f"{formats.count(one.usage.output_tokens)} out of at most {formats.count(one.candidate.max_tokens)}; "
        f"{_money(one.cost.nano_usd if one.cost else None, one.worst_nano_usd)}."
        for one in column.expected
    ]
    st.caption(
        f":material/calculate: {tokens}" if is_alone else f":material/calculate: {tokens} · {money}",
        help="  \n".join(
            ["A first call to each. The bound is what is held of the budgets; each re-ask is held anew.", *lines]
        ),
    )


def _money(likely: int | None, worst: int | None) -> str:
    if likely is None:
        return "unpriced: no price is known"
    bound = "" if worst is None else f", at most {plain(formats.dollars(worst))}"
    return f"about {plain(formats.dollars(likely))}{bound}"


def total(columns: Sequence[Column], times: int = 1) -> str:
    """Return what all first calls may cost together, *times* over; empty where no price is known of any."""
    likely = [column.likely_nano_usd for column in columns]
    worst = [column.worst_nano_usd for column in columns]
    priced = [amount for amount in likely if amount is not None]
    if not priced:
        return ""
    said = f"about {plain(formats.dollars(sum(priced) * times))}"
    bounds = [amount for amount in worst if amount is not None]
    if len(bounds) == len(worst):
        said += f", at most {plain(formats.dollars(sum(bounds) * times))}"
    unpriced = len(likely) - len(priced)
    return said + (f" and {formats.plural(unpriced, 'column')} without a price" if unpriced else "")


def as_messages(text: str, system: str) -> dict[str, Any]:
    """Return input and system text as a request takes them."""
    if not system:
        return {"input": text}
    said = [{"role": "system", "content": system}]
    return {"messages": said + ([{"role": "user", "content": text}] if text.strip() else [])}
