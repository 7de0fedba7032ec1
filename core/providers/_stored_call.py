"""One call about what a vendor stores, over the SDK's own client, under the key that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import httpx2

from core.dialects import DIALECTS, DialectName, VendorResponse
from core.providers import TimedOut
from core.providers._failures import status_error
from core.providers._keys import ProviderKey
from core.providers._relay import masked, passed_headers
from core.providers._told import Told
from core.providers._wire import Wire
from core.providers.reading.reasons import body_of


async def stored_call(
    wire: Wire, verb: str, path: str, query: Sequence[tuple[str, str]], *, key_digest: str, seconds: float
) -> VendorResponse:
    """Return what the vendor answers within *seconds*, asked with the key of this digest.

    Without one it is a question about none of what is stored: any key will do, and none rests for its answer, as a key
    may be good for calls and not for this.

    Raises:
        ProviderError: no success; ``answer.raw`` on it is what the vendor said, if it said anything.

    """
    told, named = Told(hidden=wire.keys.secrets), dict[str, list[str]]()
    for name, value in query:
        named.setdefault(name.removesuffix("[]"), []).append(value)
    try:
        async with asyncio.timeout(seconds):
            ask = partial(_answered, wire, (verb, path, named), told)
            return await (wire.with_keys(ask, told, held_by=key_digest) if key_digest else ask(wire.keys.take()))
    except TimeoutError:
        raise TimedOut(f"{wire.name} gave no whole answer within {seconds:.3g} s.", answer=told.answer()) from None


async def _answered(
    wire: Wire, asked: tuple[str, str, Mapping[str, Any]], told: Told, key: ProviderKey
) -> VendorResponse:
    response: httpx2.Response = await wire.asked(*asked, told, key)
    headers = passed_headers(response, told.provider_request_id, DIALECTS[DialectName.RESPONSES].request_id_header)
    raw = VendorResponse(response.status_code, headers, masked(response.content, wire.keys.secrets))
    if not response.is_success:
        raise status_error(wire.name, response, body_of(response.content), told.answer(raw), hidden=told.hidden)
    return raw
