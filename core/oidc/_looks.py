"""Whether a provider can be signed in by from here, looked at without anybody who signs in."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from core.clock import Clock
from core.identity_providers import IdentityProvider
from core.oidc._fetching import fetch, json_object
from core.oidc._metadata import NotAProvider, read_metadata
from core.oidc._tokens import LEEWAY_SECONDS


def looked_at(provider: IdentityProvider, clock: Clock) -> tuple[bool, str]:
    """Return whether *provider* answers as one, and a sentence: what it says of itself, its keys, and its clock."""
    variable = f"OIDC_{provider.name.replace('-', '_').upper()}_ISSUER"
    try:
        answer = fetch(provider.metadata_address)
        said = json_object(answer)
    except httpx2.HTTPStatusError as error:
        return False, f"It answers {error.response.status_code} where a provider says what it is: look at {variable}."
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return False, f"It is not reached ({type(error).__name__}): look at {variable}, and at this machine's network."
    except NotAProvider:
        return False, f"It does not answer as a provider: look at {variable}."
    if said.get("issuer") != provider.issuer:
        return False, f"It names another issuer than {variable}, which has to be the same to the letter."
    try:
        keys: Any = json_object(fetch(read_metadata(said, provider.issuer).jwks_uri)).get("keys")
    except (httpx2.HTTPError, httpx2.InvalidURL, NotAProvider):
        return False, "It says what it is, and its keys are not to be had: nothing that it signs can be believed."
    apart = _apart(answer, clock)
    if apart is not None and apart > LEEWAY_SECONDS:
        return False, (
            f"Its clock and this machine's are {apart:.0f} s apart; beyond {LEEWAY_SECONDS} s its tokens are refused."
        )
    count = len(keys) if isinstance(keys, list) else 0  # pyright: ignore[reportUnknownArgumentType] of whatever
    return True, f"It answers as its issuer, with {count} key{'s' if count != 1 else ''}, and its clock agrees."


def _apart(answer: httpx2.Response, clock: Clock) -> float | None:
    """Return by how many seconds the clocks differ; ``None`` where it tells no time."""
    try:
        told = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return None if told.tzinfo is None else abs((told - clock.now()).total_seconds())
