"""Files leave by addresses of ours: to the session in which they were offered, with the right that it has by then."""

from __future__ import annotations

import ast
import csv
import gc
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.api import exports as door_of
from core.api import pieces
from core.api.export_links import GOOD_SECONDS, ExportLink, sealed
from core.api.exports import CSV, MOST_AT_ONCE, Export, ExportDoor
from core.api.gate import Gate
from core.api.served import API, EXPORTS, SIGN_IN
from core.api.visitors import Visitors
from core.clock import ManualClock
from core.errors import Forbidden, NotFound, Unavailable
from core.principals import LOCAL_OPERATOR, Principal, Role
from core.reports import CallFilter, ChangeFilter, Window
from core.reports.calls import NEWEST, CallOrder
from core.runtime import Runtime
from core.settings import ROOT, Settings
from core.tables import Outcome
from core.user_exports import KeptUser
from pages import _exports
from pages.calls.files import CallList, Document, digest
from pages.guardrails.files import CaughtWanted
from pages.incident.files import IncidentTable
from pages.kit import visitor
from pages.prices.files import PriceList
from pages.schemas.files import SchemaList
from pages.spend.files import SpendTable
from pages.statement.files import TenantMonth
from tests import builders, servers
from tests.builders import person
from tests.conftest import START
from tests.console import console
from tests.grounds import DAY, RATES, Ground, ground, nowhere
from tests.pages.conftest import Open, Tab

PASSWORD, ADDRESS = "correct horse battery", "127.0.0.1"
LINK = re.compile(r'href="(/export/[\w.-]+)" download="([^"]+)"')
WINDOW = Window.last(timedelta(days=7), START)
PDF = "JVBERi0xLjQgc21hbGw="
ASKED: dict[str, Callable[[Ground | None], Any]] = {
    "calls/list": lambda of: CallList(CallFilter(starts_at=START - 60 * DAY, ends_at=START + DAY, tenant_id=id_of(of))),
    "calls/document": lambda of: Document(of.call_id if of else "", digest(PDF)),
    "changes/list": lambda of: ChangeFilter(starts_at=START - DAY, ends_at=START + DAY, tenant_id=id_of(of)),
    "guardrails/caught": lambda of: CaughtWanted(START - DAY, START + DAY, id_of(of)),
    "incident/table": lambda of: IncidentTable(START - DAY, START + DAY, id_of(of)),
    "prices/list": lambda of: PriceList(id_of(of) or "", START),
    "prices/overrides": lambda of: PriceList(id_of(of) or "", START),
    "prices/old-figures": lambda of: of.repricing_id if of else "",
    "privacy/user": lambda of: KeptUser(id_of(of) or "", ("0" * 32,)),
    "privacy/certificate": lambda of: of.certificate_id if of else "",
    "schemas/list": lambda of: SchemaList("", "Name", WINDOW, id_of(of)),
    "spend/table": lambda of: SpendTable("tenants", WINDOW, id_of(of)),
    "spend/table schemas": lambda of: SpendTable("schemas", WINDOW, id_of(of)),
    "spend/table reasons": lambda of: SpendTable("reasons", WINDOW, id_of(of)),
    "spend/table forecast": lambda of: SpendTable("forecast", WINDOW, id_of(of)),
    "store/sizes": lambda of: "all",
    "statement/lines": lambda of: TenantMonth(id_of(of) or "", f"{START:%Y-%m}"),
}
"""What is asked of each sort of file about a tenant, or about whatever one may see. What follows a blank tells several
ways of asking apart."""
OFFERED = {
    "statement": ("statement-Aardvark", "spend_nano_usd", "invoice"),
    "prices": ("prices-", "asked_for", "aardvark-model"),
    "schemas": ("schemas-", "schema", "ticket"),
    "changes": ("changes-", "from_where", "Aardvark"),
    "calls": ("calls-", "error_code", "Aardvark"),
    "spend": ("spend-by-tenant", "tenant", "Aardvark"),
}
"""Of pages how the file is called, a column of it, and what stands in it."""


def id_of(of: Ground | None) -> str | None:
    """Return a ground's tenant."""
    return of.tenant.id if of else None


def export_of(name: str) -> Export[Any]:
    """Return a sort of file."""
    found = _exports.find(name.partition(" ")[0])
    assert found
    return found


def made(name: str, on: Runtime, who: Principal, of: Ground | None) -> str:
    """Return the file as *who* gets it, asked for as its link asks."""
    export = export_of(name)
    return b"".join(export.pieces(on, who, export.told(ASKED[name](of)))).decode()


def made_or_refused(name: str, on: Runtime, who: Principal, of: Ground | None) -> str:
    """Return the file, or with what sentence it is refused."""
    try:
        return made(name, on, who, of)
    except (Forbidden, NotFound) as refused:
        return refused.message


@dataclass
class Process:
    """A process that has started."""

    runtime: Runtime | None


@pytest.fixture
def page_clock() -> ManualClock:
    """The time of the grounds."""
    return ManualClock(START)


@pytest.fixture
def mine(proctor: Runtime, tab: Tab) -> Ground:
    """A tenant with one of everything, an owner, and an admin of that tenant alone, who is signed in."""
    proctor.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    proctor.schemas.add(LOCAL_OPERATOR, "ticket", {"type": "object", "properties": {"a": {"type": "string"}}})
    found = with_document(proctor, ground(proctor, "Aardvark", ago=timedelta(minutes=5)))
    proctor.people.create(LOCAL_OPERATOR, "Ada", PASSWORD, Role.ADMIN, [found.tenant])
    tab.token = proctor.people.sign_in("Ada", PASSWORD, ADDRESS).token
    return found


@pytest.fixture
def other(proctor: Runtime) -> Ground:
    """Another tenant, with an admin of its own."""
    found = with_document(proctor, ground(proctor, "Zeppelin", ago=timedelta(minutes=3)))
    proctor.people.create(LOCAL_OPERATOR, "Carl", PASSWORD, Role.ADMIN, [found.tenant])
    return found


def with_document(on: Runtime, of: Ground) -> Ground:
    """Return a ground with a call that was asked with a document."""
    call = builders.generation(START - timedelta(hours=1), of.tenant.id)
    asked = [{"role": "user", "content": [{"type": "document", "data": PDF, "name": f"{of.tenant.name}.pdf"}]}]
    builders.save(on.store, call, builders.payload(call, 0, asked, None, START + DAY))
    return ground_with(of, call.id)


def ground_with(of: Ground, call_id: str) -> Ground:
    """Return a ground whose call is another."""
    return replace(of, call_id=call_id)


@pytest.fixture
def door(proctor: Runtime) -> Iterator[TestClient]:
    """The gate with the door behind it, and a browser without cookies."""
    with behind_gate(proctor, ExportDoor(Process(proctor), _exports.find)) as client:
        yield client


def behind_gate(proctor: Runtime, exports: ExportDoor) -> TestClient:
    """Return a browser before the gate."""
    gate = Middleware(
        Gate,
        settings=proctor.settings,
        served=[*API, *SIGN_IN, *EXPORTS],
        count=lambda reason: None,
        visitors=Visitors(Process(proctor)),
    )
    app = Starlette(routes=exports.routes, middleware=[gate])
    return TestClient(app, base_url="http://localhost:8501", client=(ADDRESS, 4711))


def links(page: AppTest) -> list[tuple[str, str]]:
    """Return the address and the name of each file that a page offers."""
    assert not page.exception
    return [found for one in page.get("html") for found in LINK.findall(str(one.proto.body))]


def fetch(door: TestClient, address: str, token: str) -> httpx2.Response:
    """Ask for a file with a session's cookie."""
    return door.get(address, headers={"Cookie": f"proctor_session={token}"} if token else {})


def test_every_file_is_one_of_those_that_are_walked() -> None:
    """Each sort of file stands in the table, and is offered by a page; a page offers nothing in another way."""
    kinds: list[str] = []
    for page in _exports.PAGES:
        files = __import__(f"pages.{page}.files", fromlist=["FILES"]).FILES
        assert {one.kind.partition("/")[0] for one in files} == {page}
        kinds += [one.kind for one in files]
    assert {name.partition(" ")[0] for name in ASKED} == set(kinds)
    assert len(set(kinds)) == len(kinds)
    offered = {
        f"{path.parent.name}.{node.attr}"
        for path in (ROOT / "pages").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "files" and node.attr.isupper()
    } - {"spend.REASONS", "spend.FORECAST"}
    assert len(offered) == len(kinds), "each is drawn somewhere"
    assert _exports.find("kit/list") is None
    assert _exports.find("calls/none") is None


@pytest.mark.parametrize("name", ASKED)
def test_a_file_shows_nothing_of_another_tenant(name: str, *, proctor: Runtime, mine: Ground, other: Ground) -> None:
    """Asked of all, of the own tenant, or with another's ids, a file says of the other what it says of none at all.

    Whatever role somebody has there.
    """
    absent = ground_with(nowhere("Quixotic"), "f" * 32)
    for role in Role:
        who = person("Ada", role, mine.tenant.id)
        assert not any(other.named_in(made_or_refused(name, proctor, who, of)) for of in (None, mine)), role
        said = [of.hidden_in(made_or_refused(name, proctor, who, of)) for of in (other, absent)]
        assert said[0] == said[1], role
    assert made(name, proctor, LOCAL_OPERATOR, other) != "", "there is something to hide"


FORMULA = "=HYPERLINK(1)"


@pytest.mark.parametrize("name", ASKED)
def test_no_file_holds_a_formula(name: str, proctor: Runtime) -> None:
    """Whatever people and programs called things, no cell of any file begins what a spreadsheet runs."""
    of = hostile(proctor)
    if export_of(name).media_type != CSV:
        return
    rows = list(csv.reader(io.StringIO(made(name, proctor, LOCAL_OPERATOR, of), newline="")))
    assert rows
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+@\t\r\n") or cell == "-x"]
    assert name in WITHOUT_TEXTS or any(f"'{FORMULA}" in cell for row in rows for cell in row), "one was there"


WITHOUT_TEXTS = {
    "store/sizes",
    "prices/old-figures",
    "schemas/list",
    "spend/table",
    "spend/table reasons",
    "spend/table forecast",
    "calls/document",
}
"""Files in which stand only names that are checked when they are given."""


def hostile(on: Runtime) -> Ground:
    """Return a tenant in which whatever may have any name is called like a formula."""
    of = with_document(on, ground(on, "Aardvark", ago=timedelta(minutes=5)))
    begins = {"provider": "compatible", "model": FORMULA, "schema_name": FORMULA, "route": FORMULA}
    call = builders.generation(
        START - timedelta(hours=1), of.tenant.id, principal=FORMULA, request_id=FORMULA, **begins
    )
    paid = builders.attempt(call, provider="compatible", model=FORMULA, price=None, cost_nano_usd=None)
    tried = builders.attempt(call, 2, Outcome.INVALID, provider="compatible", model=FORMULA)
    wrong = builders.field_error(tried, FORMULA)
    builders.save(
        on.store, call, paid, tried, wrong, builders.finding(call, guardrail=FORMULA, place=FORMULA, kind=FORMULA)
    )
    builders.save(on.store, builders.change(START - timedelta(hours=1), "flag", FORMULA, FORMULA, of.tenant.id))
    on.prices.set(LOCAL_OPERATOR, "compatible", FORMULA, tenant=of.tenant, rates=RATES, reason=FORMULA)
    return of


def test_one_function_writes_csv() -> None:
    """Nothing in the core and in the pages writes it by another: neither pandas nor the standard library."""
    others = re.compile(r"\.to_csv\(|^import csv|^from csv import|csv\.(?:Dict)?[Ww]riter", re.MULTILINE)
    sources = [path for part in ("core", "pages") for path in (ROOT / part).rglob("*.py")]
    assert not [str(path) for path in sources if others.search(path.read_text())]


@pytest.mark.parametrize("name", OFFERED)
def test_whoever_may_not_gets_no_file(
    name: str, *, open_page: Open, proctor: Runtime, mine: Ground, other: Ground, tab: Tab, door: TestClient
) -> None:
    """The session in which it was offered gets it; nobody signed out, no other person, no other session of his."""
    page = open_page(name, tenant="Aardvark") if name == "statement" else open_page(name)
    beginning, column, mark = OFFERED[name]
    (address, called), *_ = [one for one in links(page) if one[1].startswith(beginning)]
    given = fetch(door, address, tab.token)
    assert given.status_code == 200, given.text
    assert column in given.text.partition("\n")[0]
    assert mark in given.text
    assert not other.named_in(given.text)
    assert given.headers["cache-control"] == "no-store"
    assert f'attachment; filename="{called}"' in given.headers["content-disposition"]
    assert given.headers["x-content-type-options"] == "nosniff"
    carl = proctor.people.sign_in("Carl", PASSWORD, ADDRESS).token
    again = proctor.people.sign_in("Ada", PASSWORD, ADDRESS).token
    assert [fetch(door, address, token).status_code for token in ("", carl, again)] == [401, 404, 404]
    proctor.people.end_sessions(LOCAL_OPERATOR, proctor.people.find(LOCAL_OPERATOR, "Ada").id)
    assert fetch(door, address, tab.token).status_code == 401


def test_a_link_is_good_as_it_was_drawn(
    open_page: Open, mine: Ground, tab: Tab, door: TestClient, page_clock: ManualClock
) -> None:
    """Whatever is changed of it opens nothing, and after a while it does not either; it says to reload the page."""
    [(address, _)] = links(open_page("statement", tenant="Aardvark"))
    said, _, seal = address.removeprefix("/export/").partition(".")
    theirs = sealed(ExportLink("statement/lines", {"tenant_id": mine.tenant.id, "month": "2026-03"}, "a"), "", START)
    broken = [
        said,
        f"{said}.",
        f".{seal}",
        f"{seal}.{said}",
        f"{said[:-2]}AA.{seal}",
        f"{said}.{seal}.",
        theirs,
    ]
    for one in broken:
        refused = fetch(door, f"/export/{one}", tab.token)
        assert (refused.status_code, "Reload its page" in refused.text) == (404, True), one
    page_clock.advance(GOOD_SECONDS)
    assert fetch(door, address, tab.token).status_code == 200
    page_clock.advance(GOOD_SECONDS)
    assert fetch(door, address, tab.token).status_code == 404


def test_what_another_release_offered_is_not_there(mine: Ground, tab: Tab, door: TestClient) -> None:
    """Sealed rightly, of a sort that is gone, or asked for in other words."""
    for kind, asked in (("calls/gone", {}), ("os/files", {}), ("calls/list", {"since": 1}), ("calls/list", [1])):
        link = sealed(ExportLink(kind, asked, "a.csv"), tab.token, START)
        assert fetch(door, f"/export/{link}", tab.token).status_code == 404, kind


def test_a_right_is_looked_up_when_somebody_comes(
    *, open_page: Open, proctor: Runtime, mine: Ground, other: Ground, tab: Tab, door: TestClient
) -> None:
    """With a role that was taken away a file is refused; with a tenant more, the same link tells of that as well."""
    [(address, _)] = [one for one in links(open_page("changes")) if one[1].startswith("changes-")]
    ada = proctor.people.find(LOCAL_OPERATOR, "Ada")
    proctor.people.grant(LOCAL_OPERATOR, ada.id, Role.PRODUCT, [other.tenant])
    assert fetch(door, address, tab.token).status_code == 200
    proctor.people.take_away(LOCAL_OPERATOR, ada.id, Role.ADMIN)
    given = fetch(door, address, tab.token)
    if given.status_code == 200:  # as a product person of the other tenant
        assert not mine.named_in(given.text)
        assert other.named_in(given.text)
    proctor.people.take_away(LOCAL_OPERATOR, ada.id, Role.PRODUCT)
    refused = fetch(door, address, tab.token)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_an_address_stays_while_a_page_is_drawn_again(open_page: Open, mine: Ground) -> None:
    """A link that somebody is about to press does not change under his hand."""
    page = open_page("statement", tenant="Aardvark")
    assert links(page) == links(page.run())


def test_without_people_it_is_this_machines(open_page: Open, proctor: Runtime, door: TestClient) -> None:
    """As the console is; the first who can sign in ends it."""
    proctor.tenants.create(LOCAL_OPERATOR, "Acme")
    [(address, _)] = links(open_page("statement", tenant="Acme"))
    assert fetch(door, address, "").status_code == 200
    assert door.get("/export/invented").status_code == 404
    proctor.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
    token = proctor.people.sign_in("Grace", PASSWORD, ADDRESS).token
    assert [fetch(door, address, one).status_code for one in ("", token)] == [401, 404]


def test_the_list_of_calls_is_whole_in_pieces(proctor: Runtime, mine: Ground) -> None:
    """So many rows at once make the same file as all at once, however many share a moment."""
    same = [builders.generation(START - timedelta(hours=2), mine.tenant.id) for _ in range(7)]
    builders.save(proctor.store, same)
    wanted = ASKED["calls/list"](mine).wanted
    for order in (NEWEST, CallOrder("cost")):
        frames = [
            list(proctor.reports.calls_frames(LOCAL_OPERATOR, wanted, at_once, order)) for at_once in (2, 3, 5, 500)
        ]
        assert [max(map(len, one)) for one in frames] == [2, 3, 5, len(frames[3][0])]
        written = [b"".join(door_csv(one)) for one in frames]
        assert len(set(written)) == 1
    assert written[0].count(b"\n") == 1 + proctor.reports.count(LOCAL_OPERATOR, wanted)


def door_csv(frames: Any) -> Iterator[bytes]:
    """Return tables as the door sends them."""
    from core.reports import csv_pieces

    return csv_pieces(frames)


def special(make: Callable[[Runtime, Principal, str], Any]) -> Callable[[str], Export[Any]]:
    """Return how one finds a sort of file that is made so."""
    return lambda kind: Export(kind, str, make)


def link_of(kind: str = "test") -> str:
    """Return a link of somebody who need not sign in."""
    return "/export/" + sealed(ExportLink(kind, "", "a b.csv"), "", START)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("the text of a prompt"), 500),
        (Forbidden("no"), 403),
        (NotFound("no"), 404),
        (Unavailable("no"), 503),
    ],
)
def test_what_goes_wrong_leaves_no_trace(proctor: Runtime, error: Exception, status: int) -> None:
    """A file that cannot be made is one sentence; one that breaks off has no end, and its place is free."""

    def never(*asked: object) -> Iterator[bytes]:
        raise error
        yield b""

    def breaks_off(*asked: object) -> Iterator[bytes]:
        yield b"a,b\n"
        raise error

    exports = ExportDoor(Process(proctor), special(never))
    with behind_gate(proctor, exports) as client:
        refused = client.get(link_of())
    assert (refused.status_code, "prompt" in refused.text) == (status, False)
    assert exports._under_way.count == 0
    exports = ExportDoor(Process(proctor), special(breaks_off))
    ends: list[bool] = []
    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(ask, exports, ends)
    assert ends == [True], "one piece, which is not the last"
    assert exports._under_way.count == 0


async def ask(exports: ExportDoor, ends: list[bool]) -> None:
    """Ask for a file as a server does; note of each piece whether another was to follow."""

    async def receive() -> dict[str, Any]:
        await anyio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            ends.append(message["more_body"])

    scope = {"type": "http", "method": "GET", "path": link_of(), "headers": [], "query_string": b"", "scheme": "http"}
    await Starlette(routes=exports.routes)(scope, receive, send)


def test_a_file_is_held_piece_by_piece(proctor: Runtime) -> None:
    """A piece is made when the one before it is gone; of those that are gone nothing is kept."""

    class Piece(bytes):
        """Bytes that can be counted."""

    held: list[int] = []

    def many(*asked: object) -> Iterator[bytes]:
        for _ in range(8):
            held.append(sum(isinstance(one, Piece) for one in gc.get_objects()))
            yield Piece(b"0123456789")

    with behind_gate(proctor, ExportDoor(Process(proctor), special(many))) as client:
        assert len(client.get(link_of()).content) == 80
    assert max(held) < 4


def test_so_many_are_on_their_way(proctor: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has more than his share; whoever reads no more loses his place."""
    monkeypatch.setattr(pieces, "STALLED_SECONDS", 0.05)
    exports = ExportDoor(Process(proctor), special(lambda *asked: iter([b"a", b"b"])))
    counts: list[int] = []

    async def stuck(answer: Any) -> None:
        async def send(message: Any) -> None:
            counts.append(exports._under_way.count)
            if message.get("more_body"):
                await anyio.sleep(30)

        scope = {"type": "http", "method": "GET", "path": link_of(), "headers": [], "query_string": b"",
                 "scheme": "http"}  # fmt: skip
        await answer(scope, None, send)

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(MOST_AT_ONCE):
                group.start_soon(stuck, Starlette(routes=exports.routes))

    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(all_of_them)
    assert max(counts) == MOST_AT_ONCE // 5
    assert exports._under_way.count == 0


def test_a_text_that_is_kept_nowhere_comes_back(
    proctor: Runtime, mine: Ground, tab: Tab, door: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the page that sent it, to the byte; not to other sites, not to strangers, and not without an end."""
    text = '{"a": "1 < 2 & \'3\' é \U0001f600",\n "b": "%41+"}'

    def script() -> None:
        import streamlit as st

        from pages.kit.exports import export_text

        export_text("JSON", st.session_state["text"], name="ca ll.json")

    drawn = AppTest.from_function(script)
    drawn.session_state["text"] = text
    [form] = [str(one.proto.body) for one in drawn.run().get("html")]
    fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form)}
    own = {"Cookie": f"proctor_session={tab.token}", "Origin": "http://localhost:8501"}
    given = door.post("/export", data=fields, headers=own)
    assert given.content.decode() == text
    assert "attachment" in given.headers["content-disposition"]
    assert given.headers["content-type"] == "application/json"
    for headers, status in (
        ({**own, "Origin": "http://evil.example"}, 403),
        ({"Cookie": own["Cookie"]}, 403),
        ({"Origin": own["Origin"]}, 401),
    ):
        assert door.post("/export", data=fields, headers=headers).status_code == status
    monkeypatch.setattr(door_of, "MOST_SENT", 10)
    assert door.post("/export", data=fields, headers=own).status_code == 413
    assert door.get("/export", headers=own).status_code == 404


SERVER = """
import sys
from starlette.applications import Starlette
from core import runtime as running
from core.api.exports import ExportDoor
from core.settings import Settings
from pages import _exports
import uvicorn

class Process:
    runtime = running.build(Settings(database_url=sys.argv[1], demo=False, local_model="off", log_level="ERROR"))

uvicorn.run(Starlette(routes=ExportDoor(Process(), _exports.find).routes), port=int(sys.argv[2]), log_level="critical")
"""


def test_any_process_answers_for_any_other(pg_database_url: str) -> None:
    """A link that one drew, of which another on the database never heard, gives it there, to its session alone."""
    port = servers.free_port()
    command = [sys.executable, "-c", SERVER, pg_database_url, str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ.copy())
    on = running.build(Settings(database_url=pg_database_url, demo=False, local_model="off"))
    try:
        acme = on.tenants.create(LOCAL_OPERATOR, "Acme")
        for name, where in (("Grace", None), ("Ada", [acme])):
            on.people.create(LOCAL_OPERATOR, name, PASSWORD, Role.OWNER if where is None else Role.ADMIN, where)
        ada, grace = (on.people.sign_in(name, PASSWORD, ADDRESS).token for name in ("Ada", "Grace"))
        files = changes_drawn_for(on, ada)
        given = [asked_of(port, files, token) for token in (ada, grace, "")]
        assert [one.status_code for one in given] == [200, 404, 404]
        assert "Acme" in given[0].text
        on.people.take_away(LOCAL_OPERATOR, on.people.find(LOCAL_OPERATOR, "Ada").id, Role.ADMIN)
        time.sleep(1.5)  # for a second a process may know who somebody is
        assert asked_of(port, files, ada).status_code == 403
    finally:
        on.close()
        process.terminate()
        process.wait(20)


def changes_drawn_for(on: Runtime, token: str) -> str:
    """Return the link to changes on a page that this process draws for a session."""
    running.install(on)
    known = visitor.token
    visitor.token = lambda: token
    try:
        page = console("changes").run()
        [(address, _)] = [one for one in links(page) if one[1].startswith("changes-")]
        return address
    finally:
        visitor.token = known
        running.install(None)


def asked_of(port: int, address: str, token: str) -> httpx2.Response:
    """Ask a process, once it has started."""
    ends = time.monotonic() + 60
    while True:
        try:
            return httpx2.get(
                f"http://127.0.0.1:{port}{address}", headers={"Cookie": f"proctor_session={token}"}, timeout=30
            )
        except httpx2.TransportError:
            assert time.monotonic() < ends
            time.sleep(0.1)


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_hands_a_file_to_the_framework(path: Path) -> None:
    """Its address for files asks nobody, so nothing is drawn that would put one there."""
    shut = {"download_button", "audio", "video", "pdf"}
    called = {node.func.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Attribute)}  # fmt: skip
    assert not shut & called
