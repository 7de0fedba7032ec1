"""``/v1/manage``: what the command line does, for programs, by the same commands.

Who may what the rooms decide, as for everybody. What is here is how a change says of which state it is one: each read
has an ``ETag``, and whoever changes something sends it back as ``If-Match``, so that nobody overwrites what he has not
seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.api import bodies as api_bodies
from core.api.manage import bodies, things
from core.api.manage.endpoints import ENDPOINTS, LINES, REASON, Endpoint, EndpointKind
from core.api.native import Native
from core.api.pieces import SentInPieces, UnderWay
from core.api.repeats import REPLAYED, key_of
from core.documents import as_json
from core.errors import BadHeader, Conflict, Invalid, NotAsSeen, NotFound, Overloaded, ProctorError, UnseenChange
from core.idempotency import KeptAnswer
from core.json_texts import json_in
from core.principals import Permission
from core.runtime import Runtime
from core.tenants import digest

if TYPE_CHECKING:
    from core.user_exports import UserExport

MOST_BODY_BYTES = 1_000_000
_MOST_LISTED, _USUALLY_LISTED = 200, 100
_MOST_GIVEN_OUT = 4
"""So many files of lines may be on their way; keys of one tenant may have half of them."""
_OF_THE_MOMENT = ("spent_usd", "held_usd", "resets_at", "used_at", "old")
"""What of a document changes without a decision, so that no ``ETag`` follows from it."""
_SECRET = "key"  # noqa: S105 the field in which a new text is told


class Manage:
    """The routes of the management API."""

    def __init__(self, runtime: Runtime, native: Native) -> None:
        self._runtime = runtime
        self._native = native
        self._giving = UnderWay(_MOST_GIVEN_OUT, _MOST_GIVEN_OUT // 2)
        self.routes = [Route(one.route, self._door(one), methods=[one.method]) for one in ENDPOINTS]

    def _door(self, endpoint: Endpoint) -> Any:
        async def door(request: Request) -> Response:
            return await self._native.decided(
                request, MOST_BODY_BYTES, lambda secret, body: self._answer(endpoint, request, secret, body)
            )

        return door

    # In threads.

    def _answer(self, endpoint: Endpoint, request: Request, secret: str, body: bytes) -> Response:
        principal = self._runtime.tenants.authenticate(secret)  # looked up each time: there is no shorter path
        principal.require(Permission.TENANTS_READ)
        _require_asked_once(endpoint, request)
        self._runtime.tenants.uses.note(digest(secret) or "")
        asked = things.Asked(
            runtime=self._runtime,
            principal=principal,
            path=request.path_params,
            query=request.query_params,
            reason=_reason(request) if endpoint.kind.changes else "",
        )
        match endpoint.kind:
            case EndpointKind.LIST:
                return _listed(endpoint, asked)
            case EndpointKind.READ:
                return _told(endpoint.do(asked))
            case EndpointKind.MAKE | EndpointKind.ACT | EndpointKind.ACT_UNSEEN:
                return self._once(endpoint, asked, request, body)
            case EndpointKind.GIVE_OUT:
                return self._given_out(endpoint, asked, body)
            case _:
                return _changed(endpoint, asked, request, body)

    def _once(self, endpoint: Endpoint, asked: things.Asked, request: Request, body: bytes) -> Response:
        """Do what is sent, once under each ``Idempotency-Key``; a text that is told once is not told again."""
        key = key_of(request)
        if key is None:
            return _told(*_done(endpoint, asked, request, body))
        turn = self._runtime.idempotency.begin(
            tenant_id=asked.principal.tenant_id or "",
            door=f"{request.url.path} {asked.principal.key_id}",
            key=key,
            body=body,
        )
        if isinstance(turn, KeptAnswer):
            return Response(turn.body or "", turn.status, {**turn.headers, REPLAYED: "true"}, "application/json")
        try:
            document, status = _done(endpoint, asked, request, body)
        except ProctorError:
            turn.undecided()
            raise
        except BaseException:
            turn.lost()
            raise
        kept = _told({**document, _SECRET: None} if _SECRET in document else document, status)
        turn.decided(
            KeptAnswer(
                status=status,
                body=bytes(kept.body).decode(),
                generation_id="",
                headers={"ETag": kept.headers["ETag"]},
                streamed=False,
            )
        )
        return _told(document, status)

    def _given_out(self, endpoint: Endpoint, asked: things.Asked, body: bytes) -> Response:
        """Begin a file of lines, of which some may be on their way; a thread is taken for each line, and no longer."""
        whose = asked.principal.tenant_id or ""
        if not self._giving.begin(whose):
            raise Overloaded("Other exports are on their way. Send it again in a moment.", retry_after_seconds=5.0)
        try:
            made: UserExport = endpoint.do(replace(asked, body=_read(endpoint, body, {})))
            first = next(made.lines)
        except BaseException:
            self._giving.end(whose)
            raise
        headers = {"Content-Type": LINES, "Cache-Control": "no-store"}
        left = partial(self._giving.end, whose)
        return SentInPieces(first, lambda: run_in_threadpool(next, made.lines, None), left, headers)


def _require_asked_once(endpoint: Endpoint, request: Request) -> None:
    """Go on only if the address asks what the endpoint answers, and each of it once: which counted, nobody would know.

    Raises:
        Invalid: it does not.

    """
    known = (*endpoint.query, *(("after", "limit") if endpoint.kind is EndpointKind.LIST else ()))
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            there = f"There are: {', '.join(known)}." if known else "There are none."
            raise Invalid(f"'{name[:40]}' is not a parameter of this request. {there}")
        if name in seen:
            raise Invalid(f"'{name}' stands in the address twice. Send it once.", param=name)
        seen.add(name)


def _reason(request: Request) -> str:
    """Return why, as the headers say.

    Raises:
        BadHeader: it is said twice, or in no text that can be read.

    """
    given = request.headers.getlist(REASON)
    if len(given) > 1:
        raise BadHeader(f"'{REASON}' was sent {len(given)} times. Send it once.")
    try:
        return "".join(given).encode("latin-1").decode()  # as it came: the framework reads every header as Latin-1
    except UnicodeDecodeError:
        raise BadHeader(f"'{REASON}' is not UTF-8.") from None


def etag_of(document: Mapping[str, Any]) -> str:
    """Return what names the state that *document* tells."""
    lasting = {field: value for field, value in document.items() if field not in {*_OF_THE_MOMENT, _SECRET}}
    hashed = hashlib.blake2b(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS), digest_size=12)
    return f'"{hashed.hexdigest()}"'


def _changed(endpoint: Endpoint, asked: things.Asked, request: Request, body: bytes) -> Response:
    document, status = _done(endpoint, asked, request, body)
    return Response(status_code=status) if endpoint.kind is EndpointKind.REMOVE else _told(document, status)


def _done(endpoint: Endpoint, asked: things.Asked, request: Request, body: bytes) -> tuple[things.Document, int]:
    """Do what is asked, of the state that was seen where there is one; return what is there now, and the status."""
    if endpoint.show is None:
        made = endpoint.kind is EndpointKind.MAKE
        return endpoint.do(replace(asked, body=_read(endpoint, body, {}))), 201 if made else 200
    present = _present(endpoint, endpoint.show, asked)
    _require_seen(endpoint, request, present)
    given = None if endpoint.body is None else _read(endpoint, body, present or {})
    wanted = replace(asked, body=given, seen=present, version=(present or {}).get("version", 0))
    try:
        document = endpoint.do(wanted)
    except Conflict:
        now = _present(endpoint, endpoint.show, asked)
        if now == present:
            raise
        raise _not_as_seen(now) from None
    if endpoint.kind is EndpointKind.REMOVE:
        return document, 204
    return document, 201 if present is None else 200


def _present(
    endpoint: Endpoint, show: Callable[[things.Asked], things.Document], asked: things.Asked
) -> things.Document | None:
    """Return what is to be changed as it is; ``None`` where it may be made. What was revoked is not there any more."""
    if named := asked.query.get("tenant"):
        asked.runtime.tenants.find(asked.principal, named)  # of a tenant that is not there nothing can be made
    try:
        found = show(asked)
    except NotFound:
        if endpoint.kind is not EndpointKind.PUT:
            raise
        return None
    if found.get("revoked_at"):
        raise NotFound("This key was revoked.")
    return found


def _require_seen(endpoint: Endpoint, request: Request, present: things.Document | None) -> None:
    """Go on only if the headers say that the caller has seen what is there now.

    Raises:
        UnseenChange: they say nothing.
        NotAsSeen: he has seen something else.

    """
    match, none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if endpoint.kind is EndpointKind.PUT and none is not None:
        if none.strip() != "*":
            raise UnseenChange("'If-None-Match' takes * alone here: it makes what is not there.")
        if present is not None:
            raise _not_as_seen(present)
        return
    if match is None:
        raise UnseenChange(
            "Say what you have seen: send 'If-Match' with the ETag that a GET of this address gave"
            + (", or 'If-None-Match: *' to make it." if endpoint.kind is EndpointKind.PUT else ".")
        )
    seen = {one.strip() for one in match.split(",")}
    if present is None or (etag_of(present) not in seen and seen != {"*"}):
        raise _not_as_seen(present)


def _not_as_seen(present: things.Document | None) -> NotAsSeen:
    if present is None:
        return NotAsSeen("There is nothing at this address to be changed. Nothing was saved.", present=None)
    return NotAsSeen(
        "It is not as you have seen it. Nothing was saved; 'present' is how it is now.",
        present=present,
        etag=etag_of(present),
    )


def _read(endpoint: Endpoint, body: bytes, present: Mapping[str, Any]) -> bodies.Body:
    """Return the body, checked. What cannot be set may be sent as it is, as who sends back what he has read does."""
    kind = cast("type[bodies.Body]", endpoint.body)
    sent: object = _value_of(body) if body.strip() else {}
    if not isinstance(sent, dict):
        raise Invalid("The body is a JSON object.")
    document = cast("dict[str, Any]", sent)
    fixed = {field for field in document if field not in kind.model_fields and field in present}
    if changed := sorted(field for field in fixed if document[field] != present[field] and field not in _OF_THE_MOMENT):
        raise Invalid(f"{changed[0]!r} cannot be set here; it is {present[changed[0]]!r}. Leave it out.")
    given = {field: value for field, value in document.items() if field not in fixed}
    known: dict[str, Any] = {}
    if endpoint.kind is EndpointKind.CHANGE:
        known = {field: present[field] for field in kind.model_fields if field in present}
    try:
        whole = kind.model_validate(known | given)
    except ValidationError as error:
        raise Invalid(
            api_bodies.sentence(error.errors(include_url=False, include_input=False), kind.model_fields)
        ) from None
    return kind.model_construct(_fields_set=set(given), **{field: getattr(whole, field) for field in kind.model_fields})


def _value_of(body: bytes) -> object:
    """Return what a body says; that a name in it is said twice, of which the last would win unseen, is refused."""
    json_in(body, "The body")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # a number beyond all floats, half a letter
        raise Invalid("The body holds a number or a text that nothing here can be.") from None


def _listed(endpoint: Endpoint, asked: things.Asked) -> Response:
    written = asked.query.get("limit", str(_USUALLY_LISTED))
    if not (written.isascii() and written.isdecimal() and len(written) < 5 and 1 <= int(written) <= _MOST_LISTED):
        raise Invalid(f"'limit' is a whole number from 1 to {_MOST_LISTED}.", param="limit")
    most, after = int(written), asked.query.get("after", "")
    if endpoint.do in {things.key_page, things.erasures}:  # of which there are any number
        items, following = endpoint.do(asked, after, most)
    else:
        every = sorted(cast("Sequence[things.Document]", endpoint.do(asked)), key=_place)
        behind = [one for one in every if _place(one) > after]
        items, following = behind[:most], _place(behind[most - 1]) if len(behind) > most else ""
    return Response(as_json({"items": items, "next": following or None}), media_type="application/json")


def _place(document: Mapping[str, Any]) -> str:
    """Return what a list is in the order of, and goes on behind."""
    return str(next(document[field] for field in ("id", "name", "flag") if field in document))


def _told(document: things.Document, status: int = 200) -> Response:
    headers = {"ETag": etag_of(document), "Cache-Control": "no-store"}
    return Response(as_json(document), status, headers, "application/json")
