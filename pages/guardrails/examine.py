"""Try it: what the guardrails that hold would make of a text, or of a call that is kept. Nothing of it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.errors import ProctorError
from core.guardrails import Action, Stage
from core.reports.kept_texts import answered_texts, messages_texts, value_of
from core.tenants import Permission, Tenant
from core.trials import LONGEST_EXAMINED, Examined
from pages.guardrails import words
from pages.kit import formats, layout
from pages.kit.markup import plain
from pages.kit.page import Visit, show_error

MOST_TEXTS = 12
"""Texts of one call that are shown."""
_MOST_DRAWN = 20_000
_COLOURS = {
    Action.NOTE: "#7F8C94",
    Action.NEUTRALISE: "#3FA37A",
    Action.REPLACE: "#8E6FD8",
    Action.REDACT: "#4C84E0",
    Action.BLOCK: "#E0525F",
}
_EVERY_ROUTE = "Every route"


def draw(visit: Visit, tenant: Tenant | None) -> None:
    """Draw the form, and what came of it."""
    offered = {
        one.name: one
        for one in visit.runtime.tenants.list(visit.principal)
        if visit.may(Permission.GUARDRAILS_READ, one.id)
    }
    with layout.card(
        "Try it",
        key="try_card",
        help="What the guardrails that hold now make of a text. It is sent nowhere, and nothing of it is kept.",
        stretch=False,
    ):
        if not offered:
            st.caption("There are no tenants yet: make one first, as rules hold for a tenant's calls.")
            return
        with st.form("try", border=False):
            text = st.text_area(
                "Text",
                key="try_text",
                height=140,
                max_chars=LONGEST_EXAMINED,
                placeholder="Paste what somebody might send, or a model might answer.",
            )
            left, right = st.columns(2, gap="small")
            names = list(offered)
            of = left.selectbox(
                "In a call of", names, names.index(tenant.name) if tenant and tenant.name in offered else 0
            )
            route = right.selectbox("On", [_EVERY_ROUTE, *_routes(visit)])
            side = st.segmented_control(
                "Side", list(words.SIDES), default="input", required=True, format_func=words.side, key="try_side"
            )
            call_id = st.text_input(
                "Or a call that is kept, by its id",
                key="try_call",
                max_chars=64,
                help="What was taken out of it before it was kept cannot be found again.",
            )
            pressed = st.form_submit_button("Try", type="primary", icon=":material/science:")
        if pressed:
            on = "" if route == _EVERY_ROUTE else route
            try:
                _answer(visit, text, Stage(side), offered[of], route=on, call_id=call_id.strip())
            except ProctorError as error:
                show_error(error, "It was not tried.")


def _routes(visit: Visit) -> Sequence[str]:
    if not visit.may(Permission.ROUTES_READ):
        return ()
    return [view.terms.name for view in visit.runtime.routes.list(visit.principal)]


def _answer(visit: Visit, text: str, side: Stage, tenant: Tenant, *, route: str, call_id: str) -> None:
    trials = visit.runtime.trials
    if not call_id:
        if not text:
            st.caption(":material/info: Type a text first, or name a call.")
            return
        _shown(trials.text(visit.principal, text, side, tenant.id, route), words.SIDES[side.value])
        return
    call = visit.runtime.reports.call(visit.principal, call_id)
    asked = [(Stage.INPUT, one) for one in messages_texts(call.asked)]
    texts = [*asked, *((Stage.OUTPUT, one) for one in answered_texts(value_of(call.value)))]
    if not texts:
        st.caption(":material/info: Of this call no text is kept.")
        return
    drawn = quiet = 0
    for stage, one in texts:
        found = trials.text(visit.principal, one, stage, call.tenant_id, route or call.route)
        if not found.findings or drawn >= MOST_TEXTS:
            quiet += 1
            continue
        drawn += 1
        _shown(found, words.SIDES[stage.value])
    st.caption(f"{formats.plural(quiet, 'text')} of this call {'goes' if quiet == 1 else 'go'} on as it stands.")


def _shown(found: Examined, side: str) -> None:
    """Show a text with what is found in it, and what goes on."""
    for one in found.unasked:
        st.caption(f":material/info: {plain(one.name)} asks a model, which is a paid call, so it is not asked here.")
    took = f":gray[{plain(words.brief(found.milliseconds))}]"
    if not found.findings:
        st.success(f"Nothing is found: it goes on as it is, {side}.", icon=":material/verified_user:")
        st.markdown(f":small[{took}]")
        return
    told = [
        f"{words.action_badge(one.action.value)} **{plain(one.guardrail)}** "
        f"{plain(one.kind or words.AS_A_WHOLE)}{plain(f' ({one.shape})') if one.shape else ''}"
        f"{f' ({one.count} times)' if one.count > 1 else ''}"
        for one in found.findings
    ]
    st.markdown("  \n".join(told))
    st.html(f'<pre style="{_PRE}">{_marked(found)}</pre>')
    if found.goes_on is None:
        st.error(plain(found.why), title=f"Nothing goes on, {side}", icon=":material/block:")
    else:
        st.markdown(f"**What goes on**, {side} {took}")
        st.code(found.goes_on[:_MOST_DRAWN], language=None, wrap_lines=True)


_PRE = (
    "white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.82rem; line-height: 1.6; margin: 0; padding: 0.75rem;"
    "border: 1px solid color-mix(in srgb, currentcolor 18%, transparent); border-radius: 0.5rem; max-height: 22rem;"
    "overflow: auto;"
)


def _marked(found: Examined) -> str:
    """Return the text as HTML in which all of it is text, and what was found stands out and says what it is."""
    parts: list[str] = []
    left = _MOST_DRAWN
    for piece in found.pieces:
        text, left = escape(piece.text[:left]), left - len(piece.text)
        if piece.action is None:
            parts.append(text)
        else:
            colour = _COLOURS[piece.action]
            told = escape(f"{', '.join(piece.kinds)} ({', '.join(piece.guardrails)})")
            style = f"background: color-mix(in srgb, {colour} 28%, transparent); color: inherit; border-radius: 3px;"
            parts.append(f'<mark title="{told}" style="{style} border-bottom: 2px solid {colour};">{text}</mark>')
        if left <= 0:
            parts.append("…")
            break
    return "".join(parts)
