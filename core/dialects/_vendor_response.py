"""The head of what a vendor answered, and all of it where it came whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from core.dialects._frames import Frames
from core.unchanging import unchanging


@unchanging
class VendorResponse:
    """What a vendor answered, as far as the caller gets it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    value: Mapping[str, Any] | None = field(default=None, repr=False)
    """What the body, or the events of a stream together, say."""
    frames: Frames | None = None
    """The reader of a stream that has begun."""
    provider: str = ""
    """Who answered."""
    model: str = ""
    """As it was asked for."""
    key_digest: str = ""
    """Which key it was asked with."""
    answered_by: str = ""
    """``provider/model`` of the candidate that is streaming, also where what it says is translated."""
    generation_id: str = ""
    """Under which a stream is recorded."""
    attempts: int = 0
    """How many calls it took, of a stream of which nothing was passed on before it was judged; else 0."""
    remaining: Any = field(default=None, repr=False)
    """What is left of the caller's limits and budget as it begins (``core.record``)."""
    not_judged: Sequence[str] = ()
    """The rules by which something has gone on without a verdict as it begins."""
    kept: bytes | None = field(default=None, repr=False)
    """The body as it may be kept, where data were put back into it that nobody but the caller gets."""
