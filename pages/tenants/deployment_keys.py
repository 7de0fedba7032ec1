"""The keys that manage the whole deployment: who sees all tenants finds them, and may end one."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.kit import formats, layout, zones
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.tenants import key_dialogs, keys


def card(visit: Visit) -> None:
    """Draw those that are live, where there are any: each decides about every tenant there is."""
    if not visit.may_over(Permission.KEYS_READ):
        return
    live = [key for key in visit.runtime.tenants.keys(visit.principal, None) if key.is_live]
    if not live:
        return
    with layout.card(
        "Keys of the deployment",
        key="deployment_keys",
        stretch=False,
        help="They manage all tenants by the API, and call as none. `proctor key create --deployment` makes one.",
    ):
        for key in live[: keys.MOST_SHOWN]:
            with st.container(key=f"key_{key.id}", border=True, gap="xsmall"):
                keys.head(key, visit.now, zones.shown("UTC"))
                st.caption(plain(" · ".join(keys.uses(key, visit.now))))
                row = st.container(horizontal=True, vertical_alignment="center", gap="small")
                if visit.may_over(Permission.KEYS_WRITE) and row.button(
                    "Revoke…", key=f"revoke_{key.id}", type="tertiary", icon=":material/key_off:"
                ):
                    key_dialogs.revoke(visit, None, key)
                if visit.may(Permission.CHANGES_READ):
                    about = {"ever": "true", "kind": "key", "text": (key.old or key).prefix}
                    row.page_link("changes/page.py", label="Who made it", icon=":material/history:", query_params=about)
        if len(live) > keys.MOST_SHOWN:
            left = formats.plural(len(live) - keys.MOST_SHOWN, "more key")
            st.markdown(f":small[And {left}: `proctor key list` shows all.]")
