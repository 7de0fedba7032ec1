"""How Claude is asked in a cloud: the SDK's own client says it, of a request whose texts it need not see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from anthropic._models import FinalRequestOptions

from core.providers import Broken, ModelNotFound
from core.providers._worded import WireResponse

UNTAKEN = ("cache_control",)
"""Members of a body that no cloud takes, and whose loss changes no answer: marks within it are taken."""
_MOST_KNOWN = 256
_PATH = "/v1/messages"


@dataclass(frozen=True, slots=True)
class CloudCall:
    """What of a call is a cloud's own."""

    path: str
    added: Mapping[str, Any]
    """Members of the body, unless the caller says them."""
    dropped: frozenset[str]
    """Members that say what the path says."""


class CloudWording:
    """Asks the SDK's client how it would send a request, once for each model."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[tuple[str, bool, str], CloudCall] = {}

    async def of(self, client: Any, model: str, *, streams: bool, betas: str) -> CloudCall:
        """Return how *client* sends a request to *model*; *betas* are the caller's, as one header names them.

        Raises:
            ModelNotFound: a path cannot hold the name.

        """
        asked = model, streams, betas
        if (known := self._known.get(asked)) is not None:
            return known
        said = {"model": model, "stream": streams}
        options = FinalRequestOptions(
            method="post", url=_PATH, json_data=dict(said), headers={"anthropic-beta": betas} if betas else {}
        )
        try:
            prepared = await client._prepare_options(options)  # noqa: SLF001 the hook by which its clients differ
        except ValueError:
            raise ModelNotFound(f"{self._name} has no model of this name: no path can hold it.") from None
        body: dict[str, Any] = prepared.json_data
        call = CloudCall(
            path=prepared.url,
            added={name: value for name, value in body.items() if name not in said},
            dropped=frozenset(said) - body.keys(),
        )
        if len(self._known) >= _MOST_KNOWN:  # callers choose some of the models, and the betas
            self._known.clear()
        self._known[asked] = call
        return call


def is_of_amazon(response: WireResponse) -> bool:
    """Whether a stream comes in Amazon's frames, and not as server-sent events."""
    return "amazon.eventstream" in response.headers.get("content-type", "")


async def as_server_sent(client: Any, name: str, response: WireResponse) -> AsyncIterator[bytes]:
    """Yield what came in Amazon's frames as the server-sent events that Anthropic itself would send.

    Raises:
        Broken: they cannot be read: something was lost on the way.

    """
    try:
        async for event in client._make_sse_decoder().aiter_bytes(response.aiter_bytes()):  # noqa: SLF001 as above
            yield b"event: %s\ndata: %s\n\n" % (event.event.encode(), event.data.encode())
    except Exception as error:
        if type(error).__module__ != "botocore.eventstream":
            raise
        raise Broken(f"{name} sent a stream that cannot be read ({type(error).__name__}).") from error
