"""One call: its figures, its attempts, and why it went so."""

from __future__ import annotations

from datetime import timedelta

import orjson
import streamlit as st

from core.errors import NotFound
from core.reports import Call, RecordedAttempt
from core.tenants import Permission
from pages.calls import messages, timeline
from pages.kit import address, formats, incidents, layout, links, outcomes, zones
from pages.kit.frames import grid, pd
from pages.kit.json_values import is_list, is_object
from pages.kit.links import Destination
from pages.kit.markup import code, plain
from pages.kit.outcomes import Badge
from pages.kit.page import Visit, name_tab

_AS_IT_CAME = ("invalid", "unchecked")
"""Outcomes of calls that were relayed: their callers got the answer as it is."""
_BY_FLAGS = ("flags", "not asked")
"""Verdicts of the trace that an operator's flag made."""
DRILL = Badge("Fire drill", ":material/local_fire_department:", "red")


def draw(visit: Visit, call_id: str) -> None:
    """Draw the call of that id, or say that there is none."""
    with visit.controls:
        st.button("All calls", icon=":material/arrow_back:", key="back", on_click=_leave)
        if visit.may(Permission.GENERATIONS_WRITE):
            st.page_link(
                "playground/page.py",
                label="Open in playground",
                icon=":material/replay:",
                query_params={"call": call_id},
            )
        with st.popover("Link", icon=":material/link:"):
            st.caption("Opens this call for whoever may see it.")
            st.code(f"{(st.context.url or '').split('?')[0]}?call={call_id}", language=None, wrap_lines=True)
    try:
        call = visit.runtime.reports.call(visit.principal, call_id)
    except NotFound as error:
        with layout.empty("No such call", plain(error.message), icon=":material/search_off:"):
            st.button("See all calls", key="leave", on_click=_leave)
        return
    for what in (call.schema or "no schema", call.tenant, outcomes.word(call.outcome)):
        name_tab(visit, what)
    _head(call)
    _chain(call)
    left, right = st.columns([8, 5], gap="small")
    with left:
        _attempts(call)
        _payloads(call)
    with right:
        _why(call)
        _findings(call)
        _facts(call)


def _leave() -> None:
    address.leave("call")


def _head(call: Call) -> None:
    began = zones.told(call.started_at, call.timezone, seconds=True)
    st.markdown(
        f"{outcomes.badge(call.outcome)} **{plain(call.schema) or 'No schema'}** "
        f":gray[for] {links.tenant(call.tenant)} :gray[·] {links.to(began, _hour_of(call))} :gray[·] {code(call.id)}"
    )
    with st.grid(6, min_column_width=128, gap="small"):
        for label, value, help_text in _figures(call):
            st.metric(label, value, border=True, help=help_text, height="stretch")
    if call.error_detail:
        title = outcomes.word(call.outcome)
        alert = st.warning if call.outcome.startswith("blocked_") or call.outcome == "cancelled" else st.error
        alert(
            plain(zones.retold(call.error_detail, call.timezone)),
            title=title,
            icon=outcomes.OUTCOMES[call.outcome].icon,
        )


def _hour_of(call: Call) -> Destination:
    """Return where the hour of a call is opened as an incident of its tenant."""
    begins = call.started_at.replace(minute=0, second=0, microsecond=0)
    return incidents.of_time(begins, begins + timedelta(hours=1), call.tenant)


def _chain(call: Call) -> None:
    """Link to the calls that a client which asks again by itself made of one question."""
    links = [("Re-ask of", call.reask_of)] if call.reask_of else []
    links += [("Asked again as", one) for one in call.asked_again_as]
    if not links:
        return
    with st.container(horizontal=True, gap="small", key="chain"):
        for said, one in links:
            icon = outcomes.KINDS["re-ask"].icon
            st.page_link("calls/page.py", label=f"{said} {plain(one)}", icon=icon, query_params={"call": one})
    if call.chain is not None:
        cost = "unpriced in part" if call.chain.cost_nano_usd is None else formats.dollars(call.chain.cost_nano_usd)
        st.caption(
            f"One object, counted as one call: {call.chain.generations} requests, "
            f"{formats.plural(call.chain.attempts, 'attempt')}, {call.chain.tokens:,} tokens, {plain(cost)}."
        )


def _figures(call: Call) -> list[tuple[str, str, str]]:
    reasoning = f", {call.reasoning_tokens:,} of it reasoning" if call.reasoning_tokens else ""
    guess = " A part of usage is our estimate, as the provider did not report it." if call.estimated else ""
    return [
        ("Duration", formats.millis(call.duration_ms), "From the door to the record."),
        ("First token", formats.millis(call.ttft_ms), "Of the answering attempt; known for streams only."),
        ("Attempts", formats.count(len(call.attempts)), "Calls to a provider, whatever for: first, re-ask, fallback …"),
        (
            "Tokens in",
            formats.count(call.input_tokens),
            (
                f"Over all attempts; {call.cached_tokens:,} of them read from the cache, "
                f"{call.cache_write_tokens:,} written to it.{guess}"
            ),
        ),
        ("Tokens out", formats.count(call.output_tokens), f"Over all attempts{reasoning}.{guess}"),
        (
            "Cost",
            formats.dollars(call.cost_nano_usd),
            f"The sum over attempts. {formats.dollars(call.wasted_nano_usd)} of it bought no valid object.",
        ),
    ]


def _attempts(call: Call) -> None:
    with layout.card("Attempts", key="attempts", help="One row per provider call, in order.", stretch=False):
        if not call.attempts:
            st.caption("No provider was called.")
            return
        timeline.draw(call)
        for attempt in call.attempts:
            _attempt(attempt, call)


def _attempt(attempt: RecordedAttempt, call: Call) -> None:
    kind = outcomes.KINDS.get(attempt.kind, Badge(attempt.kind, ":material/arrow_forward:", "gray"))
    with st.container(border=True, gap="xsmall", key=f"attempt_{attempt.n}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            name = f"**{attempt.n}** {kind.markdown} **{links.model(f'{attempt.provider}/{attempt.model}')}**"
            drill = f" {DRILL.markdown}" if attempt.drill_id else ""
            st.markdown(f"{name} :gray[{plain(attempt.mode)}]{drill}", width="content")
            st.markdown(outcomes.badge(attempt.outcome), width="content")
        with st.grid(4, min_column_width=108, gap="xsmall"):
            for label, value in _attempt_facts(attempt).items():
                st.markdown(f":small[:gray[{label}]]  \n{value}")
        if paid := _paid(attempt):
            st.markdown(f":small[{paid}]")
        if tools := _tools(attempt):
            st.markdown(f":small[:gray[:material/build: {plain(tools)}]]")
        for remark in _remarks(attempt):
            st.markdown(f":small[:orange[:material/flag: {plain(remark)}]]")
        if attempt.error_detail and not attempt.field_errors:
            st.markdown(f":red[:material/error:] {plain(zones.retold(attempt.error_detail, call.timezone))}")
        if attempt.field_errors:
            _field_errors(attempt)
        if attempt.asked:
            with st.expander("What was asked again" if attempt.kind == "re-ask" else "What this attempt added"):
                messages.draw(attempt.asked, call.id)
        if attempt.answered:
            with st.expander("Raw answer"):
                st.code(attempt.answered, language="json", wrap_lines=True)


def _attempt_facts(attempt: RecordedAttempt) -> dict[str, str]:
    """Return what is shown of an attempt; what is not known is a dash."""
    return {
        "Duration": formats.millis(attempt.duration_ms),
        "First token": formats.millis(attempt.ttft_ms),
        "HTTP status": str(attempt.http_status or formats.UNKNOWN),
        "Finish reason": plain(attempt.finish_reason or formats.UNKNOWN),
        "Tokens in": _tokens(
            attempt.input_tokens, cached=attempt.cached_tokens, written=attempt.cache_write_tokens, **_hours(attempt)
        ),
        "Tokens out": _tokens(attempt.output_tokens, reasoning=attempt.reasoning_tokens),
        "Cost": plain(_cost(attempt)),
        "Usage": _reported(attempt),
    }


def _reported(attempt: RecordedAttempt) -> str:
    """Return where the counts come from, how the call was served, and whether there is something to look at."""
    billing = attempt.billing or {}
    said = "estimated" if attempt.estimated else formats.UNKNOWN if attempt.input_tokens is None else "reported"
    served = [billing["tier"]] if billing.get("tier") else []
    served += [f"in {billing['geo']}"] if billing.get("geo") else []
    shown = f"{said} :small[:gray[({plain(', '.join(served))})]]" if served else said
    return f"{shown} :orange[:material/flag:]" if _remarks(attempt) else shown


def _tools(attempt: RecordedAttempt) -> str:
    """Return which tools ran at the provider and at which price; empty where none did."""
    uses: dict[str, int] = (attempt.billing or {}).get("tool_uses", {})
    ran = ", ".join(f"{use} {'once' if count == 1 else f'{count:,} times'}" for use, count in uses.items())
    fees = (attempt.price or {}).get("fees", "")
    return " · ".join(filter(None, (f"Ran at the provider: {ran}" if ran else "", fees)))


def _remarks(attempt: RecordedAttempt) -> list[str]:
    """Return what a person should know of its bill."""
    unpriced = (attempt.price or {}).get("unpriced_uses", "")
    told = f"The cost is without {unpriced}, whose price is not known: set one on Prices." if unpriced else ""
    return [one for one in ((attempt.billing or {}).get("remark", ""), told) if one]


def _hours(attempt: RecordedAttempt) -> dict[str, int | None]:
    """Return how much of what was written to the cache is kept for an hour, under its name."""
    return {"of it for an hour": (attempt.billing or {}).get("cache_write_1h_tokens")}


def _tokens(count: int | None, **parts: int | None) -> str:
    shown = ", ".join(f"{part:,} {name}" for name, part in parts.items() if part)
    return formats.count(count) + (f" :small[:gray[({shown})]]" if shown else "")


def _cost(attempt: RecordedAttempt) -> str:
    if attempt.cost_nano_usd is None and attempt.input_tokens is None:
        return "not billed"
    return formats.dollars(attempt.cost_nano_usd)


def _paid(attempt: RecordedAttempt) -> str:
    """Return a line of who answered, at which price, and under which id."""
    said: list[str] = []
    if attempt.answered_model and attempt.answered_model != attempt.model:
        said.append(f"Answered by {plain(attempt.answered_model)}")
    if attempt.price:
        cached = attempt.price.get("cached_usd_per_mtok")
        price = f"${attempt.price.get('input_usd_per_mtok')} in" + (f", ${cached} cached" if cached else "")
        price += f", ${attempt.price.get('output_usd_per_mtok')} out per million tokens ({attempt.price.get('source')})"
        said.append(plain(price))
    line = f":gray[{' · '.join(said)}]" if said else ""
    return f"{line} {code(attempt.provider_request_id)}" if attempt.provider_request_id else line


def _field_errors(attempt: RecordedAttempt) -> None:
    shown = pd.DataFrame([(error.path, error.type, error.message) for error in attempt.field_errors])
    shown.columns = ["Field", "Rule", "What was wrong"]
    grid(
        shown,
        key=f"errors_{attempt.n}",
        alt=f"Fields of attempt {attempt.n} that broke the schema",
        columns={"Field": st.column_config.TextColumn(width=170), "Rule": st.column_config.TextColumn(width=170)},
    )


def _payloads(call: Call) -> None:
    with layout.card("Prompt and answer", key="payload", stretch=False):
        messages.media(call)
        if call.payload_expires_at is None:
            st.caption(f"Not kept. {plain(call.keeping)}")
            return
        until = zones.told(call.payload_expires_at, call.timezone)
        st.caption(
            f"Kept for {formats.plural(call.retention_days, 'day')} by {plain(call.tenant)}, until {until}. "
            "They may hold personal data: share with care."
        )
        if call.asked:
            with st.expander("What was asked", icon=":material/chat:"):
                messages.draw(call.asked, call.id)
        if call.value:
            st.markdown("**Answer**" if call.outcome in _AS_IT_CAME else "**Valid object**")
            _answer(call.value)


def _answer(text: str) -> None:
    """Draw an answer: an object or a list as one, anything else as the text that it is."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    if is_object(value) or is_list(value):
        st.json(value, expanded=2)
    else:
        st.code(value if isinstance(value, str) else text, language=None, wrap_lines=True)


def _why(call: Call) -> None:
    with layout.card("Decision trace", key="trace", help="Every stage the call passed, and why.", stretch=False):
        if not call.trace:
            st.caption("Nothing was decided.")
        for step in call.trace:
            room, verdict = plain(step.get("room", "")), str(step.get("verdict", ""))
            shown = outcomes.badge(verdict) if verdict in outcomes.OUTCOMES else f":gray-badge[{plain(verdict)}]"
            st.markdown(f"**{room}** {shown}  \n{plain(zones.retold(step.get('reason', ''), call.timezone))}")
        if call.outcome == "blocked_flag" or any(step.get("verdict") in _BY_FLAGS for step in call.trace):
            st.page_link(
                "flags/page.py", label="Its flags", icon=":material/toggle_on:", query_params={"tenant": call.tenant}
            )


def _findings(call: Call) -> None:
    """Draw what guardrails found in it; of a call without findings nothing."""
    if not call.findings:
        return
    with layout.card(
        "What guardrails found",
        key="findings",
        help="Where and of what kind, and of a secret its length and what all of its vendor's begin with. What it was "
        "is kept nowhere.",
        stretch=False,
    ):
        shown = pd.DataFrame(
            [
                {
                    "Guardrail": one.guardrail or "not told",
                    "What": one.kind or "the text as a whole",
                    "Example": one.shape,
                    "Where": f"{one.place}, {one.stage}" if one.place else one.stage,
                    "Then": one.action,
                    "Times": one.count,
                }
                for one in call.findings
            ]
        )
        grid(shown, key="findings_table", alt="What guardrails found in this call")


def _facts(call: Call) -> None:
    with layout.card("Facts", key="facts_card", stretch=False):
        layout.facts(
            {
                "Tenant": links.tenant(call.tenant),
                "Asked by": links.caller(call.principal, call.tenant),
                "Request id": code(call.request_id) if call.request_id else None,
                "Route": links.route(call.route) if call.route else None,
                "Schema": links.schema(call.schema, call.schema_version)
                if call.schema_version is not None
                else plain(call.schema) or "none",
                "Schema hash": code(call.schema_hash[:12]) if call.schema_hash else None,
                "Queued": None if call.queue_us is None else formats.millis(call.queue_us / 1000),
                "Streamed": "yes" if call.streamed else "no",
                "Error code": code(call.error_code) if call.error_code else None,
                "User": f"{code(call.user_hash[:12])} (hashed)" if call.user_hash else None,
                "Ended": zones.told(call.ended_at, call.timezone, seconds=True),
            },
            key="facts",
        )
        if call.caller_metadata:
            with st.expander("What the caller noted"):
                st.json(dict(call.caller_metadata), expanded=2)
        if call.policy:
            with st.expander("Policy it ran under"):
                st.json(dict(call.policy), expanded=2)
