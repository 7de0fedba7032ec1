"""*Test call*: one small generation through the corridor, paid by a tenant that is named, its price told before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import ProctorError
from core.generation import GenerationRequest, Partial
from core.requests import CallSettings
from core.tenants import Permission, Tenant
from pages.kit import formats, outcomes
from pages.kit.buttons import button
from pages.kit.choices import tenant_choice
from pages.kit.in_flight import InFlight
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.providers.lines import ProviderLine

if TYPE_CHECKING:
    from core.record import Generation

SCHEMA = {
    "title": "TestCall",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
INPUT = "The letter comes from Bern."
MOST_TOKENS = 512
"""Room for a model that thinks before it answers; the answer itself is a dozen tokens."""
SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What a test call brought."""

    model: str
    outcome: str
    sentence: str
    """What came, or why nothing did."""
    call_id: str | None


def draw(visit: Visit, line: ProviderLine) -> None:
    """Draw the way to make one, and what the last one brought."""
    if not visit.may(Permission.GENERATIONS_WRITE):
        return
    st.markdown("**Test call**")
    if not visit.runtime.tenants.list(visit.principal):
        st.caption("A generation belongs to a tenant, even here: there is none to pay for it.")
        st.page_link("tenants/page.py", label="Create a tenant", icon=":material/add:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        model = st.selectbox(
            "Model", models(visit, line), key=f"test_model_{line.name}", accept_new_options=True, width=230
        )
        tenant = tenant_choice(visit, everyone=None, needs=Permission.GENERATIONS_WRITE)
    if tenant is None:
        return
    if not model:
        st.caption("No model of it is known here: type the name of one.")
        return
    _offer(visit, line, tenant, f"{line.name}/{model.removeprefix(f'{line.name}/')}")


def models(visit: Visit, line: ProviderLine) -> list[str]:
    """Return the names to choose from: those of routes, then of the settings, then the kind's usual one."""
    server = visit.runtime.settings.providers.get(line.name)
    usual = line.recipe.first_model if line.recipe and line.recipe.first_model else ""
    listed = server.models if server else ()
    named = [one.partition("/")[2] for use in line.uses for one in use.models]
    return list(dict.fromkeys(one for one in (*named, *listed, usual) if one))


def asked(model: str, tenant: Tenant) -> GenerationRequest:
    """Return the request that asks *model* alone, never answered from a cache."""
    settings = CallSettings(max_tokens=MOST_TOKENS, is_cached=False)
    return GenerationRequest(
        schema=SCHEMA, input=INPUT, model=model, settings=settings, tenant_id=tenant.id, timeout_seconds=SECONDS
    )


def _offer(visit: Visit, line: ProviderLine, tenant: Tenant, model: str) -> None:
    request = asked(model, tenant)
    try:
        price, refusal = _price(visit, request), ""
    except ProctorError as error:
        price, refusal = "", error.message
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pressed = button("Test call", missing=plain(refusal), is_told=False, icon=":material/send:", key="test_call")
        st.caption(f":material/account_balance_wallet: **{plain(tenant.name)}** pays: {price}" if price else "")
    if refusal:
        st.caption(f":orange[:material/warning: {plain(refusal)}]")
    kept = f"tested_{line.name}"
    if pressed:
        st.session_state.pop(kept, None)
        with st.spinner("Waiting for the answer …", show_time=True):
            st.session_state[kept] = _tested(visit, request, model)
        st.rerun()
    tested: Tested | None = st.session_state.get(kept)
    if tested is not None:
        _tell(tested)


def _price(visit: Visit, request: GenerationRequest) -> str:
    """Return what a first call may cost, as Markdown."""
    expected = visit.runtime.generator.expectations(request, visit.principal)
    if not expected or expected[0].cost is None:
        return "no price is known of it"
    likely, worst = expected[0].cost.nano_usd, expected[0].worst_nano_usd
    most = f", at most {plain(formats.dollars(worst))}" if worst is not None else ""
    return f"about {plain(formats.dollars(likely))}{most}"


def _tested(visit: Visit, request: GenerationRequest, model: str) -> Tested:
    """Ask, and return what came; who leaves the page meanwhile ends the call."""
    try:
        with InFlight(visit.runtime.generator, request, visit.principal) as pieces:
            [made] = (piece for piece in pieces if not isinstance(piece, Partial))
    except ProctorError as error:
        outcome, call_id = str(error.facts.get("outcome", "")), error.facts.get("generation_id")
        return Tested(model=model, outcome=outcome, sentence=error.message, call_id=call_id)
    return Tested(model=model, outcome=made.outcome.value, sentence=_told(made), call_id=made.id)


def _told(made: Generation) -> str:
    tokens = f"{formats.count(made.usage.input_tokens)} + {formats.count(made.usage.output_tokens)} tokens"
    attempts = "" if len(made.attempts) == 1 else f", {formats.plural(len(made.attempts), 'attempt')}"
    return f"{formats.millis(made.duration_ms)}, {tokens}, {formats.dollars(made.cost_nano_usd)}{attempts}"


def _tell(tested: Tested) -> None:
    with st.container(key="tested", gap="xsmall"):
        shown = outcomes.badge(tested.outcome) if tested.outcome else ":gray-badge[Not asked]"
        st.markdown(f"{shown} **{plain(tested.model)}** {plain(tested.sentence)}")
        if tested.call_id:
            st.page_link(
                "calls/page.py", label="Open the call", icon=":material/receipt_long:",
                query_params={"call": tested.call_id},
            )  # fmt: skip
