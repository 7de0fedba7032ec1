"""What the wire has told of the call that is out, and what that comes to as an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.pricing import Usage
from core.providers import Answer, Garbled
from core.providers.reading.growth import Contents


@dataclass(slots=True)
class Told:
    """What the wire has told of the call that is out."""

    http_status: int | None = None
    provider_request_id: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    is_usage_final: bool = True
    ttft_seconds: float | None = None
    pieces: list[str] = field(default_factory=list[str])
    is_done: bool = False
    """Whether a stream told its end by ``[DONE]``."""
    remark: str = ""
    """For the decision trace: which of several keys was taken, and why not another."""
    hidden: tuple[str, ...] = ()
    """What was sent, and is not repeated where a vendor's error quotes it."""

    def read(self, contents: Contents) -> Answer:
        """Return it as an answer that says *contents*."""
        return replace(
            self.answer(contents.said, contents.texts),
            finish_reason=contents.finish_reason,
            blocks=tuple(map(_encodable, contents.blocks)),
        )

    def answer(self, raw: Any = None, texts: Sequence[str] | None = None) -> Answer:
        """Return it as an answer whose object stands in one of *texts*."""
        first, *others = ["".join(self.pieces)] if texts is None else map(_encodable, texts)
        return Answer(
            text=_encodable(first),
            others=tuple(others),
            http_status=self.http_status,
            provider_request_id=self.provider_request_id,
            model=self.model,
            finish_reason=self.finish_reason,
            usage=self.usage,
            is_usage_final=self.is_usage_final,
            ttft_seconds=self.ttft_seconds,
            remark=self.remark,
            raw=raw,
        )


def without_answer(sentence: str, told: Told) -> Garbled:
    """Return what a body is that holds no answer: what it told of its usage is what it costs."""
    empty = Garbled(sentence, answer=told.answer(texts=("",)))
    empty.told_all = told.usage is not None
    return empty


def _encodable(text: str) -> str:
    """Return *text* without halves of surrogate pairs, which no database and no wire takes."""
    if text.isascii():
        return text
    return text.encode(errors="replace").decode()
