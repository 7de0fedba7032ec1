"""Who decides where another provider of flags does, and what it says of each feature; there is nothing to turn here."""

from __future__ import annotations

import streamlit as st

from core.flags import meaning_of
from pages.kit import layout
from pages.kit.choices import tenant_choice
from pages.kit.frames import pd, table
from pages.kit.markup import code, plain
from pages.kit.page import Visit


def card(visit: Visit, name: str) -> None:
    """Say that *name* decides, and what it answers now for a tenant or for none in particular."""
    with layout.card("What holds", key="elsewhere", help="Asked just now. Shares are drawn for each call there."):
        st.info(
            f"{plain(name)} decides flags, as the setting `FLAG_PROVIDER` says, and they are changed there. "
            "Rules that were set here say nothing meanwhile.",
            icon=":material/call_split:",
        )
        held = visit.runtime.flags.held(visit.principal, tenant_choice(visit, label="For"))
        rows = [
            {
                "Flag": f"{plain(meaning_of(flag).title)} {code(flag)}",
                "It is": one.word.capitalize(),
                "By": plain(one.rule),
                "Reason": plain(one.reason),
            }
            for flag, one in held.items()
        ]
        table(pd.DataFrame(rows), alt="What holds of each feature", hides_index=True)
