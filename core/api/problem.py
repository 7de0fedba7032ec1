"""An error as the caller reads it: problem+json (RFC 9457). It imports nothing heavy: it is told during the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Response):
    """An error as the caller reads it."""

    media_type = MEDIA_TYPE

    def __init__(
        self, *, status: int, code: str, title: str, detail: str, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        self.code = code
        self.detail = detail
        self.facts: Mapping[str, Any] = facts
        document: dict[str, Any] = {
            "type": f"urn:proctor:problem:{code}",
            "title": title,
            "status": status,
            "code": code,
            "detail": detail,
            "generation_id": None,
            "outcome": None,
            "trace": [],
        }
        body = orjson.dumps(document | facts, option=orjson.OPT_UTC_Z)
        super().__init__(body, status_code=status, headers=dict(headers or {}))
