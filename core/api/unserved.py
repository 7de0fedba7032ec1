"""Addresses that tools and scanners try and that are not there: the console would answer them with its page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Route

from core.api.problem import Problem

ADDRESSES = ("/openapi.json", "/docs", "/redoc", "/.{rest:path}")


def unserved() -> list[Route]:
    """Return the routes that say so."""
    return [Route(address, _nothing_here, methods=["GET"]) for address in ADDRESSES]


async def _nothing_here(_request: Request) -> Problem:
    return Problem(
        status=404,
        code="not_found",
        title="Not found",
        detail="There is nothing at this address. GET /v1/openapi.json describes the API.",
    )
