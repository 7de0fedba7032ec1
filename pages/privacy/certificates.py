"""The certificates of erasures: the newest, how each stands, and one to take away."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.erasures import MOST_LISTED, Certificate
from core.tenants import Tenant
from pages.kit import formats, layout, links, zones
from pages.kit.exports import export
from pages.kit.frames import grid, pd
from pages.kit.markup import code
from pages.kit.page import Visit
from pages.privacy import files


def draw(visit: Visit, tenant: Tenant | None) -> None:
    """Draw the list; a click on a line offers its certificate."""
    with layout.card(
        "Who was erased",
        key="certificates",
        stretch=False,
        help="A certificate names nobody: it says when, by whom, and how much went.",
    ):
        found = visit.runtime.erasures.list(visit.principal, tenant)
        if not found:
            st.caption(
                "Nobody was erased yet. What went of somebody who is will stand here, for as long as Proctor does."
            )
            return
        picked = grid(
            pd.DataFrame([_line(one) for one in found]),
            key="certificate_lines",
            alt="The newest erasures and what went",
            picks="Certificate",
            leads={"By": links.of_actor},
        )
        _told(found, picked)


def _line(one: Certificate) -> dict[str, object]:
    return {
        f"Decided, {zones.name(zones.shown())}": formats.moment(one.at, zones.shown()),
        "State": "done" if one.done_at else "being done",
        "By": one.by,
        "Tenants": one.tenants,
        "Calls": one.calls,
        "Prompts and answers": one.payloads,
        "Answers to repeat": one.answers,
        "Sentences": one.sentences,
        "Certificate": one.id,
    }


def _told(found: Sequence[Certificate], picked: int | None) -> None:
    one = found[picked if picked is not None and picked < len(found) else 0]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        export("Certificate", files.CERTIFICATE, one.id, name=f"erasure-{one.id}.json")
        which = "of the newest" if picked is None else "of the line that was clicked"
        st.markdown(f":small[{which}, {code(one.id)}]", width="content")
    if any(not shown.done_at for shown in found):
        st.caption(":material/pending: What is being done is finished within minutes, also where its page was closed.")
    st.caption("Keep certificates where backups are not: a backup that is restored is erased anew with them.")
    if len(found) == MOST_LISTED:
        st.caption("Older ones: 'proctor erasures --before' with the last of these.")
