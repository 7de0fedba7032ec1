"""*Check an answer*: JSON that somebody has at hand, held against a schema field by field; no call is made."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.errors import ProctorError
from core.schemas import CheckedAnswer, ResolvedSchema, checked
from core.workers import TenantWorkers
from pages.kit import fields, formats
from pages.kit.field_table import frame
from pages.kit.frames import table
from pages.kit.markup import plain
from pages.kit.numbered import area, number, wrong_line
from pages.kit.page import Visit, show_error


@st.dialog("Check an answer", icon=":material/rule:", width="large")
def dialog(visit: Visit, body: dict[str, Any], what: str, sample: Any) -> None:
    """Hold an answer against the schema *body*, which may be registered nowhere; *what* it is ends a sentence."""
    check(visit.runtime.schemas.inline(body), what, sample, key="at_hand", workers=visit.runtime.workers.of(""))


def check(schema: ResolvedSchema, what: str, sample: Any, *, key: str, workers: TenantWorkers) -> None:
    """Draw a place for an answer, and what of it satisfies *schema*; it begins with *sample*, if that is not None.

    *workers* read what is long or heavy.
    """
    field = f"answer_{key}"
    text = area(
        "Answer",
        "" if sample is None else json.dumps(sample, indent=2, ensure_ascii=False),
        height=240,
        key=field,
        help="JSON. Nobody is asked, nothing is kept, nothing is paid.",
    )
    if not st.button("Check", type="primary", icon=":material/rule:", key="check"):
        number(field, text)
        return
    try:
        found = checked(schema.response_model, text, workers)
    except ProctorError as error:
        show_error(error, "This answer cannot be read.")
        number(field, text, wrong_line(error.message))
        return
    number(field, text)
    _tell(schema, found, what)


def _tell(schema: ResolvedSchema, found: CheckedAnswer, what: str) -> None:
    """Draw the verdict, and every field with its value and what is wrong with it."""
    rows, homeless = fields.marked(
        fields.rows(schema.body, found.value, fields.Phase.VALID), found.problems, repaired=False
    )
    if not found.problems:
        st.success(f"It satisfies {plain(what)}.", icon=":material/check_circle:")
    else:
        wrong = formats.plural(len(found.problems), "field")
        st.error(f"It does not satisfy {plain(what)}: {wrong}.", icon=":material/rule:")
    for sentence in homeless:
        st.error(plain(sentence), icon=":material/error:")
    table(frame(rows), alt="The answer, field by field")
    if len(rows) == fields.MOST_ROWS:
        st.caption(f"The first {fields.MOST_ROWS} fields are shown; all were checked.")
