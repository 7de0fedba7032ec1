"""What the playground asks for: a schema, registered or pasted, and who answers."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import Invalid, ProctorError
from core.json_texts import json_in
from core.pydantic_source import json_schema_from_source
from pages.kit.json_values import is_object
from pages.kit.markup import plain
from pages.kit.page import Visit, show_error

OWN_ROUTE = "The schema's route"
FIRST_SCHEMA = "support_ticket"
"""Where it is registered: everybody understands it, and even the small local model can fill it."""
SOURCES = {"registered": "Registered", "json": "JSON Schema", "pydantic": "Pydantic"}
JSON_SAMPLE = """{
  "title": "Contact",
  "type": "object",
  "properties": {
    "name": {"type": "string", "minLength": 1},
    "email": {"type": ["string", "null"], "format": "email"},
    "wants": {"type": "string", "enum": ["demo", "quote", "support", "other"]}
  },
  "required": ["name", "wants"]
}"""
PYDANTIC_SAMPLE = '''from typing import Literal

from pydantic import BaseModel, Field


class Contact(BaseModel):
    """Who wrote, and what they want."""

    name: str = Field(min_length=1)
    email: str | None = None
    wants: Literal["demo", "quote", "support", "other"]
'''
PASTED_INPUT = "Hi, this is Ann Lee (ann@example.com). Could you send me a quote for 40 seats?"


def schema_choice(visit: Visit) -> tuple[str | dict[str, Any] | None, dict[str, Any], str]:
    """Ask for the schema; return what the request names, its body, and an example input. ``None``: not usable yet."""
    source = st.segmented_control(
        "Schema",
        list(SOURCES),
        format_func=lambda source: SOURCES[source],
        key="source",
        bind="query-params",
        default="registered",
        required=True,
    )
    if source == "registered":
        names = {schema.name: schema for schema in visit.runtime.schemas.list(visit.principal)}
        if not names:
            st.info("No schema is registered yet. Paste one, or add one with `proctor schema add NAME FILE`.")
            return None, {}, ""
        small = list(names).index(FIRST_SCHEMA) if FIRST_SCHEMA in names else 0
        name = st.selectbox("Name", list(names), small, key="schema", bind="query-params", label_visibility="collapsed")
        if names[name].description:
            st.caption(plain(names[name].description))
        found = visit.runtime.schemas.find(
            visit.principal, f"{name}@{names[name].latest}" if not names[name].labels else name
        )
        return found.reference, found.body, found.example_input
    sample = JSON_SAMPLE if source == "json" else PYDANTIC_SAMPLE
    text = st.text_area(
        "Source", sample, height=220, key=f"source_{source}", label_visibility="collapsed", persist_state="session"
    )
    try:
        body: Any = json_in(text or "", "The schema") if source == "json" else json_schema_from_source(text or "")
        if not is_object(body):
            raise Invalid("A JSON Schema is an object, in braces.")
        schema = dict(body)
        visit.runtime.schemas.inline(schema)
    except ProctorError as error:
        show_error(error, "This schema cannot be used yet.")
    else:
        return schema, schema, PASTED_INPUT
    return None, {}, PASTED_INPUT


def model_choice(visit: Visit, schema: str | dict[str, Any] | None) -> tuple[str | None, str | None, str]:
    """Ask who answers; return the route, the model if one alone is wanted, and the provider that is asked first.

    No route is the one that a program gets which names none: that of *schema*, or the default.

    Raises:
        Invalid: a typed model names no provider.

    """
    views = visit.runtime.routes.list(visit.principal)
    routes = {f"Route {view.terms.name}": view.terms for view in views}
    own = (
        visit.runtime.routes.for_schema(visit.principal, schema.partition("@")[0]).terms
        if isinstance(schema, str)
        else views[0].terms
    )
    models = dict.fromkeys(one.name for terms in routes.values() for one in terms.candidates)
    chosen = st.selectbox(
        "Who answers",
        [OWN_ROUTE, *routes, *models],
        key="model",
        bind="query-params",
        accept_new_options=True,
        help="A route with its fallbacks, or one model alone: pick one, or type it as provider/name.",
    )
    if not chosen or chosen == OWN_ROUTE or chosen in routes:
        terms = routes.get(chosen, own)
        asked = ", then ".join(f"`{one.name}`" for one in terms.candidates)
        st.markdown(f":small[Route {terms.name} asks {asked}.]")
        return terms.name if chosen in routes else None, None, terms.candidates[0].provider
    return None, chosen, visit.runtime.routes.of_model(visit.principal, chosen).candidates[0].provider
