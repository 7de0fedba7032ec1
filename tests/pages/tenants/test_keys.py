"""A tenant's keys: what each may do stands in the list, a text is shown once, and a leaked one is kept nowhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.clock import ManualClock
from core.errors import Unauthenticated
from core.pricing import NANO
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.tables import Tenant
from core.tenants import STALE, Key, NewKey
from pages.kit import page as kit
from pages.tenants.keys import MOST_SHOWN
from tests import builders
from tests.builders import person
from tests.pages.conftest import NOW, Open

DAY = timedelta(days=1)


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant whose clock is not ours."""
    return proctor.tenants.create(LOCAL_OPERATOR, "Acme", "Asia/Kathmandu")


def _made(proctor: Runtime, acme: Tenant, name: str = "billing", **fields: Any) -> NewKey:
    return proctor.tenants.create_key(LOCAL_OPERATOR, acme, name, **fields)


def _key(proctor: Runtime, acme: Tenant) -> Key:
    return proctor.tenants.keys(LOCAL_OPERATOR, acme)[0]


def _dialog(name: str) -> AppTest:
    page = AppTest.from_function(_asking, args=(name,), default_timeout=60).run()
    assert not page.exception
    return page


def _asking(name: str) -> None:
    import streamlit as st

    from core.principals import Permission
    from pages.kit.page import open_page
    from pages.tenants import key_dialogs, leaked_key

    visit = open_page("Test", "A dialog.", needs=Permission.TENANTS_READ)
    if name == "find":
        leaked_key.find(visit)
        return
    tenant = visit.runtime.tenants.find(visit.principal, "Acme")
    if name == "create":
        key_dialogs.create(visit, tenant)
        return
    # what the page had read when the dialog was opened
    key = st.session_state.setdefault("seen", next(iter(visit.runtime.tenants.keys(visit.principal, tenant)), None))
    getattr(key_dialogs, name)(visit, tenant, key)


def _told(page: AppTest) -> str:
    parts = (page.markdown, page.caption, page.info, page.warning, page.error, page.success)
    return " ".join(one.value for part in parts for one in part)


def _labels(page: AppTest) -> str:
    """Return the badges and sentences, without what Markdown escapes."""
    return _told(page).replace("\\", "")


# ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_says_what_each_key_may_do_and_spend(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """Scopes, models, routes, end, use and budget stand beside it; times in the tenant's zone, names as they are."""
    new = _made(
        proctor,
        acme,
        "import *job*",
        scopes=["generate"],
        models=[f"openai/model-{number}" for number in range(5)],
        routes=["triage"],
        ends_at=NOW + DAY,
    )
    proctor.budgets.set(LOCAL_OPERATOR, acme, 5 * NANO, scope="key", scope_name=new.id)

    page = open_page("tenants", tenant="Acme")

    assert not page.exception
    assert r"import \*job\*" in _told(page)
    told = _labels(page)
    assert "models openai/model-0, openai/model-1, openai/model-2 and 2 more, route triage" in told
    assert ":gray-badge[generate]" in told
    assert "read]" not in told
    assert "ends Mar 05, 17:52 Asia/Kathmandu" in told
    assert "never used" in told
    assert "$0.00 of $5.00 spent of its budget" in told
    assert f"Key {new.prefix}… (import *job*)" in told  # the budget's card calls it so too
    (calls,) = [one.proto for one in page.get("page_link") if one.proto.label == "Calls with it"]
    assert "key=" in calls.query_string
    (made,) = [one.proto for one in page.get("page_link") if one.proto.label == "Who made it"]
    assert f"kind=key&text={new.prefix}" in made.query_string


@pytest.mark.parametrize(("ago", "says"), [(STALE, False), (STALE + timedelta(minutes=1), True)])
def test_a_key_that_nobody_uses_is_marked_in_words(
    proctor: Runtime, acme: Tenant, open_page: Open, page_clock: ManualClock, ago: timedelta, *, says: bool
) -> None:
    """Colour is never the only signal."""
    _made(proctor, acme)
    page_clock.advance(ago.total_seconds())
    assert ("unused for 90 days" in _told(open_page("tenants", tenant="Acme"))) is says


def test_a_rotation_under_way_says_when_the_old_text_ends(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """And whether somebody still uses it; once it has ended nothing is said."""
    new = _made(proctor, acme)
    proctor.tenants.rotate_key(LOCAL_OPERATOR, new.id, DAY)
    assert f"the old text `{new.prefix}…` ends Mar 05, 17:52 Asia/Kathmandu, not used since" in _labels(
        open_page("tenants", tenant="Acme")
    )

    proctor.tenants.rotate_key(LOCAL_OPERATOR, new.id, timedelta())
    assert "the old text" not in _told(open_page("tenants", tenant="Acme"))


def test_a_key_that_has_ended_calls_no_more(
    proctor: Runtime, acme: Tenant, open_page: Open, page_clock: ManualClock
) -> None:
    """It is said of the key and of the tenant, and it is not offered to be rotated."""
    _made(proctor, acme, ends_at=NOW + DAY)
    page_clock.advance(2 * DAY.total_seconds())
    page = open_page("tenants", tenant="Acme")
    assert "No program can call as Acme" in _told(page)
    assert "ended Mar 05" in _told(page)
    assert not [button for button in page.button if str(button.key).startswith("rotate_")]


def test_of_many_keys_some_are_drawn(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """What a page costs has a bound until somebody asks for the rest."""
    for number in range(MOST_SHOWN + 2):
        _made(proctor, acme, f"job {number}")
    page = open_page("tenants", tenant="Acme")
    assert len([one for one in page.button if one.label == "Revoke…"]) == MOST_SHOWN

    page.button(key="all_keys").click().run()
    assert len([one for one in page.button if one.label == "Revoke…"]) == MOST_SHOWN + 2


def test_the_tenant_of_the_url_is_the_one_that_is_shown(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """A link to a tenant opens with its keys: live ones with a way to revoke, revoked ones by name."""
    globex = proctor.tenants.create(LOCAL_OPERATOR, "Globex")
    _made(proctor, acme, "not shown")
    live, gone = _made(proctor, globex, "import"), _made(proctor, globex)
    proctor.tenants.revoke_key(LOCAL_OPERATOR, gone.id)

    page = open_page("tenants", tenant="Globex")

    assert live.prefix in _told(page)
    assert f"Revoked: `{gone.prefix}…`" in _told(page)
    assert "not shown" not in _told(page)
    assert [button.key for button in page.button if button.label == "Revoke…"] == [f"revoke_{live.id}"]


def test_a_tenant_without_a_live_key_is_told_so(open_page: Open, acme: Tenant) -> None:
    """Nobody can call as it, and the page says that."""
    del acme
    assert "No program can call as Acme" in open_page("tenants").info[0].value


# ── The dialogs ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_key_is_on_the_screen_once(proctor: Runtime, acme: Tenant) -> None:
    """The key stands in one drawing of one dialog; neither the next one nor the session holds it."""
    dialog = _dialog("create")
    dialog.text_input(key="key_name_new").set_value("billing")
    dialog.button(key="confirm_key").click().run()

    secret = dialog.code[0].value
    assert proctor.tenants.authenticate(secret).tenant_id == acme.id
    made = _key(proctor, acme)
    assert (made.name, made.scopes, made.models, made.routes, made.ends_at) == (
        "billing",
        ("generate", "read"),
        (),
        (),
        None,
    )
    assert secret not in repr(dialog.session_state)

    dialog.run()
    assert not dialog.code
    assert len(proctor.tenants.keys(LOCAL_OPERATOR, acme)) == 1


def test_a_new_key_may_what_it_is_given(proctor: Runtime, acme: Tenant) -> None:
    """Its end is a time on the tenant's clock; a key that decides is warned of."""
    dialog = _dialog("create")
    dialog.multiselect(key="key_scopes_new").set_value(["manage"]).run()
    assert "sets budgets, limits and keys of Acme" in dialog.warning[0].value
    dialog.multiselect(key="key_scopes_new").set_value(["read"])
    dialog.datetime_input(key="key_ends_new").set_value((NOW + DAY).replace(tzinfo=None))
    dialog.button(key="confirm_key").click().run()

    made = _key(proctor, acme)
    assert made.scopes == ("read",)
    assert made.ends_at == NOW + DAY - timedelta(hours=5, minutes=45)


def test_an_edit_changes_what_was_touched_unless_somebody_was_first(proctor: Runtime, acme: Tenant) -> None:
    """An end with seconds stays what it is; the second save is a conflict and changes nothing."""
    end = NOW + DAY + timedelta(seconds=17)
    new = _made(proctor, acme, models=["openai/gpt-4o"], ends_at=end)
    first, second = _dialog("edit"), _dialog("edit")
    first.text_input(key=f"key_name_{new.id}").set_value("nightly")
    first.multiselect(key=f"key_models_{new.id}").set_value([])
    first.button(key="confirm_edit_key").click().run()
    second.text_input(key=f"key_name_{new.id}").set_value("weekly")
    second.button(key="confirm_edit_key").click().run()

    key = _key(proctor, acme)
    assert (key.name, key.models, key.ends_at) == ("nightly", (), end)
    assert "Local operator changed key" in second.warning[0].value
    second.button(key=f"mine_key_{new.id}").click().run()
    key = _key(proctor, acme)
    assert (key.name, key.models, key.ends_at) == ("weekly", (), end)  # what he did not touch stays theirs


def test_a_key_must_be_for_something(acme: Tenant, proctor: Runtime) -> None:
    """Without a scope there is nothing to save."""
    new = _made(proctor, acme)
    dialog = _dialog("edit")
    dialog.multiselect(key=f"key_scopes_{new.id}").set_value([]).run()
    assert dialog.button(key="confirm_edit_key").disabled


def test_a_rotation_shows_the_new_text_once(proctor: Runtime, acme: Tenant) -> None:
    """It is the same key with two texts; that of the rotation before ends at once, which is said beforehand."""
    old = _made(proctor, acme)
    dialog = _dialog("rotate")
    dialog.selectbox(key=f"overlap_{old.id}").set_value(1)
    dialog.button(key="confirm_rotate").click().run()

    secret = dialog.code[0].value
    assert proctor.tenants.authenticate(secret).key_id == old.id == proctor.tenants.authenticate(old.secret).key_id
    assert "The old text ends Mar 04, 18:52 Asia/Kathmandu." in _labels(dialog)
    assert secret not in repr(dialog.session_state)
    dialog.run()
    assert not dialog.code

    again = _dialog("rotate")
    assert f"`{old.prefix}…`, which the rotation before has left, ends at once" in again.warning[0].value
    again.selectbox(key=f"overlap_{old.id}").set_value(0).run()
    assert "refused from his next request on" in _told(again)


def test_revoking_says_whom_it_locks_out(proctor: Runtime, acme: Tenant) -> None:
    """The dialog names the tenant and the key, and only its button revokes."""
    new = _made(proctor, acme)
    dialog = _dialog("revoke")
    assert "Acme" in _told(dialog)
    assert new.prefix in _told(dialog)
    assert _key(proctor, acme).is_live

    dialog.button(key="confirm_revoke").click().run()

    assert not _key(proctor, acme).is_live


def test_keys_of_the_deployment_are_listed_for_who_sees_all(
    proctor: Runtime, acme: Tenant, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each decides about every tenant: who sees all finds it and the way to end it, who sees one is not told."""
    new = proctor.tenants.create_key(LOCAL_OPERATOR, None, "terraform")
    page = open_page("tenants")
    assert f"`{new.prefix}…` terraform" in _labels(page)
    page.button(key=f"revoke_{new.id}").click().run()
    assert "calls as **the deployment**" in _labels(page)

    monkeypatch.setattr(kit, "current_principal", lambda: person("Ada", Role.OWNER, acme.id))
    page = open_page("tenants")
    assert not page.exception
    assert "terraform" not in _labels(page)


def test_limits_of_a_key_are_seen_and_edited(proctor: Runtime, acme: Tenant, open_page: Open) -> None:
    """A key may have a share of its tenant's limits, and lose it again."""
    new = _made(proctor, acme)
    dialog = _dialog("limit")
    dialog.number_input(key=f"limit_{new.id}").set_value(5)
    dialog.button(key="confirm_key_limits").click().run()
    assert _key(proctor, acme).rate_limit_per_min == 5
    assert "0 of 5 generations" in _told(open_page("tenants", tenant="Acme"))

    proctor.tenants.edit_key(LOCAL_OPERATOR, new.id, rate_limit_per_min=None)
    assert "of 5 generations" not in _told(open_page("tenants", tenant="Acme"))


# ── A leaked key ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """The links of a dialog that is drawn by itself, where there is no menu whose pages they could be."""
    drawn: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(st, "page_link", lambda page, query_params, **_: drawn.append((page, query_params)))
    return drawn


def _found(pasted: str) -> AppTest:
    dialog = _dialog("find")
    dialog.text_input(key="leaked_text").set_value(pasted)
    dialog.button(key="confirm_find").click().run()
    assert not dialog.exception
    return dialog


@pytest.mark.parametrize("around", ["{}", "  {} ", 'curl -H "Authorization: Bearer {}" https://proctor', "KEY={};x=1"])
def test_a_leaked_key_is_found_by_its_text_and_the_text_is_kept_nowhere(
    proctor: Runtime, acme: Tenant, links: list[tuple[str, dict[str, str]]], around: str
) -> None:
    """Whose it is and what it spent is told; neither page nor session holds what was pasted; revoking ends it."""
    new = _made(proctor, acme)
    call = builders.generation(NOW - DAY, acme.id, cost_nano_usd=NANO, key_id=new.id)
    builders.save(proctor.store, call, [builders.attempt(call, cost_nano_usd=NANO)])

    dialog = _found(around.format(new.secret))

    told = _labels(dialog)
    assert f"It is `{new.prefix}…` (billing) of **Acme**" in told
    assert "**$1.00** in 1 call" in told
    assert "never used" in told
    assert ("calls/page.py", {"tenant": "Acme"}) in links
    assert ("changes/page.py", {"tenant": "Acme", "ever": "true", "actor": f"key {new.prefix}…"}) in links
    assert new.secret not in repr(dialog.session_state) + told + repr(dialog.main)
    with proctor.store.reading() as session:
        assert new.secret not in repr(session.connection().exec_driver_sql("SELECT * FROM audit_entry").all())

    dialog.button(key="confirm_revoke_leaked").click().run()
    with pytest.raises(Unauthenticated):
        proctor.tenants.authenticate(new.secret)


@pytest.mark.usefixtures("links")
def test_a_text_from_before_a_rotation_is_found_too(proctor: Runtime, acme: Tenant) -> None:
    """It is said that it is the old one, and until when it opens the door."""
    new = _made(proctor, acme)
    proctor.tenants.rotate_key(LOCAL_OPERATOR, new.id, DAY)
    told = _labels(_found(new.secret))
    assert "from before the last rotation, and ends Mar 05, 17:52 Asia/Kathmandu" in told


@pytest.mark.parametrize("pasted", ["", "nothing", "proctor_" + "a" * 38, "prk_" + "b" * 43])
def test_what_is_no_key_finds_none(acme: Tenant, proctor: Runtime, pasted: str) -> None:
    """One sentence says what to paste, and repeats nothing of it."""
    _made(proctor, acme)
    dialog = _found(pasted)
    assert "Paste all of it" in dialog.error[0].value
    assert not pasted or pasted not in dialog.error[0].value
    assert not [one for one in dialog.button if one.key == "confirm_revoke_leaked"]


@pytest.mark.usefixtures("links")
def test_who_may_not_revoke_is_not_offered_it(proctor: Runtime, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees whose key it is; of another tenant's he learns nothing."""
    globex = proctor.tenants.create(LOCAL_OPERATOR, "Globex")
    mine, other = _made(proctor, acme), _made(proctor, globex)
    monkeypatch.setattr(kit, "current_principal", lambda: person("Ada", Role.OPERATOR, acme.id))
    dialog = _found(mine.secret)
    assert "of **Acme**" in _told(dialog)
    assert not [one for one in dialog.button if one.key == "confirm_revoke_leaked"]

    assert "Paste all of it" in _found(other.secret).error[0].value
