"""Asking where a rule looks: at which sorts of text, and in answers at which fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.guardrails import PLACES, SETTINGS
from core.guardrails.checks import usual_places
from pages.guardrails import words

_CALLS = "tools"
"""The check that judges calls of tools as a whole, and no texts by their place."""


def beside(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *settings* without what is asked for here."""
    return {name: value for name, value in settings.items() if name not in SETTINGS}


def ask(check: str, settings: Mapping[str, Any], key: str, *, has_fields: bool, has_turns: bool) -> Mapping[str, Any]:
    """Ask where a rule looks that looks for *check*; return the settings that say it, none for what is usual."""
    if check == _CALLS:
        return {}
    usual = usual_places(check)
    sorts = st.pills(
        "Only in",
        list(PLACES),
        selection_mode="multi",
        default=settings.get("places", usual),
        format_func=lambda sort: words.PLACES[sort],
        key=f"places_{key}_{check}",
        help="Texts of these sorts; with none chosen every text. What has no place of these is looked at in any case.",
    )
    wanted = [sort for sort in PLACES if sort in sorts]
    found: dict[str, Any] = {}
    if set(wanted) != set(usual):
        found["places"] = wanted or list(PLACES)
    if has_fields:
        only, left_out = st.columns(2, gap="small")
        found["only"] = _lines(only, "Only in these fields of an answer", settings.get("only", ()), f"only_{key}")
        found["except"] = _lines(
            left_out, "Not in these fields of an answer", settings.get("except", ()), f"except_{key}"
        )
    if has_turns and st.toggle(
        "Only the latest turn",
        value=settings.get("turns") == "latest",
        key=f"turns_{key}_{check}",
        help="Programs send earlier messages again with each call, so one that was refused would stop the conversation "
        "for good. What stands behind the last answer is looked at, and what the system says. Rules that take "
        "something out read all.",
    ):
        found["turns"] = "latest"
    return {name: value for name, value in found.items() if value}


def _lines(column: Any, label: str, written: Sequence[str], key: str) -> Sequence[str]:
    text: str = column.text_area(
        label,
        "\n".join(written),
        key=key,
        height=68,
        placeholder="$.lines[*].note",
        help="One path a line; what stands below a field belongs to it. A * is any one step.",
    )
    return [line.strip() for line in text.splitlines() if line.strip()]
