"""A recorded call opened in the playground (``/playground?call=ID``): filled in as far as it was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import NotFound
from core.reports import Call
from core.routes import MODES, PARAMETERS, RouteView
from pages.kit import formats, links, outcomes, zones
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
    call: Call | None = None
    """The call, to see beside its answer what comes now."""


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
    found = replay(
        call,
        {schema.name: schema.latest for schema in visit.runtime.schemas.list(visit.principal)},
        {view.terms.name: [one.name for one in view.terms.candidates] for view in _routes(visit)},
    )
    for key in (settings.SYSTEM, settings.MODE, settings.LENGTH, *(f"parameter_{name}" for name in PARAMETERS)):
        st.session_state.pop(key, None)
    st.session_state["columns"] = 1
    st.session_state.pop("trial", None)
    for key, value in found.state.items():
        st.session_state[key] = value
    st.session_state[_STATE] = found


def _routes(visit: Visit) -> Sequence[RouteView]:
    return visit.runtime.routes.list(visit.principal)


def opened() -> Call | None:
    """Return the call that fills the page, until it is dismissed."""
    found: Replay | None = st.session_state.get(_STATE)
    return found.call if found else None


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
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
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


def replay(call: Call, schemas: Mapping[str, int], routes: Mapping[str, Sequence[str]]) -> Replay:
    """Return what of *call* can be asked again.

    *schemas* are the newest versions by name; *routes* the candidates by the route's name, as they are now.
    """
    missing: list[str] = []
    state: dict[str, Any] = {"tenant": call.tenant} | _schema(call, schemas, missing)
    state |= _asked_of(call, routes, missing)
    state |= _said(call, state, missing) | _set(call, missing)
    began = zones.told(call.started_at, call.timezone, seconds=True)
    who = links.caller(call.principal, call.tenant)
    title = f"From call {code(call.id)}: {outcomes.badge(call.outcome)} {began}, asked by {who}."
    return Replay(call_id=call.id, title=title, state=state, missing=missing, call=call)


def _asked_of(call: Call, routes: Mapping[str, Sequence[str]], missing: list[str]) -> dict[str, Any]:
    """Return who is to answer: the route that it took, or the one model where that alone was wanted."""
    recorded = _candidates(call)
    now = routes.get(call.route)
    if now is not None and (len(recorded) != 1 or list(now) == recorded):
        if recorded and list(now) != recorded:
            missing.append(
                f"Its route {plain(call.route)} asks others by now; then it was {plain(', '.join(recorded))}."
            )
        return {"model": f"Route {call.route}"}
    if now is None and call.route:
        missing.append(f"Its route {plain(call.route)} is not there any more: the model that it asked is asked alone.")
    answered = f"{call.provider}/{call.model}" if call.provider and call.model else ""
    alone = answered or next(iter(recorded), "")
    return {"model": alone} if alone else {}


def _recorded(call: Call) -> Mapping[str, Any]:
    """Return the terms of its route, as they were."""
    route = (call.policy or {}).get("route")
    return route if is_object(route) else {}


def _candidates(call: Call) -> list[str]:
    named = _recorded(call).get("candidates")
    return [one for one in named if isinstance(one, str)] if is_list(named) else []


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
        missing.append(f"Its input is not kept. {plain(call.keeping)}")
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


def _set(call: Call, missing: list[str]) -> dict[str, Any]:
    """Return mode, length and parameters, as far as all who could have answered had the same."""
    terms, names = _recorded(call), _candidates(call)
    state: dict[str, Any] = {}
    differing: list[str] = []

    def fill(key: str, what: str, values: Sequence[Any]) -> None:
        if len({repr(value) for value in values}) > 1:
            differing.append(what)
        elif values and values[0] is not None:
            state[key] = values[0]

    asked_in = [attempt.mode for attempt in call.attempts if attempt.mode in MODES]
    fill(settings.MODE, "mode", asked_in or _each(terms.get("modes"), names))
    fill(settings.LENGTH, "length", _each(terms.get("max_tokens"), names))
    given = _each(terms.get("parameters"), names)
    for name in PARAMETERS:
        fill(f"parameter_{name}", name, [one.get(name) if is_object(one) else None for one in given])
    if differing:
        missing.append(f"Its models were asked with another {', '.join(differing)} each: the route decides that.")
    return state


def _each(given: Any, names: Sequence[str]) -> list[Any]:
    """Return what each of *names* has in *given*."""
    return [given.get(name) for name in names] if is_object(given) else []
