"""What OpenAI's two dialects share: how they say no, and parts of messages."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any, cast

import orjson

from core.dialects._body import DEEPEST, has_halves, is_deep
from core.dialects._refusals import outward_status, waiting
from core.dialects._request import ErrorResponse, LimitHeaders
from core.dialects._values import mapping, word
from core.dialects._vendor_errors import parsed, said_in
from core.errors import Invalid

_CODES = {"unauthenticated": "invalid_api_key", "too_many_wrong_keys": "rate_limit_exceeded"}
_NOT_FOUND = {"model": "model_not_found", "previous_response_id": "previous_response_not_found"}


def openai_error(status: int, code: str, sentence: str, param: str | None = None) -> dict[str, Any]:
    """Return the error object."""
    if code == "not_found":
        code = _NOT_FOUND.get(param or "", code)
    return {"message": sentence, "type": _kind(status), "param": param, "code": _CODES.get(code, code)}


class OpenAIErrors:
    """How both dialects say no."""

    request_id_header = "x-request-id"

    def refusal(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        param: str | None = None,
        request_id: str,
        retry: bool = False,
        wait_seconds: float | None = None,
    ) -> ErrorResponse:
        """Return one of our errors."""
        status = outward_status(status, code)
        headers = {"content-type": "application/json", self.request_id_header: request_id}
        headers |= waiting(status, retry=retry, wait_seconds=wait_seconds)
        return ErrorResponse(status, headers, orjson.dumps({"error": openai_error(status, code, sentence, param)}))

    def limit_headers(self, kind: str) -> LimitHeaders:
        """Return in which headers programs look for a limit."""
        return LimitHeaders(*(f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset")))

    def limit_reset(self, seconds: float, now: datetime) -> str:  # noqa: ARG002 Anthropic's tells the time of day
        """Return it as OpenAI does: ``17ms``, ``1.5s``, ``1m30s``."""
        if seconds < 1:
            return f"{math.ceil(seconds * 1000)}ms"
        minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, 60)
        return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"

    def vendor_error(self, status: int, body: bytes) -> bytes:
        """Return a vendor's error, in OpenAI's shape where it is not."""
        told = parsed(body)
        error: Any = cast("dict[str, Any]", told).get("error") if isinstance(told, dict) else None
        if word(mapping(error), "message"):
            return body
        sentence, code = said_in(status, told)
        return orjson.dumps({"error": {"message": sentence, "type": _kind(status), "param": None, "code": code}})


def arguments_of(given: Any) -> Any:
    """Return the arguments of a call as an object, if they are one; else as they came.

    Raises:
        Invalid: they nest too deep to be kept.

    """
    value = given
    if isinstance(given, str):
        try:
            value = json.loads(given)
            if has_halves(given):
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return given
    if not isinstance(value, dict):
        return given
    if (not isinstance(given, str) or given.count("{") + given.count("[") > DEEPEST) and is_deep(value):
        raise Invalid("The arguments of a call nest too deep to be kept; nest them less.")
    return cast("dict[str, Any]", value)


def data_url(url: str) -> tuple[str, str]:
    """Return the type and the base64 of a link that is the data itself; two empty texts for any other."""
    if url[:5].lower() != "data:":
        return "", ""
    head, _, data = url[5:].partition(",")
    return head.partition(";")[0], data


def _kind(status: int) -> str:
    match status:
        case 401 | 403:
            return "invalid_request_error" if status == 401 else "permission_error"
        case 402:
            return "insufficient_quota"
        case 429:
            return "rate_limit_error"
        case _:
            return "server_error" if status >= 500 else "invalid_request_error"
