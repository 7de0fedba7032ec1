"""Why the gate lets somebody not pass, and how he is told: one sentence, as a problem or as a small page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.api.asked_dialect import where_from
from core.api.browser_headers import NOTICE
from core.api.keys_in_addresses import SAID
from core.api.problem import Problem
from core.api.refusals import as_asked
from core.api.served import To


class Why(StrEnum):
    """A kind of refusal, as the metric and the log name it."""

    TWIN = "header_twin"
    NO_HOST = "no_host"
    HOST = "unknown_host"
    ORIGIN = "foreign_origin"
    NO_ORIGIN = "no_origin"
    PAGE = "foreign_page"
    TOLD = "told_who"
    NOT_LOCAL = "not_local"
    NOT_SIGNED_IN = "not_signed_in"
    UNKNOWN = "sign_in_unknown"
    NOTHING = "nothing_here"
    KEY = "key_in_address"


class StoppedAtGate(Exception):
    """A request is not let in."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True)
class _Words:
    status: int
    title: str
    detail: str


_WORDS: Mapping[Why, _Words] = {
    Why.TWIN: _Words(
        400,
        "Header not accepted",
        "A header came twice, or with '_' in its name where the one that counts has '-'. Send it once, with '-'.",
    ),
    Why.NO_HOST: _Words(
        400, "No host", "The request does not say in its Host header under which one name it was sent. Send one."
    ),
    Why.HOST: _Words(
        421,
        "Not our name",
        "This server does not answer to the name in the address. "
        "Use the name that it has, or let whoever runs it add this one to ALLOWED_HOSTS or PUBLIC_URL.",
    ),
    Why.ORIGIN: _Words(
        403,
        "Another site",
        "A page of another site may not call this server. If it is the console's own page, "
        "let whoever runs the server set PUBLIC_URL to the address in the browser.",
    ),
    Why.NO_ORIGIN: _Words(
        403, "No origin", "The console takes this from its own pages alone, and no browser said which page sent it."
    ),
    Why.PAGE: _Words(
        403, "Another site", "A page of another site may link to this address, but not show it or read from it."
    ),
    Why.TOLD: _Words(
        401,
        "Nobody's word",
        "The header that says who has signed in came from somebody who may not say so, or does not name one person.",
    ),
    Why.NOT_LOCAL: _Words(
        403,
        "The console is open on its own machine alone",
        "There is nobody yet who could sign in, so the console answers this machine alone, under localhost. "
        "Open the link for the first owner that the server printed as it started; "
        "'proctor user first-owner' on the server prints another one.",
    ),
    Why.NOT_SIGNED_IN: _Words(401, "Not signed in", "Sign in at /sign-in; the session is over, or never began."),
    Why.UNKNOWN: _Words(
        503,
        "Not available",
        "The server is starting, or its database does not answer, so nobody can be let in now. Try again in a moment.",
    ),
    Why.KEY: _Words(401, "A key in the address", SAID),
    Why.NOTHING: _Words(404, "Not found", "There is nothing at this address. GET /v1/openapi.json describes the API."),
}
_NO_PAGE = _Words(
    404, "No such page", "There is no page at this address. It may be mistyped, or one of another release."
)
_CODES = {404: "not_found", 400: "invalid", 401: "unauthenticated", 503: "unavailable"}
_NOTICE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Proctor</title>'
    '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    "<style>body{{font:15px/1.6 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem}}"
    "h1{{font-size:1.25rem;margin:0 0 .5rem}}p{{margin:0 0 .75rem;opacity:.8}}</style></head>"
    "<body><h1>{title}</h1><p>{detail}</p>{way}</body></html>"
)
_WAYS = {
    Why.NOTHING: '<p><a href="/">To the console</a></p>',
    Why.NOT_SIGNED_IN: '<p><a href="/sign-in">Sign in</a></p>',
    Why.UNKNOWN: '<p><a href="">Try again</a></p>',
}
"""The way on from a notice; whoever is refused for what he is has none."""


def refuse(why: Why, to: To, connection: HTTPConnection, *, is_page: bool) -> ASGIApp:
    """Return what answers *connection*; *is_page* where a browser wants to show what comes."""
    words = _NO_PAGE if why is Why.NOTHING and is_page else _WORDS[why]
    if why is Why.NOT_SIGNED_IN and to is To.PAGES and is_page:
        return Response(None, 303, {"Location": f"/sign-in?next={_wanted(connection)}", "Cache-Control": "no-store"})
    if connection.scope["type"] == "websocket" and "websocket.http.response" not in connection.scope["extensions"]:
        return _close
    if is_page and to is not To.PROGRAMS:
        said = {"title": escape(words.title), "detail": escape(words.detail)}
        notice = _NOTICE.format(**said, way=_WAYS.get(why, ""))
        return HTMLResponse(notice, words.status, {"Cache-Control": "no-store", "Content-Security-Policy": NOTICE})
    told = Problem(
        status=words.status,
        code=_CODES.get(words.status, "forbidden"),
        title=words.title,
        detail=words.detail + (where_from(connection.scope["path"]) if why is Why.NOTHING else ""),
        headers={"Cache-Control": "no-store"},
    )
    return as_asked(HTTPConnection({**connection.scope, "root_path": "/v1"}), told) if to is To.PROGRAMS else told


def _wanted(connection: HTTPConnection) -> str:
    """Return the page that was asked for, with all of its address, as the value of a parameter."""
    query = connection.scope.get("query_string", b"").decode("latin-1")
    return quote(connection.scope["path"] + (f"?{query}" if query else ""), safe="")


async def _close(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})
