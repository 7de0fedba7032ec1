"""Privacy: somebody is looked up, given out, and erased after a word more; what went is listed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.tables import Tenant
from pages.kit import page as kit
from tests import builders
from tests.builders import person
from tests.pages.conftest import Open

ANN = "ann*[x](http://a.example)*"


@pytest.fixture
def acme(proctor: Runtime) -> Tenant:
    """A tenant with two calls of a user whose name is markup."""
    acme = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    hashed = proctor.store.own_keys.user_hash(acme.id, ANN)
    at = proctor.clock.now() - timedelta(hours=1)
    calls = [builders.generation(at, acme.id, user_hash=hashed) for _ in range(2)]
    builders.save(proctor.store, calls)
    builders.save(proctor.store, builders.payload(calls[0], 0, ["hello"], None, at + timedelta(days=9)))
    return acme


def test_one_is_looked_up_and_erased(open_page: Open, proctor: Runtime, acme: Tenant) -> None:
    """What would go is said before; it needs the name once more; then it is gone, with a certificate."""
    page = open_page("privacy", tenant=acme.name)
    assert "Nobody was erased yet." in page.caption.values[-1]
    page.text_input(key="privacy_user").set_value(ANN)
    page.button(key="FormSubmitter:look-Look up").click().run()
    (told,) = [one.value for one in page.markdown if "in Acme:" in one.value]
    assert told.endswith("2 calls with 1 row of prompts and answers.")
    assert "http://a.example" not in told
    assert any("user-Acme-" in one.body for one in page.get("html") if "export" in one.body)

    page.button(key="erase").click().run()
    assert page.button(key="confirm_erase").disabled
    assert "nothing brings it back" in page.warning[0].value
    page.text_input(key="erase_again").set_value(ANN)
    page.button(key="erase").click().run()  # this stand-in for a browser runs all of a page each time
    page.button(key="erase").click()
    page.button(key="confirm_erase").click().run()

    assert not page.exception
    (made,) = proctor.erasures.list(LOCAL_OPERATOR, acme)
    assert (made.calls, made.payloads) == (2, 1)
    lines = page.dataframe[0].value
    assert (lines["State"].tolist(), lines["Calls"].tolist()) == (["done"], [2])


def test_whose_it_is_decides(open_page: Open, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not erase is told so; who may in one tenant is not offered to erase in all; the name is in no address."""
    monkeypatch.setattr(kit, "current_principal", lambda: person("Ada", Role.OPERATOR))
    assert "users.erase" in open_page("privacy").error[0].value.replace("\\", "")
    monkeypatch.setattr(kit, "current_principal", lambda: person("Ada", Role.ADMIN, acme.id))
    page = open_page("privacy")
    page.text_input(key="privacy_user").set_value(ANN)
    page.button(key="FormSubmitter:look-Look up").click().run()
    assert any("Choose a tenant" in one for one in page.caption.values)
    assert not [one for one in page.button if one.key == "erase"]
    assert ANN not in str(page.query_params)
