"""Files leave by addresses of ours: to the session in which they were offered, while it may still see the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.api.exports import MOST_HELD, MOST_OFFERS, ExportDoor, OfferedFile, Offers
from core.api.gate import Gate
from core.api.served import API, EXPORTS, SIGN_IN
from core.api.visitors import Visitors
from core.principals import LOCAL_OPERATOR, Role
from core.runtime import Runtime
from core.settings import ROOT
from core.tables import Tenant
from tests import builders
from tests.pages.conftest import NOW, Open, Tab

PASSWORD, ADDRESS = "correct horse battery", "127.0.0.1"
LINK = re.compile(r'href="(/export/[\w-]+)" download="([^"]+)"')
OFFERED = {
    "statement": ("statement-Acme", "spend_nano_usd"),
    "prices": ("prices-", "asked_for"),
    "schemas": ("schemas-", "schema"),
    "changes": ("changes-", "from_where"),
    "calls": ("calls-", "request_id"),
    "spend": ("spend-by-tenant", "tenant"),
}
"""Of pages how the file is called, and a column of it."""
ASKED, DRAWN = "asked anew by whoever comes", "as it was drawn"
FILES = {
    "calls/listing.py": ASKED,
    "changes/listing.py": ASKED,
    "prices/cards.py": ASKED,
    "schemas/listing.py": ASKED,
    "statement/page.py": ASKED,
    "calls/messages.py": DRAWN,  # a document of the call that is shown
    "playground/answer.py": DRAWN,  # an answer that is kept nowhere else
    "prices/page.py": DRAWN,  # a row for each model in use, of which there are so many at most
    "spend/tables.py": DRAWN,  # the figures on the page, to the digit
}
"""Every place that offers a file: whether what is in it is asked for with the right of whoever comes, or lies ready."""


@dataclass
class Process:
    """A process that has started."""

    runtime: Runtime | None


@pytest.fixture
def acme(proctor: Runtime, tab: Tab) -> Tenant:
    """A tenant beside another with a schema, an owner, and an admin of Acme alone, who is signed in."""
    proctor.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    other = proctor.tenants.create(LOCAL_OPERATOR, "Borealis")
    found = proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    calls = [
        builders.generation(NOW - timedelta(hours=1), one.id, request_id=f"of-{one.name}") for one in (other, found)
    ]
    builders.save(proctor.store, calls, [builders.attempt(call, id=f"{call.id}-1") for call in calls])
    proctor.schemas.add(LOCAL_OPERATOR, "ticket", {"type": "object", "properties": {"a": {"type": "string"}}})
    proctor.people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.ADMIN, [found])
    proctor.people.create(LOCAL_OPERATOR, "Carl", PASSWORD, Role.ADMIN, [other])
    tab.token = proctor.people.sign_in("Ada", PASSWORD, ADDRESS).token
    return found


@pytest.fixture
def door(proctor: Runtime) -> Iterator[TestClient]:
    """The gate with the door behind it, and a browser without cookies."""
    process = Process(proctor)
    app = Starlette(
        routes=ExportDoor(process).routes,
        middleware=[
            Middleware(
                Gate,
                settings=proctor.settings,
                served=[*API, *SIGN_IN, *EXPORTS],
                count=lambda reason: None,
                visitors=Visitors(process),
            )
        ],
    )
    with TestClient(app, base_url="http://localhost:8501", client=(ADDRESS, 4711)) as client:
        yield client


def links(page: AppTest) -> list[tuple[str, str]]:
    """Return the address and the name of each file that a page offers."""
    assert not page.exception
    return [found for one in page.get("html") for found in LINK.findall(str(one.proto.body))]


def fetch(door: TestClient, address: str, token: str) -> httpx2.Response:
    """Ask for a file with a session's cookie."""
    return door.get(address, headers={"Cookie": f"proctor_session={token}"} if token else {})


@pytest.mark.parametrize("name", OFFERED)
def test_whoever_may_not_gets_no_file(
    name: str, *, open_page: Open, proctor: Runtime, acme: Tenant, tab: Tab, door: TestClient
) -> None:
    """The session in which it was offered gets it; nobody signed out, no other person, no other session of his."""
    page = open_page(name, tenant="Acme") if name == "statement" else open_page(name)
    beginning, column = OFFERED[name]
    assert acme
    [(address, called)] = [one for one in links(page) if one[1].startswith(beginning)]
    given = fetch(door, address, tab.token)
    assert given.status_code == 200, given.text
    assert column in given.text.partition("\n")[0]
    assert "Borealis" not in given.text, "another tenant's"
    assert given.headers["cache-control"] == "no-store"
    assert f'attachment; filename="{called}"' in given.headers["content-disposition"]
    assert given.headers["x-content-type-options"] == "nosniff"
    carl = proctor.people.sign_in("Carl", PASSWORD, ADDRESS).token
    again = proctor.people.sign_in("Ada", PASSWORD, ADDRESS).token
    assert [fetch(door, address, token).status_code for token in ("", carl, again)] == [401, 404, 404]
    proctor.people.end_sessions(LOCAL_OPERATOR, proctor.people.find(LOCAL_OPERATOR, "Ada").id)
    assert fetch(door, address, tab.token).status_code == 401


def test_every_file_is_one_of_those_that_are_walked() -> None:
    """What offers one stands in the table; what lies ready says how much it keeps, which has a bound."""
    found: dict[str, bool] = {}
    for path in sorted((ROOT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "export":
                found[str(path.relative_to(ROOT / "pages"))] = any(one.arg == "holds" for one in node.keywords)
    assert found == {place: how is DRAWN for place, how in FILES.items()}
    assert {place.partition("/")[0] for place, how in FILES.items() if how is ASKED} <= OFFERED.keys()


def test_a_role_that_was_taken_away(
    open_page: Open, proctor: Runtime, acme: Tenant, tab: Tab, door: TestClient
) -> None:
    """What a page offered before is not given after: one sentence says to reload it."""
    [(address, _)] = links(open_page("statement", tenant="Acme"))
    ada = proctor.people.find(LOCAL_OPERATOR, "Ada")
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.PRODUCT, [acme])
    proctor.people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    refused = fetch(door, address, tab.token)
    assert refused.status_code == 403
    assert "has changed since this page was drawn" in refused.text


def test_an_address_stays_while_a_page_is_drawn_again(open_page: Open, acme: Tenant) -> None:
    """A link that somebody is about to press does not change under his hand."""
    page = open_page("statement", tenant="Acme")
    assert links(page) == links(page.run())


def test_without_people_it_is_this_machines(open_page: Open, proctor: Runtime, door: TestClient) -> None:
    """As the console is."""
    proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    [(address, _)] = links(open_page("statement", tenant="Acme"))
    assert fetch(door, address, "").status_code == 200
    assert door.get("/export/invented").status_code == 404


def test_what_goes_wrong_leaves_no_trace(door: TestClient) -> None:
    """A file that cannot be made is one sentence."""

    def make() -> bytes:
        raise ValueError("the text of a prompt")

    from core.api.exports import OFFERS

    OFFERS.put("broken", replace(offer(), make=make, grants=LOCAL_OPERATOR.grants))
    refused = door.get("/export/broken")
    assert (refused.status_code, "prompt" in refused.text) == (500, False)


def offer(holds: int = 0) -> OfferedFile:
    """Return something that is offered."""
    return OfferedFile(session_id="", grants=(), name="a b.csv", media_type="text/csv", make=lambda: b"", holds=holds)


def test_offers_have_an_end() -> None:
    """So many are kept, and so much, the newest; one in the place of another counts once."""
    offers = Offers()
    for number in range(MOST_OFFERS + 5):
        offers.put(str(number), offer())
    assert [offers.find(str(number)) is None for number in (4, 5)] == [True, False]
    for name in ("a", "b", "b", "b"):
        offers.put(name, offer(MOST_HELD // 2))
    assert offers.find("a")
    offers.put("c", offer(MOST_HELD // 2))
    assert offers.find("a") is None
    assert offers.find("b")
    assert offers.find("c")


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_hands_a_file_to_the_framework(path: Path) -> None:
    """Its address for files asks nobody, so nothing is drawn that would put one there."""
    shut = {"download_button", "audio", "video", "pdf"}
    called = {node.func.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Attribute)}  # fmt: skip
    assert not shut & called
