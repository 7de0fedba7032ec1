"""One call, whole or streamed: what comes of both is one body, which the dialect then reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from core.pricing import Usage
from core.providers import Broken, Garbled, ProviderError, Unreachable
from core.providers._told import Told
from core.providers._usage import most_told
from core.providers._wire import Wire
from core.providers.reading.growth import Contents, Growth

Reader = Callable[[dict[str, Any]], Contents | None]
UsageOf = Callable[[Mapping[str, Any]], Usage | None]


async def body_told(
    wire: Wire,
    path: str,
    content: bytes,
    told: Told,
    *,
    growth: Growth,
    reader: Reader,
    usage_of: UsageOf,
    on_text: Callable[[str], None] | None,
) -> dict[str, Any]:
    """Send *content*, return the body of the answer, whichever way it came; *told* grows with it.

    A server may answer with a stream although none was asked for, or the other way round. A stream that breaks, or
    ends without a word, when the object stands there whole is an answer: to ask again would be to pay for it twice.

    Raises:
        ProviderError: there is no body to read.

    """
    take = _taking(growth, told, usage_of, on_text)
    broken: ProviderError | None = None
    try:
        if on_text is None:
            body = await wire.post(path, content, told, take)
        else:
            body = await wire.stream(path, content, told, take)
    except (Unreachable, Broken, Garbled) as error:
        body, broken = None, error
        if not told.pieces:
            raise
    if body is not None:
        if on_text is not None and (reading := reader(body)) is not None:
            on_text(reading.texts[0])
        return body
    told.is_usage_final = broken is None and (growth.is_usage_final or not growth.usage)
    if not (growth.is_ended or told.is_done) or broken is not None:
        reading = reader(growth.body())
        error = broken or Broken(f"{wire.name} ended its stream in the middle.", answer=told.answer())
        if not told.pieces:
            raise error
        told.is_usage_final = False
        if reading is None or not reading.is_whole:
            raise in_spite_of(error, reading, told)
    return growth.body()


def in_spite_of(error: ProviderError, reading: Contents | None, told: Told) -> ProviderError:
    """Return *error*, behind which a long answer may be whole: whoever reads it finds out, and passes it over then."""
    if reading is not None and reading.is_long and not reading.is_refused:
        error.answer = told.read(reading)
        error.may_be_whole = True
    return error


def _taking(
    growth: Growth, told: Told, usage_of: UsageOf, on_text: Callable[[str], None] | None
) -> Callable[[dict[str, Any]], None]:
    """Return what takes in the events of a stream that begins now; *told* grows with them."""
    clock = asyncio.get_running_loop()
    started, usage = clock.time(), dict[str, Any]()

    def take(event: dict[str, Any]) -> None:
        """Take in one event of a stream, and show what it adds to the object."""
        nonlocal usage
        grown = growth.take(event)
        told.model = growth.model or told.model
        told.finish_reason = growth.finish_reason or told.finish_reason
        if growth.usage != usage:
            usage = dict(growth.usage)
            told.usage = most_told(told.usage, usage_of(usage))
        if not grown.written:
            return
        if told.ttft_seconds is None:
            told.ttft_seconds = clock.time() - started
        told.pieces.append(grown.written)
        if on_text is not None and grown.shown:
            on_text(grown.shown)

    return take
