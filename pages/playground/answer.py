"""What the playground shows of one answer: while it streams, and in the end with its attempts and what it cost."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from core.errors import NotFound, ProctorError
from core.generation import GenerationRequest, Partial
from core.reports import Call, Rung
from pages.kit import formats, layout, outcomes
from pages.kit.frames import Frame, pd, table
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.playground import fields
from pages.playground.in_flight import InFlight

INDENT = "\N{EM SPACE}"
REDRAW_SECONDS = 0.1
"""How often a stream is redrawn: faster than this nobody reads."""
NBSP = "\N{NO-BREAK SPACE}"
STATES = {
    fields.FieldState.WAITING: f":gray[:material/schedule:{NBSP}waiting]",
    fields.FieldState.ARRIVING: f":blue[:material/edit:{NBSP}arriving]",
    fields.FieldState.ARRIVED: f":gray[:material/check:{NBSP}arrived]",
    fields.FieldState.VALID: f":green[:material/check_circle:{NBSP}valid]",
    fields.FieldState.ERROR: f":red[:material/error:{NBSP}wrong]",
    fields.FieldState.ABSENT: f":gray[:material/remove:{NBSP}left out]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the playground, as it is kept for the next redraw."""

    request: GenerationRequest
    body: dict[str, Any]
    value: Any
    """The object, or as much of it as came."""
    call_id: str | None
    is_valid: bool
    title: str = ""
    sentence: str = ""
    """Why there is no valid object."""


def provider_notice(visit: Visit, first: str) -> bool:
    """Say what is missing before anything can answer; return whether it is worth asking."""
    if not visit.runtime.providers:
        st.warning(
            "Set `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` in the environment or in `.env` and start again, "
            "or set `LOCAL_MODEL=on` to run the small local model.",
            title="No provider is set up",
            icon=":material/key_off:",
        )
        return False
    if first == "local" and "local" in visit.runtime.providers:
        status = visit.runtime.local_model.status
        if status.phase in {"fetching", "starting"}:
            st.fragment(_local_progress, run_every="1s")(visit)
            return False
        if status.phase == "failed":
            st.warning(status.sentence, title="The local model is not running", icon=":material/cloud_off:")
        elif status.phase == "ready":
            st.caption(f":material/computer: {status.sentence}")
    return True


def _local_progress(visit: Visit) -> None:
    """Draw how the local model comes; once it is there, or cannot come, draw the page anew."""
    status = visit.runtime.local_model.status
    if status.phase not in {"fetching", "starting"}:
        st.rerun()
    if status.fraction is None:
        st.markdown(f":shimmer[{status.sentence}]")
    else:
        st.progress(min(1.0, max(0.0, status.fraction)), status.sentence)


def run(visit: Visit, request: GenerationRequest, body: dict[str, Any]) -> Run:
    """Ask, drawing the object as it grows. Leaving the page ends the provider's call, whatever has come of it."""
    value: Any = None
    try:
        if not request.stream:
            with (
                st.spinner("Waiting for the whole object…", show_time=True),
                InFlight(visit.runtime.generator, request, visit.principal) as pieces,
            ):
                [made] = (piece for piece in pieces if not isinstance(piece, Partial))
            return Run(request=request, body=body, value=made.value, call_id=made.id, is_valid=True)
        clock, drawn = visit.runtime.clock, float("-inf")
        with layout.card("Object", key="object", stretch=False):
            head, box = st.empty(), st.empty()
        head.progress(0.0, ":shimmer[Waiting for the first field…]")
        table(_frame(fields.rows(body, None)), on=box)
        with InFlight(visit.runtime.generator, request, visit.principal) as pieces:
            for piece in pieces:
                if not isinstance(piece, Partial):
                    return Run(request=request, body=body, value=piece.value, call_id=piece.id, is_valid=True)
                value = piece.value
                if clock.monotonic() - drawn >= REDRAW_SECONDS:
                    drawn = clock.monotonic()
                    found = fields.rows(body, value)
                    again = f"Attempt {piece.attempt}: asked again. " if piece.attempt > 1 else ""
                    head.progress(fields.done(found), f":shimmer[{again}The object is arriving…]")
                    table(_frame(found), on=box)
    except ProctorError as error:
        return Run(
            request=request,
            body=body,
            value=value,
            call_id=error.facts.get("generation_id"),
            is_valid=False,
            title=outcomes.word(str(error.facts.get("outcome", "No answer"))),
            sentence=error.message,
        )
    raise AssertionError("a stream ends with a generation or an error")


def draw(visit: Visit, last: Run) -> None:
    """Draw the end: the object with every problem beside its field, then figures, attempts, and what to take away."""
    call = None
    if last.call_id:
        try:
            call = visit.runtime.reports.call(visit.principal, last.call_id)
        except NotFound:
            st.caption("This call is no longer kept.")
    rungs = call.rungs if call else ()
    if not last.is_valid:
        st.error(last.sentence, title=last.title, icon=":material/error:")
        st.caption("Your input is still there: change it, or who answers, and run again.")
    with layout.card("Object", key="object", stretch=False):
        _object(visit, last, rungs)
        _take_away(visit, last)
    if call:
        with layout.card("What it took", key="took", stretch=False):
            _figures(call)
            _ladder(call)


def _last_said(visit: Visit, last: Run, rungs: Sequence[Rung]) -> Any:
    """Return what the last attempt said, where answers are kept; else what was seen of it."""
    if rungs and rungs[-1].answered and (model := visit.runtime.schemas.inline(last.body).response_model):
        return model.partial_value(rungs[-1].answered)
    return last.value


def _object(visit: Visit, last: Run, rungs: Sequence[Rung]) -> None:
    if last.is_valid:  # what an earlier attempt had wrong is told beside the field that is right now
        rows = fields.rows(last.body, last.value, fields.Phase.VALID)
        rows, homeless = fields.marked(rows, [e for rung in rungs for e in rung.field_errors], repaired=True)[0], []
    else:
        rows = fields.rows(last.body, _last_said(visit, last, rungs), fields.Phase.FAILED)
        rows, homeless = fields.marked(rows, rungs[-1].field_errors if rungs else (), repaired=False)
    for sentence in homeless:
        st.error(plain(sentence), icon=":material/error:")
    table(_frame(rows), alt="The object, field by field")


def _frame(rows: list[fields.FieldRow]) -> Frame:
    """Return the rows as a table of Markdown."""
    lines: dict[str, list[str]] = {"Field": [], "Value": [], "State": []}
    for row in rows:
        mark = ":red[\\*]" if row.is_required else ""
        lines["Field"].append(INDENT * row.depth + plain(row.name) + mark)
        lines["Value"].append(plain(row.value))
        is_wrong = row.state is fields.FieldState.ERROR
        told = STATES[row.state] if is_wrong or not row.has_parts else ""
        if row.problem:
            problem = plain(row.problem)
            told += f" {problem}" if is_wrong else f" :orange[asked again: {problem}]"
        lines["State"].append(told)
    return pd.DataFrame(lines).set_index("Field")


def _figures(call: Call) -> None:
    attempts, tokens, cost, latency = st.columns([3, 3, 5, 4], gap="small")
    attempts.metric("Attempts", len(call.rungs))
    said = f"{formats.count(call.input_tokens)} in, {formats.count(call.output_tokens)} out, over all attempts."
    tokens.metric("Tokens", formats.count(call.input_tokens + call.output_tokens), help=said)
    cost.metric("Cost", plain(formats.dollars(call.cost_nano_usd)))
    first = f"First token after {formats.millis(call.ttft_ms)}." if call.ttft_ms is not None else None
    latency.metric("Latency", formats.millis(call.duration_ms), help=first)


def _ladder(call: Call) -> None:
    if not call.rungs:
        st.caption("No provider was asked.")
    for rung in call.rungs:
        paid = "nothing charged"
        if rung.input_tokens is not None:
            tokens = f"{formats.count(rung.input_tokens)} + {formats.count(rung.output_tokens)} tokens"
            paid = f"{tokens} · {plain(formats.dollars(rung.cost_nano_usd))}"
        st.markdown(
            f"**{rung.n}** {outcomes.KINDS[rung.kind].markdown} `{rung.provider}/{rung.model}` "
            f"{outcomes.badge(rung.outcome)} "
            f":small[:gray[{formats.millis(rung.duration_ms)} · {paid}]]"
        )
        for problem in rung.field_errors:
            st.markdown(f":small[:material/subdirectory_arrow_right: `{problem.path}` {plain(problem.message)}]")
        if rung.error_detail and not rung.field_errors:
            st.caption(f":material/subdirectory_arrow_right: {plain(rung.error_detail)}")
    st.page_link("calls/page.py", label="Open in Calls", icon=":material/receipt_long:", query_params={"call": call.id})


def _take_away(visit: Visit, last: Run) -> None:
    with st.container(horizontal=True, gap="small"):
        if last.is_valid:
            text = json.dumps(last.value, indent=2, ensure_ascii=False)
            st.download_button(
                "JSON",
                text,
                f"{last.call_id}.json",
                "application/json",
                icon=":material/download:",
                on_click="ignore",
                key="download",
            )
        with st.popover("As curl", icon=":material/terminal:", key="curl"):
            st.markdown(":small[`PROCTOR_KEY` is a key of the tenant; make one under Tenants.]")
            st.code(
                curl(last.request, st.context.url or f"http://localhost:{visit.runtime.settings.port}"),
                "bash",
                wrap_lines=True,
            )


def curl(request: GenerationRequest, page_url: str) -> str:
    """Return the command that asks the API the same."""
    parts = urlsplit(page_url)
    asked = replace(request, tenant_id=None)
    body = {"schema": asked.schema, "input": asked.input}
    body |= {"model": asked.model} if asked.model else {}
    body |= {"route": asked.route} if asked.route else {}
    return (
        f"curl -s {parts.scheme}://{parts.netloc}/v1/generate \\\n"
        '  -H "Authorization: Bearer $PROCTOR_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
