"""The console's entry script: look, menu, and what the process is busy with. Every page guards itself as well."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import streamlit as st

from core import runtime as running
from core.errors import ProctorError
from core.tenants import Permission, Principal
from pages.drills.banner import banner
from pages.kit import visitor
from pages.kit.markup import plain
from pages.kit.page import NOT_SHOWN, current_principal, refusals

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Entry(NamedTuple):
    """One line of the menu."""

    section: str
    name: str
    """The page's folder, and its path in the URL."""
    title: str
    icon: str
    needs: Permission
    """Whoever has it nowhere is not shown the way; the page asks again."""
    help: str
    is_hidden: bool = False
    """Not in the menu: other pages lead there."""
    is_of_all: bool = False
    """It is about no tenant, so only who has the permission over all is shown the way."""

    def is_for(self, who: Principal) -> bool:
        """Whether the way leads somewhere for *who*."""
        return who.may_over(self.needs, None) if self.is_of_all else who.may(self.needs)


P = Permission
MENU = (
    Entry(
        "Operate",
        "home",
        "Home",
        "space_dashboard",
        P.GENERATIONS_READ,
        "Calls, latency, errors, validity and spend at a glance.",
    ),
    Entry(
        "Operate",
        "traffic",
        "Traffic",
        "monitoring",
        P.GENERATIONS_READ,
        "Any figure over any time, by anything, and what is different where it differs.",
    ),
    Entry(
        "Operate", "calls", "Calls", "receipt_long", P.GENERATIONS_READ, "Find a call and see every attempt behind it."
    ),
    Entry(
        "Operate",
        "incident",
        "Incident",
        "emergency_home",
        P.GENERATIONS_READ,
        "What went wrong, for whom, why, and what it cost.",
        is_hidden=True,
    ),
    Entry("Operate", "spend", "Spend", "payments", P.BUDGETS_READ, "What the money bought, and what is to come."),
    Entry(
        "Operate",
        "statement",
        "Statement",
        "description",
        P.BUDGETS_READ,
        "A tenant's bill of one month.",
        is_hidden=True,
    ),
    Entry(
        "Operate",
        "drills",
        "Fire drills",
        "local_fire_department",
        P.DRILLS_READ,
        "Break things on purpose, see what happens.",
    ),
    Entry("Operate", "changes", "Changes", "history", P.CHANGES_READ, "Who changed what, from what to what, and why."),
    Entry("Configure", "tenants", "Tenants", "apartment", P.TENANTS_READ, "Tenants, their keys and their budgets."),
    Entry("Configure", "flags", "Flags", "toggle_on", P.FLAGS_READ, "What is switched on, for whom, and why."),
    Entry(
        "Configure",
        "guardrails",
        "Guardrails",
        "shield",
        P.GUARDRAILS_READ,
        "What is looked for in texts, what was found, and what became of it.",
    ),
    Entry(
        "Configure",
        "privacy",
        "Privacy",
        "person_off",
        P.USERS_ERASE,
        "What is kept of one of your users: given out, or erased.",
    ),
    Entry(
        "Configure",
        "routes",
        "Routes",
        "alt_route",
        P.ROUTES_READ,
        "Which models answer, in what order, and how they fare.",
    ),
    Entry(
        "Configure", "providers", "Providers", "dns", P.ROUTES_READ, "Who can be called, who uses it, and how it fares."
    ),
    Entry("Configure", "prices", "Prices", "sell", P.PRICES_READ, "What models cost, and what has no price yet."),
    Entry(
        "Configure",
        "people",
        "People",
        "group",
        P.PEOPLE_READ,
        "Who may sign in to the console, and what each may do.",
        is_of_all=True,
    ),
    Entry(
        "Configure",
        "store",
        "Store",
        "database",
        P.GENERATIONS_READ,
        "How large the database is, and how long it lasts.",
        is_of_all=True,
    ),
    Entry(
        "Build",
        "schemas",
        "Schemas",
        "schema",
        P.SCHEMAS_READ,
        "Every version, how it fares, and which one callers get.",
    ),
    Entry(
        "Build",
        "playground",
        "Playground",
        "data_object",
        P.GENERATIONS_WRITE,
        "Try a schema on an input and watch the object fill in.",
    ),
)


class Work(Protocol):
    """How something stands that this process makes in the background."""

    @property
    def phase(self) -> str:
        """What it does now."""
        ...

    @property
    def fraction(self) -> float | None:
        """How much is done; ``None`` where that is not known."""
        ...

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        ...


# Streamlit draws a chosen segment or tab in the primary colour, which cannot pass AA both as text and under white
# labels; the parts of a date as narrow as their digits, which is too little to be hit; a name in code broken at any
# hyphen, but no address, however narrow its table's cell; two signs in code as a third that nobody wrote; the first
# cell beside a table's index further left than its head; and code in colours that are too pale on white, which are
# mixed with the text's own here. A link in HTML has the browser's colours; one in a sentence is known by its colour
# alone.
_MENDED = """<style>
button[data-variant][data-selected='true'], [role='tab'][aria-selected='true'] {
  color: inherit !important; font-weight: 600;
}
[data-testid='stHtml'] a { color: inherit; font-size: 0.86rem; }
[data-testid='stHtml'] form { margin: 0; }
[data-testid='stHtml'] button { font-family: inherit; color: inherit; background: none; cursor: pointer; }
[data-testid='stHtml'] .export {
  display: inline-flex; align-items: center; gap: 0.4rem; min-height: 2.25rem; padding: 0 0.75rem; font-size: 0.875rem;
  text-decoration: none; white-space: nowrap; border-radius: 0.5rem;
  border: 1px solid color-mix(in srgb, currentcolor 22%, transparent);
}
[data-testid='stHtml'] .export::before {
  content: ''; width: 1rem; height: 1rem; background: currentcolor;
  mask: center / contain no-repeat url("data:image/svg+xml,\
%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='black' stroke-width='2'%3E\
%3Cpath d='M12 4v11M7 10.5l5 5 5-5M5 20h14'/%3E%3C/svg%3E");
}
[data-testid='stHtml'] .export.quiet { border-color: transparent; padding: 0 0.25rem; }
[data-testid='stHtml'] .export:is(:hover, :focus-visible) { border-color: currentcolor; }
[data-testid='stMarkdownContainer'] :is(p, li) a {
  text-decoration: underline color-mix(in srgb, currentcolor 45%, transparent); text-underline-offset: 0.15em;
}
:is(code, pre) { font-variant-ligatures: none; }
[data-testid='stMarkdownContainer'] :not(pre) > code { display: inline-block; max-width: 100%; }
[data-testid='stTable'] tbody th + td { padding-left: 1rem !important; }
[data-testid='stTable'] td a:not([href^='/']) { overflow-wrap: anywhere; }
[data-testid='stCode'] .token { color: color-mix(in srgb, currentcolor 50%, #808495) !important; }
[data-testid='stCode'] .token.property { color: color-mix(in srgb, currentcolor 50%, #00A4D4) !important; }
[data-testid='stCode'] .token.string { color: color-mix(in srgb, currentcolor 50%, #09AB3B) !important; }
[data-testid='stCode'] :is(.token.number, .token.boolean) {
  color: color-mix(in srgb, currentcolor 50%, #29B09D) !important;
}
[data-testid='stCode'] .linenumber { color: color-mix(in srgb, currentcolor 75%, transparent) !important; }
span[role='spinbutton'] { display: inline-block; min-width: 24px; line-height: 24px; text-align: center; }
</style>"""

_UNDER_WAY = ("fetching", "starting", "making", "removing")


def _pages(who: Principal | None) -> dict[str, list[st.Page]]:
    """Return every page, so that each address is known; the way is shown to those that *who* may see."""
    sections: dict[str, list[st.Page]] = {}
    for entry in MENU:
        shown = st.Page(
            HERE / entry.name / "page.py",
            title=entry.title,
            icon=f":material/{entry.icon}:",
            url_path=entry.name,
            default=entry.name == MENU[0].name,
            help=entry.help,
            visibility="hidden" if entry.is_hidden or who is None or not entry.is_for(who) else "visible",
        )
        sections.setdefault(entry.section, []).append(shown)
    return sections


def _work() -> list[tuple[str, Work]]:
    """Return what this process makes in the background, with its status."""
    runtime = running.current()
    return [("Demo world", runtime.demo.status), ("Local model", runtime.local_model.status)]


def _busy(status: Work) -> bool:
    return status.phase in _UNDER_WAY


def _progress() -> None:
    """Draw what is under way; when nothing is any more, run the page anew, which ends the timer."""
    busy = [(name, status) for name, status in _work() if _busy(status)]
    for name, status in busy:
        if status.fraction is None:
            st.caption(f":material/progress_activity: **{name}** · {plain(status.sentence)}")
        else:
            st.progress(min(1.0, max(0.0, status.fraction)), f"**{name}** · {plain(status.sentence)}")
    if not busy:
        st.rerun()


def _who() -> None:
    """Draw who is signed in, and the way out; or that nobody is."""
    with st.sidebar, st.container(gap="xsmall", key="who"):
        who = current_principal()
        if who.person_id is None:
            st.markdown(":small[:gray[Nobody signs in: the console is open to whoever reaches it here.]]")
            return
        st.markdown(f":material/account_circle: **{plain(who.name)}**")
        st.html(
            '<a href="/sign-out" target="_self">Sign out</a> · <a href="/password" target="_self">Change password</a>'
        )


def _side() -> None:
    """Draw what stands under the menu: work under way, what failed, and the mark of demo data."""
    try:
        running.current().store.check()
        work = _work()
        who = current_principal()
        is_demo = who.may(Permission.TENANTS_READ) and any(
            tenant.is_demo for tenant in running.current().tenants.list(who)
        )
    except ProctorError:
        return  # the page itself says what is wrong
    _who()
    with st.sidebar:
        if any(_busy(status) for _, status in work):
            st.fragment(_progress, run_every="2s")()
        for name, status in work:
            if status.phase == "failed":
                st.warning(plain(status.sentence), title=name, icon=":material/warning:")
        if is_demo:
            with st.container(gap="xsmall", key="demo"):
                st.badge("Demo data", icon=":material/science:", color="violet")
                st.markdown(
                    ":small[:gray[Generated by running the real pipeline over a simulated month. Remove it with] "
                    "`proctor demo --remove`]"
                )


def _banner() -> None:
    """Draw which fire drills run; a fragment's faults are its own."""
    with refusals(NOT_SHOWN):
        banner()


dark = st.context.theme.type == "dark"
st.set_page_config(page_title="Proctor", page_icon=str(STATIC / "mark.svg"), layout="wide", initial_sidebar_state=224)
st.logo(
    str(STATIC / ("logo-dark.svg" if dark else "logo-light.svg")), size="medium", icon_image=str(STATIC / "mark.svg")
)
st.html(_MENDED)
with st.sidebar:  # one step of somebody is one entry of his browser's history
    st.html('<script src="/app/static/history.js"></script>', unsafe_allow_javascript=True)
if visitor.look() is None:
    st.navigation(_pages(None), position="hidden")
    visitor.say_over()
    st.stop()
chosen = st.navigation(_pages(current_principal()), expanded=True)
_side()
st.fragment(_banner, run_every="15s")()
with refusals(NOT_SHOWN):
    chosen.run()
