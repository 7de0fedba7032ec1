"""Breakers on the page Routes: how each stands and why, and an operator's word on them."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from core.breakers import BreakerState, BreakerView, ModelOverrides, Override
from core.tenants import Permission
from pages.kit import crossings, formats, layout, zones
from pages.kit.markup import code, plain
from pages.kit.outcomes import Badge
from pages.kit.page import Visit, flash, refusals
from pages.kit.reasons import reason

REFRESH = "5s"
MOST_SHOWN = 40
BY_HAND = ":material/back_hand:"
BADGES = {
    "closed": Badge("Closed", ":material/check_circle:", "green"),
    "open": Badge("Open", ":material/cancel:", "red"),
    "half-open": Badge("Half-open", ":material/hourglass_top:", "orange"),
    "open by hand": Badge("Open by hand", BY_HAND, "red"),
    "closed by hand": Badge("Closed by hand", BY_HAND, "blue"),
}
NOT_SEEN = Badge("No calls seen", ":material/remove:", "gray")
OPEN, CLOSE, BACK = "Open by hand", "Close by hand", "Back to automatic"
_SEEN = "breaker_seen"
STATES = {OPEN: BreakerState.OPEN, CLOSE: BreakerState.CLOSED}


def of_models(visit: Visit) -> dict[tuple[str, str], BreakerView]:
    """Return the breakers of the models themselves, by provider and model."""
    views = visit.runtime.breakers.views(visit.runtime.overrides.all(visit.principal))
    return {(one.provider, one.model): one for one in views if not one.schema}


def fares(view: BreakerView | None) -> str:
    """Return Markdown for a breaker in a few words: icon, state, and the figure that matters."""
    if view is None:
        return NOT_SEEN.markdown
    shown = BADGES[view.word].markdown
    if view.override is not None:
        return shown
    if view.probe_in_seconds is not None:
        return f"{shown} :gray[skipped; probe in {math.ceil(view.probe_in_seconds)} s]"
    return f"{shown} :gray[{view.failures} of {formats.plural(view.calls, 'call')} failed]"


def card(visit: Visit) -> None:
    """Draw every breaker, alive, and the way to set one by hand."""
    rule = visit.runtime.breakers.rule
    with layout.card(
        "Breakers",
        key="breakers",
        stretch=False,
        help=f"Of the last minute. The breaker of a model opens when at least {rule.least_calls} calls were made and "
        f"{rule.error_rate:.0%} failed by the provider's fault, or {rule.slow_rate:.0%} took {rule.slow_seconds:g} s "
        f"or longer; that of a schema when {rule.invalid_rate:.0%} of at least {rule.answers.least} answers did not "
        f"satisfy it. After {rule.pause_seconds:g} s one probe is let through, and decides.",
    ):
        st.fragment(_rows, run_every=REFRESH)(visit)
        if visit.may_over(Permission.BREAKERS_WRITE) and st.button(
            "Set by hand…", icon=BY_HAND, key="breaker_by_hand", help="Open or close a breaker, with a reason."
        ):
            st.session_state.pop(_SEEN, None)
            by_hand(visit)


def _rows(visit: Visit) -> None:
    """Draw a line for each breaker, with what is to be known of it under it: so it reads on a phone as well."""
    with refusals("The breakers cannot be shown."):
        views = _in_order(visit.runtime.breakers.views(visit.runtime.overrides.all(visit.principal)))
        for one in views[:MOST_SHOWN]:
            by_itself = BADGES[one.state.value]
            badge = by_itself if one.schema else BADGES[one.word]
            figures = one.seen if one.state == "closed" else ""
            with st.container(gap=None):
                st.markdown(f"{badge.markdown} {_name(one)} :small[{plain(figures)}]")
                if why := one.because if one.schema else one.why:
                    st.caption(plain(zones.retold(why)))
        if len(views) > MOST_SHOWN:
            st.caption(f"And {formats.plural(len(views) - MOST_SHOWN, 'breaker')} more, which are closed.")
        st.caption(_scope(visit, has_any=bool(views)))


def _in_order(views: list[BreakerView]) -> list[BreakerView]:
    """Return the models in trouble or set by hand first; each followed by its schemas."""
    quiet: dict[tuple[str, str], bool] = {}
    for one in views:
        who = (one.provider, one.model)
        quiet[who] = quiet.get(who, True) and one.word == one.state.value == "closed"
    return sorted(views, key=lambda one: (quiet[one.provider, one.model], one.provider, one.model, one.schema))


def _name(view: BreakerView) -> str:
    model = code(f"{view.provider}/{view.model}")
    return f"{model} :small[as] {code(view.schema)}" if view.schema else f"**{model}**"


def _scope(visit: Visit, *, has_any: bool) -> str:
    """Say whose calls these are."""
    if visit.runtime.breakers.is_shared:
        whose = "What all processes saw, shared through Redis"
        none = "No model was called in the last minute. A breaker appears with the first call"
    elif visit.runtime.shared.is_set:
        whose = "Redis does not answer: this process goes by what it sees itself, until it is back"
        none = f"{whose}. No model was called by it yet"
    else:
        whose = "What this process saw; with `REDIS_URL` all processes share their breakers"
        none = "No model was called by this process yet. A breaker appears with the first call"
    return f"{whose if has_any else none}."


@st.dialog("Set a breaker by hand", icon=BY_HAND)
def by_hand(visit: Visit) -> None:
    """Ask which, what and why; name the consequence; then do it."""
    with refusals("The breakers cannot be read."):
        overrides = visit.runtime.overrides.all(visit.principal)
        model = st.selectbox("Model", _models(visit, overrides), key="breaker_model", accept_new_options=True)
        provider, _, name = (model or "").partition("/")
        override = overrides.get((provider, name))
        seen: dict[str, Override | None] = st.session_state.setdefault(_SEEN, {})
        opened = seen.setdefault(str(model), override)  # what stood there when somebody began
        word = st.segmented_control(
            "What holds from now on",
            [OPEN, CLOSE, *([BACK] if override else [])],
            default=BACK if override else OPEN,
            required=True,
            key=f"breaker_word_{model}",
        )
        if override:
            st.caption(f"Now {plain(zones.retold(override.sentence))}")
        why = reason("breaker_reason", placeholder="Incident 123 at the provider; callers read it in the trace")
        if model:
            _consequence(visit, model, str(word))
        missing = "" if model else "Choose a model first."
        missing = missing or ("" if word == BACK or why else "Say why first: callers read it in the trace.")
        edited = _edit(visit, str(model), str(word), opened, why)
        title = "The breaker was not changed."
        if crossings.save(edited, str(word), title=title, key="confirm_breaker", missing=missing):
            by_itself = word == BACK
            now = "decides by itself again" if by_itself else f"is {STATES[str(word)].value} by hand"
            flash(f"The breaker of {model} {now}.", ":material/check:" if by_itself else BY_HAND)
            st.rerun()


def _edit(visit: Visit, model: str, word: str, opened: Override | None, why: str) -> crossings.Edit:
    def save(expected: Any, _: dict[str, Any]) -> None:
        if word == BACK:
            visit.runtime.overrides.clear(visit.principal, model, expected=expected, reason=why)
        else:
            visit.runtime.overrides.set(visit.principal, model, STATES[word], why, expected=expected)

    said = {"state": STATES[word].value, "reason": why, "by": visit.principal.name} if word in STATES else None
    return crossings.Edit(
        key=f"breaker_{model}",
        seen=opened.described if opened else None,
        wanted=said,
        expected=opened.at if opened else None,
        save=save,
    )


def _consequence(visit: Visit, model: str, word: str) -> None:
    """Say what follows, for whom."""
    shown = code(model)
    routes = [view.terms for view in visit.runtime.routes.list(visit.principal)]
    on = [one for one in routes if any(candidate.name == model for candidate in one.candidates)]
    left = [one.name for one in on if all(candidate.name == model for candidate in one.candidates)]
    if word == OPEN:
        said = f"From the next request on, in every process, nobody asks {shown}; routes go to their next model."
        if left:
            said += f" **Every call by {_listed(left)} will fail**: nobody else is on it."
        st.warning(said, icon=":material/warning:")
    elif word == CLOSE:
        st.warning(
            f"From the next request on, in every process, {shown} is asked whatever its breakers saw: while it is "
            "down, each call waits for it to fail before the next model is asked.",
            icon=":material/warning:",
        )
    else:
        st.info(f"The breakers of {shown} decide again, by what they saw meanwhile.", icon=":material/info:")
    if on:
        st.caption(f"Used by {_listed([one.name for one in on])}.")


def _listed(routes: list[str]) -> str:
    return f"the route{'s' if len(routes) > 1 else ''} {', '.join(plain(name) for name in routes)}"


def _models(visit: Visit, overrides: ModelOverrides) -> list[str]:
    """Return the models that are in trouble or set by hand, then those on routes, then those that were called."""
    views = sorted(visit.runtime.breakers.views(overrides), key=lambda one: bool(one.schema))
    names = [f"{one.provider}/{one.model}" for one in views if one.word != "closed"]
    names += [one.name for view in visit.runtime.routes.list(visit.principal) for one in view.terms.candidates]
    return list(dict.fromkeys([*names, *(f"{one.provider}/{one.model}" for one in views)]))
