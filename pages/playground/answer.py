"""What the playground shows of one answer: the object, its attempts, what it cost, and what to take away."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from core.generation import GenerationRequest
from core.reports import Call
from core.requests import CallSettings
from pages.kit import fields, formats, layout, outcomes, zones
from pages.kit.exports import export_text
from pages.kit.field_table import frame
from pages.kit.frames import table
from pages.kit.markup import code, plain
from pages.kit.page import Visit
from pages.playground.columns import Column
from pages.playground.runs import Run


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
            st.warning(plain(status.sentence), title="The local model is not running", icon=":material/cloud_off:")
        elif status.phase == "ready":
            st.caption(f":material/computer: {plain(status.sentence)}")
    return True


def _local_progress(visit: Visit) -> None:
    """Draw how the local model comes; once it is there, or cannot come, draw the page anew."""
    status = visit.runtime.local_model.status
    if status.phase not in {"fetching", "starting"}:
        st.rerun()
    if status.fraction is None:
        st.markdown(f":shimmer[{plain(status.sentence)}]")
    else:
        st.progress(min(1.0, max(0.0, status.fraction)), plain(status.sentence))


def outdated(last: Run, columns: Sequence[Column], place: int) -> list[str]:
    """Return what is another by now than when *last* was asked: ``["schema", "input"]``."""
    if place >= len(columns):
        return ["column"]
    asked, now = last.request, columns[place].request
    was, settings = asked.settings or CallSettings(), now.settings or CallSettings()
    pairs = {
        "schema": (last.body, columns[place].body),
        "input": (_text(asked, "user"), _text(now, "user")),
        "system text": (_text(asked, "system"), _text(now, "system")),
        "model": ((asked.route, asked.model), (now.route, now.model)),
        "settings": (replace(was, is_cached=True), replace(settings, is_cached=True)),
        "tenant": (asked.tenant_id, now.tenant_id),
    }
    return [what for what, (before, after) in pairs.items() if before != after]


def _text(request: GenerationRequest, role: str) -> str:
    """Return what *request* says in a role."""
    if request.messages is None:
        return (request.input or "") if role == "user" else ""
    return "\n".join(str(one["content"]) for one in request.messages if one["role"] == role)


def tell_outdated(changed: Sequence[str]) -> None:
    """Say that what stands here answers an earlier question."""
    of = " and ".join([", ".join(changed[:-1]), changed[-1]] if len(changed) > 1 else changed)
    st.markdown(
        f":orange-badge[:material/history: Of an earlier {of}] :small[Run again to see what the present one gives.]"
    )


def draw(visit: Visit, last: Run, *, is_old: bool) -> None:
    """Draw the end: the object with every problem beside its field, then figures, attempts, and what to take away.

    What *is_old* answers an earlier question.
    """
    call = last.call
    if not last.is_valid:
        st.error(plain(zones.retold(last.sentence)), title=last.title, icon=":material/error:")
        st.caption("Your input is still there: change it, or who answers, and run again.")
    with layout.card("Object", key="object", stretch=False):
        _object(visit, last, is_old=is_old)
        _take_away(visit, last, "")
    if call:
        with layout.card("What it took", key="took", stretch=False):
            _figures(call)
            _attempts(call)


def draw_column(visit: Visit, last: Run, place: int, title: str, *, is_old: bool) -> None:
    """Draw one of several answers beside each other, whose figures stand above them."""
    with layout.card(title, key=f"object_{place}", stretch=False):
        if not last.is_valid:
            st.error(plain(zones.retold(last.sentence)), title=last.title, icon=":material/error:")
        _object(visit, last, is_old=is_old)
        _take_away(visit, last, f"_{place}")
        if last.call:
            _attempts(last.call)


def last_said(visit: Visit, body: dict[str, Any], call: Call | None) -> Any:
    """Return what the last attempt of a call for *body* said, where answers are kept; else None."""
    attempts = call.attempts if call else ()
    if attempts and attempts[-1].answered:
        return visit.runtime.schemas.inline(body).response_model.partial_value(attempts[-1].answered)
    return None


def _object(visit: Visit, last: Run, *, is_old: bool) -> None:
    attempts = last.call.attempts if last.call else ()
    if last.is_valid:  # what an earlier attempt had wrong is told beside the field that is right now
        rows = fields.rows(last.body, last.value, fields.Phase.VALID)
        rows, homeless = (
            fields.marked(rows, [e for attempt in attempts for e in attempt.field_errors], repaired=True)[0],
            [],
        )
    else:
        said = last_said(visit, last.body, last.call)
        said = last.value if said is None else said
        if said is None:
            st.caption("Nothing of an object came.")
            return
        rows = fields.rows(last.body, said, fields.Phase.FAILED)
        rows, homeless = fields.marked(rows, attempts[-1].field_errors if attempts else (), repaired=False)
    for sentence in homeless:
        st.error(plain(sentence), icon=":material/error:")
    table(frame(rows, is_old=is_old), alt="The object, field by field")


def _figures(call: Call) -> None:
    with st.grid(4, min_column_width=132, gap="small"):
        asked, tokens, cost, latency = (st.container() for _ in range(4))
    asked.metric("Attempts", len(call.attempts))
    said = f"{formats.count(call.input_tokens)} in, {formats.count(call.output_tokens)} out, over all attempts."
    tokens.metric("Tokens", formats.count(call.input_tokens + call.output_tokens), help=said)
    cost.metric("Cost", plain(formats.dollars(call.cost_nano_usd)))
    first = f"First token after {formats.millis(call.ttft_ms)}." if call.ttft_ms is not None else None
    latency.metric("Latency", formats.millis(call.duration_ms), help=first)


def _attempts(call: Call) -> None:
    if not call.attempts:
        st.caption("No provider was asked.")
    for attempt in call.attempts:
        paid = "nothing charged"
        if attempt.input_tokens is not None:
            tokens = f"{formats.count(attempt.input_tokens)} + {formats.count(attempt.output_tokens)} tokens"
            paid = f"{tokens} · {plain(formats.dollars(attempt.cost_nano_usd))}"
        st.markdown(
            f"**{attempt.n}** {outcomes.KINDS[attempt.kind].markdown} {code(f'{attempt.provider}/{attempt.model}')} "
            f"{outcomes.badge(attempt.outcome)} "
            f":small[:gray[{formats.millis(attempt.duration_ms)} · {paid}]]"
        )
        for problem in attempt.field_errors:
            st.markdown(f":small[:material/subdirectory_arrow_right: {code(problem.path)} {plain(problem.message)}]")
        if attempt.error_detail and not attempt.field_errors:
            st.caption(f":material/subdirectory_arrow_right: {plain(zones.retold(attempt.error_detail))}")
    st.page_link("calls/page.py", label="Open in Calls", icon=":material/receipt_long:", query_params={"call": call.id})


def _take_away(visit: Visit, last: Run, key: str) -> None:
    with st.container(horizontal=True, gap="small"):
        if last.is_valid:
            text = json.dumps(last.value, indent=2, ensure_ascii=False)
            export_text("JSON", text, name=f"{last.call_id}.json")
        with st.popover("As curl", icon=":material/terminal:", key=f"curl{key}"):
            st.markdown(":small[`PROCTOR_KEY` is a key of the tenant; make one under Tenants.]")
            if last.request.settings:
                st.markdown(":small[Mode, length and parameters are the route's for a program: set them under Routes.]")
            st.code(
                curl(last.request, st.context.url or f"http://localhost:{visit.runtime.settings.port}"),
                "bash",
                wrap_lines=True,
            )


def curl(request: GenerationRequest, page_url: str) -> str:
    """Return the command that asks the API the same."""
    parts = urlsplit(page_url)
    asked = replace(request, tenant_id=None)
    body: dict[str, Any] = {"schema": asked.schema}
    body |= {"input": asked.input} if asked.messages is None else {"messages": asked.messages}
    body |= {"model": asked.model} if asked.model else {}
    body |= {"route": asked.route} if asked.route else {}
    return (
        f"curl -s {parts.scheme}://{parts.netloc}/v1/generate \\\n"
        '  -H "Authorization: Bearer $PROCTOR_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )
