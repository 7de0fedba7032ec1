"""A recorded call opened in the playground (``/playground?call=ID``): filled in as far as it was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import NotFound
from core.reports import Call
from core.routes import MODES, PARAMETERS
from pages.kit import formats, outcomes
from pages.kit.json_values import is_list, is_object
from pages.kit.markup import code, plain
from pages.kit.page import Visit
from pages.playground import settings
from pages.playground.ask import input_key

_STATE = "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What of a call can be asked again, and what cannot."""

    call_id: str
    title: str
    state: Mapping[str, Any]
    """What to write into the session's state, by the keys of the fields."""
    missing: Sequence[str]
    """A sentence for each thing that could not be filled in."""


def fill_in(visit: Visit) -> None:
    """Fill the fields of the page from the call that the URL names; to be called before they are drawn."""
    call_id = st.query_params.get("call")
    if not call_id:
        return
    del st.query_params["call"]  # once: what is changed afterwards stays
    try:
        call = visit.runtime.reports.call(visit.principal, call_id)
    except NotFound as error:
        st.session_state[_STATE] = Replay(call_id=call_id, title="", state={}, missing=[error.message])
        return
    found = replay(call, {schema.name: schema.latest for schema in visit.runtime.schemas.list(visit.principal)})
    for key in (settings.SYSTEM, settings.MODE, settings.LENGTH, *(f"parameter_{name}" for name in PARAMETERS)):
        st.session_state.pop(key, None)
    st.session_state["columns"] = 1
    st.session_state.pop("trial", None)
    for key, value in found.state.items():
        st.session_state[key] = value
    st.session_state[_STATE] = found


def tell() -> None:
    """Say which call fills the page, and what of it could not be filled in."""
    found: Replay | None = st.session_state.get(_STATE)
    if found is None:
        return
    with st.container(key="replayed", gap="xsmall"):
        if not found.title:
            st.warning(
                " ".join(plain(one) for one in found.missing), title="No such call", icon=":material/search_off:"
            )
        else:
            missing = "".join(f"  \n:orange[:material/info: {one}]" for one in found.missing)
            st.info(f"{found.title}{missing}", icon=":material/replay:")
        with st.container(horizontal=True, gap="small"):
            if found.title:
                st.page_link(
                    "calls/page.py",
                    label="Back to the call",
                    icon=":material/receipt_long:",
                    query_params={"call": found.call_id},
                )
            st.button("Dismiss", icon=":material/close:", type="tertiary", key="dismiss", on_click=_dismiss)


def _dismiss() -> None:
    st.session_state.pop(_STATE, None)


def replay(call: Call, schemas: Mapping[str, int]) -> Replay:
    """Return what of *call* can be asked again; *schemas* are the newest versions by name."""
    missing: list[str] = []
    state: dict[str, Any] = {"tenant": call.tenant} | _schema(call, schemas, missing)
    state |= {"model": f"{call.provider}/{call.model}" if call.provider and call.model else f"Route {call.route}"}
    state |= _said(call, state, missing) | _set(call)
    began = formats.moment(call.started_at, call.timezone, seconds=True)
    title = f"From call {code(call.id)}: {outcomes.badge(call.outcome)} {began}, asked by {plain(call.principal)}."
    return Replay(call_id=call.id, title=title, state=state, missing=missing)


def _schema(call: Call, schemas: Mapping[str, int], missing: list[str]) -> dict[str, Any]:
    version = call.schema_version
    if version is None:
        missing.append("Its schema came with the request and is not kept: paste it.")
        return {"source": "json"}
    newest = schemas.get(call.schema, 0)
    if not newest:
        missing.append(f"The schema {plain(call.schema)} is no longer registered: choose another, or paste it.")
        return {}
    if version > newest:
        missing.append(f"Version {version} of {plain(call.schema)} is not there any more.")
        return {"source": "registered", "schema": call.schema}
    return {"source": "registered", "schema": call.schema, "version": str(version)}


def _said(call: Call, state: Mapping[str, Any], missing: list[str]) -> dict[str, Any]:
    """Return system text and input, as far as they are kept and the page has fields for them."""
    named = f"{state['schema']}@{state['version']}" if "version" in state else ""
    if not is_list(call.asked):
        missing.append(
            f"Its input is not kept: {plain(call.tenant)} keeps prompts and answers for "
            f"{formats.plural(call.retention_days, 'day')}, unless its flags say otherwise."
        )
        return {input_key(named): ""}
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    for message in call.asked:
        if is_object(message) and (text := _text(message.get("content"))):
            said.setdefault(str(message.get("role")), []).append(text)
    if call.media:
        shown = formats.plural(len(call.media), "image or document", "images and documents")
        missing.append(f"It was about {shown} too, which the playground cannot send: it would be asked without.")
    if said["assistant"] or len(said["user"]) != 1:
        missing.append(
            f"It was a conversation of {formats.plural(len(call.asked), 'message')}: "
            "the last text of its user is filled in."
        )
    return {settings.SYSTEM: "\n\n".join(said["system"]), input_key(named): (said["user"] or [""])[-1]}


def _text(content: Any) -> str:
    """Return the text of a message's content: itself, or that of its parts."""
    if isinstance(content, str):
        return content
    parts = content if is_list(content) else []
    texts = [part.get("text") for part in parts if is_object(part) and part.get("type") == "text"]
    return "\n\n".join(text for text in texts if isinstance(text, str))


def _set(call: Call) -> dict[str, Any]:
    """Return mode and parameters that its answering model had."""
    state: dict[str, Any] = {}
    answered = [rung for rung in call.rungs if (rung.provider, rung.model) == (call.provider, call.model)]
    if answered and answered[0].mode in MODES:
        state[settings.MODE] = answered[0].mode
    route = (call.policy or {}).get("route")
    given = route.get("parameters") if is_object(route) else None
    own = given.get(f"{call.provider}/{call.model}") if is_object(given) else None
    if is_object(own):
        state |= {f"parameter_{name}": value for name, value in own.items() if name in PARAMETERS}
    return state
