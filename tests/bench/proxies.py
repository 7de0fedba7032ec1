"""What people put between a program and a vendor without a console: a proxy of bytes, and Instructor behind FastAPI."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import instructor
import openai
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.bench.generation import Ticket

_URL = os.environ.get("BENCH_VENDOR_URL", "")
_LIMITS = httpx2.Limits(max_connections=10_000, max_keepalive_connections=None)
_http = httpx2.AsyncClient(limits=_LIMITS, timeout=None)
_sdk = openai.AsyncOpenAI(api_key="bench", base_url=f"{_URL}/v1", max_retries=0)
_asked = instructor.from_openai(_sdk, mode=instructor.Mode.JSON_SCHEMA)


async def _passed_on(request: Request) -> Response:
    headers = {"content-type": "application/json", "authorization": "Bearer bench"}
    asked = _http.build_request("POST", f"{_URL}{request.url.path}", content=await request.body(), headers=headers)
    answer = await _http.send(asked, stream=True)
    media = answer.headers.get("content-type", "")
    if "event-stream" in media:
        return StreamingResponse(
            answer.aiter_bytes(), answer.status_code, media_type=media, background=BackgroundTask(answer.aclose)
        )
    content = await answer.aread()
    await answer.aclose()
    return Response(content, answer.status_code, media_type=media)


async def _health(_request: Request) -> Response:
    return Response("ok")


bare = Starlette(
    routes=[Route("/v1/chat/completions", _passed_on, methods=["POST"]), Route("/health", _health, methods=["GET"])]
)
"""Bytes in, bytes out; nothing is read, checked, counted or written down."""
with_instructor = FastAPI()
"""The object that Instructor makes, or its partial ones as they grow."""


@with_instructor.get("/health")
def health() -> str:
    """Say that it runs."""
    return "ok"


@with_instructor.post("/v1/chat/completions")
async def ask(body: dict[str, Any]) -> Any:
    """Ask for a ticket."""
    asked = {"model": body["model"], "messages": body["messages"], "max_tokens": body["max_tokens"]}
    if not body.get("stream"):
        return await _asked.create(response_model=Ticket, **asked)

    async def growing() -> AsyncGenerator[bytes]:
        async for ticket in _asked.create_partial(response_model=Ticket, **asked):
            yield b"data: %b\n\n" % ticket.model_dump_json().encode()

    return StreamingResponse(growing(), media_type="text/event-stream")
