"""The console's cookies: of a session, of our forms, and of a sign-in that is under way at a provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.requests import cookie_parser
from starlette.responses import Response

SESSION, FORM, OIDC = "proctor_session", "proctor_form", "proctor_oidc"
_HOST = "__Host-"
"""A browser takes a cookie of such a name from this very host alone, behind TLS: no neighbour can set it."""


def named(name: str, *, is_secure: bool) -> str:
    """Return what a cookie is called behind https, or without it."""
    return f"{_HOST}{name}" if is_secure else name


def token_in(headers: Iterable[tuple[bytes, bytes]], *, is_secure: bool) -> str:
    """Return the session's token that a request brings; empty where it brings none."""
    wanted = named(SESSION, is_secure=is_secure)
    for name, value in headers:
        if name == b"cookie" and (found := cookie_parser(value.decode("latin-1")).get(wanted)):
            return found
    return ""


def with_one_token(headers: Iterable[tuple[bytes, bytes]], *, is_secure: bool) -> list[tuple[bytes, bytes]] | None:
    """Return *headers* without a session's token beside the one that :func:`token_in` finds; ``None``: there is none.

    So whoever reads them behind the gate finds the session that it has looked at, and no other.
    """
    headers = list(headers)
    pairs = [pair.strip() for name, value in headers if name == b"cookie" for pair in value.split(b";")]
    others = [pair for pair in pairs if SESSION.encode() not in pair.partition(b"=")[0]]
    if len(pairs) - len(others) < 2:
        return None
    if token := token_in(headers, is_secure=is_secure):
        others.append(f"{named(SESSION, is_secure=is_secure)}={token}".encode("latin-1"))
    return [*(one for one in headers if one[0] != b"cookie"), (b"cookie", b"; ".join(others))]


def token_among(cookies: Mapping[str, str]) -> str:
    """Return the session's token among those with which a page's socket was opened, which the gate has looked at."""
    return cookies.get(_HOST + SESSION) or cookies.get(SESSION) or ""


def put(answer: Response, name: str, value: str, *, is_secure: bool, seconds: int | None = None) -> None:
    """Let a browser keep a cookie that no script reads and no other site sends; 0 *seconds* takes it away."""
    answer.set_cookie(
        named(name, is_secure=is_secure),
        value,
        max_age=seconds,
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="lax",
    )
