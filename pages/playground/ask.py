"""What the playground asks for: a schema, registered or pasted, in one version; and who answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.schemas import PRODUCTION, ResolvedSchema, SchemaSummary
from pages.kit.markup import code, plain
from pages.kit.page import Visit
from pages.kit.pasted import KINDS, Pasted, schema_in

MOST_COLUMNS = 3
"""How many answers are compared beside each other."""
AS_ABOVE = "the one above"
OWN_ROUTE = "The schema's route"
FIRST_SCHEMA = "support_ticket"
"""Where it is registered: everybody understands it, and even the small local model can fill it."""
SOURCES = {"registered": "Registered", **KINDS}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSchema:
    """The schema that is asked for."""

    named: str | dict[str, Any]
    """As a request names it."""
    body: dict[str, Any]
    example: str
    """An input for it."""
    name: str = ""
    """Its name, where it is registered."""
    version: int | None = None
    versions: tuple[int, ...] = ()
    """Those that there are of it, the newest first."""
    pasted: Pasted | None = None
    """What was pasted, where it is not registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who answers, in one column."""

    route: str | None
    """``None``: that of the schema, or the default."""
    model: str | None
    """Where one alone is wanted."""
    first: str
    """The provider that is asked first."""
    label: str
    """What the column is called."""


def input_key(reference: str) -> str:
    """Return the key of the input's field for a registered version; pasted schemas share one, whose name is empty."""
    return f"input_{reference}"


def schema_choice(visit: Visit) -> AskedSchema | None:
    """Ask for the schema; ``None`` where it is not usable yet, and the page says why."""
    source = st.segmented_control(
        "Schema",
        list(SOURCES),
        format_func=lambda source: SOURCES[source],
        key="source",
        bind="query-params",
        default="registered",
        required=True,
    )
    if source != "registered":
        sample = JSON_SAMPLE if source == "json" else PYDANTIC_SAMPLE
        pasted = schema_in(visit, source, sample, key=f"source_{source}", root="root", is_kept=True)
        if pasted is None:
            return None
        return AskedSchema(named=pasted.body, body=pasted.body, example=PASTED_INPUT, pasted=pasted)
    known = {schema.name: schema for schema in visit.runtime.schemas.list(visit.principal)}
    if not known:
        st.info("No schema is registered yet. Paste one and save it, or add one with `proctor schema add NAME FILE`.")
        return None
    _tell_unknown(known)
    small = list(known).index(FIRST_SCHEMA) if FIRST_SCHEMA in known else 0
    left, right = st.columns([7, 3], gap="small")
    with left:
        name = st.selectbox("Name", list(known), small, key="schema", bind="query-params", on_change=_other_schema)
    summary = known[name]
    numbers = tuple(range(summary.latest, 0, -1))
    usual = summary.labels.get(PRODUCTION, summary.latest)
    with right:
        version = st.selectbox(
            "Version",
            [str(number) for number in numbers],
            numbers.index(usual),
            key="version",
            bind="query-params",
        )
    found = visit.runtime.schemas.find(visit.principal, f"{name}@{version}")
    if said := _said(summary, found):
        st.caption(said)
    return AskedSchema(
        named=found.reference,
        body=found.body,
        example=found.example_input,
        name=name,
        version=found.version,
        versions=numbers,
    )


def _tell_unknown(known: Mapping[str, SchemaSummary]) -> None:
    """Say that a link names what is not there: the page shows something else in its place."""
    if "schema" in st.session_state:
        return
    name, version = st.query_params.get("schema"), st.query_params.get("version")
    if name and name not in known:
        st.warning(f"There is no schema {code(name[:80])} here; choose one.", icon=":material/search_off:")
    elif name and version and not (version.isdecimal() and 1 <= int(version[:9]) <= known[name].latest):
        st.warning(
            f"{code(name)} has no version {code(version[:20])}; the newest is {known[name].latest}.",
            icon=":material/search_off:",
        )


def _other_schema() -> None:
    """Begin with the usual version of the schema that was chosen."""
    st.session_state.pop("version", None)


def _said(summary: SchemaSummary, found: ResolvedSchema) -> str:
    labels = [label for label, version in summary.labels.items() if version == found.version]
    where = f"Version {found.version} of {summary.versions}" + (f", {', '.join(labels)}" if labels else "")
    return plain(f"{where}. {summary.description}".strip()) if summary.versions > 1 or labels else ""


def version_choice(visit: Visit, asked: AskedSchema, place: int) -> AskedSchema:
    """Ask for another version of *asked* in the column at *place*; return *asked* where it is the same."""
    if len(asked.versions) < 2:
        return asked
    wanted = st.selectbox("Version", [AS_ABOVE, *(str(number) for number in asked.versions)], key=f"version_{place}")
    if wanted in (AS_ABOVE, str(asked.version)):
        return asked
    found = visit.runtime.schemas.find(visit.principal, f"{asked.name}@{wanted}")
    return AskedSchema(
        named=found.reference,
        body=found.body,
        example=asked.example,
        name=asked.name,
        version=found.version,
        versions=asked.versions,
    )


def model_choice(visit: Visit, schema: str | Mapping[str, Any] | None, place: int = 1) -> Choice:
    """Ask who answers in the column at *place*, counted from 1.

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
    options = [OWN_ROUTE, *routes, *models]
    first_models = len(options) - len(models)
    chosen = st.selectbox(
        "Who answers",
        options,
        0 if place == 1 else min(first_models + place - 2, len(options) - 1),
        key="model" if place == 1 else f"model_{place}",
        bind="query-params",
        accept_new_options=True,
        help="A route with its fallbacks, or one model alone: pick one, or type it as provider/name.",
    )
    if not chosen or chosen == OWN_ROUTE or chosen in routes:
        terms = routes.get(chosen, own)
        asked = ", then ".join(code(one.name) for one in terms.candidates)
        st.markdown(f":small[Route {plain(terms.name)} asks {asked}.]")
        return Choice(
            route=terms.name if chosen in routes else None,
            model=None,
            first=terms.candidates[0].provider,
            label=f"Route {terms.name}",
        )
    first = visit.runtime.routes.of_model(visit.principal, chosen).candidates[0]
    return Choice(route=None, model=chosen, first=first.provider, label=first.name)
