"""OpenAI, and every server that speaks its dialect: chat completions, or the Responses API by setting."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import openai

from core.capabilities import Cards
from core.dialects import Beside, DialectName, Path, RelayRequest, VendorResponse
from core.messages import Message
from core.pricing import PossibleBilling
from core.providers import Ask, Framed, Relayed, Unreadable
from core.providers._call_ids import call_id_changes
from core.providers._dialect import schema_form
from core.providers._families import wants_completion_tokens
from core.providers._identities import Identity, KeyHeader, identity_of
from core.providers._keys import Keyring, RestingKey
from core.providers._messages import require_readable
from core.providers._openai_conversations import ChatConversation, ResponsesConversation, possible_billing
from core.providers._relay import Relay
from core.providers._stored_call import stored_call
from core.providers._usage import region_of
from core.providers._wire import NO_TIMEOUT, Wire
from core.servers import RECIPES, Dialect, Recipe, Server
from core.settings import Settings


class OpenAI:
    """A server that speaks OpenAI's dialect."""

    def __init__(
        self,
        *,
        name: str = "openai",
        api_key: str,
        base_url: str | None = None,
        responses: bool = False,
        keys: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        identity: Identity | None = None,
        recipe: Recipe | None = None,
        api_version: str | None = None,
        also: tuple[Dialect, ...] = (),
    ) -> None:
        self.name = name
        self.cards: Cards | None = None
        """What its models can."""
        self.dialects: tuple[Dialect, ...] = ("responses" if responses else "chat", *also)
        is_openai = base_url is None or bool(region_of(base_url))
        if is_openai and recipe is None:
            self.dialects = ("chat", "responses")  # whichever of them our own questions take
        self._responses = responses
        self._recipe = recipe or RECIPES["openai" if is_openai else "local" if name == "local" else "compatible"]
        """What it takes, and whose rules for schemas hold: behind an address may be anybody's models."""
        self._mode = self._recipe.modes[0] if recipe else "tools"
        self._geo = region_of(base_url)
        self._has_deployments = api_version is not None
        self._wire = Wire(
            name,
            openai,
            lambda http: openai.AsyncOpenAI(
                api_key=api_key or "unused",
                base_url=base_url,
                max_retries=0,
                timeout=NO_TIMEOUT,
                http_client=http,
                default_headers=headers,
                default_query={"api-version": api_version} if api_version else None,
            ),
            "x-request-id",
            keys=Keyring(name, keys or (api_key,)),
            identity=identity or (KeyHeader("bearer") if len(keys) > 1 else None),
        )

    @property
    def resting_keys(self) -> Sequence[RestingKey]:
        """Those of its keys that it turned away, and that rest."""
        return self._wire.keys.resting

    def open(self, ask: Ask) -> Framed:
        """Begin a conversation."""
        require_readable(ask, self.name, self.cards)
        form = schema_form(ask.response_model, self._recipe.rules, ask.mode or self._mode)
        kind = ResponsesConversation if self._responses else ChatConversation
        path = self._path("/responses" if self._responses else "/chat/completions", ask.model)
        return kind(self._wire, ask, form, path=path, recipe=self._recipe, geo=self._geo)

    def _path(self, path: str, model: str) -> str:
        """Return where *model* is asked: where deployments stand in the path, chat completions have one for each."""
        is_placed = self._has_deployments and path == "/chat/completions"
        return f"/deployments/{quote(model, safe='')}{path}" if is_placed else path

    def relay(
        self,
        request: RelayRequest,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[Message],
        beside: Beside,
        may_store: bool = True,
    ) -> Relayed:
        """Begin a relay."""
        if request.dialect.name.value not in self.dialects:
            raise Unreadable(f"{self.name} does not speak this door's dialect")
        is_known = self._recipe.rules == "openai" or wants_completion_tokens(model)
        limit = "max_tokens" if request.dialect.name is DialectName.CHAT and not is_known else ""
        vendor = "openai" if self._recipe is RECIPES["openai"] else "compatible"
        return Relay(
            self._wire,
            request,
            path=self._path(request.dialect.path, model),
            model=model,
            max_tokens=max_tokens,
            messages=messages,
            limit=limit,
            vendor=vendor,
            geo=self._geo,
            billing=self._billing(request.source.values.get("service_tier")),
            takes_stream_options=self._recipe.takes_stream_options,
            beside=beside,
            changes=self._changes(request, may_store=may_store),
        )

    def _changes(self, request: RelayRequest, *, may_store: bool) -> list[tuple[Path, str]]:
        """Return what is another here than in *request*: ids that it does not take, and whether to store the answer."""
        changes = [] if self._recipe.takes_any_call_id else call_id_changes(request)
        dialect, said = request.dialect.name, request.source.values.get("store")
        is_usual = dialect is DialectName.RESPONSES or dialect.value in self._recipe.stores
        if not may_store and (said or (said is None and is_usual)):
            changes.append((("store",), "false"))
        return changes

    def _billing(self, tier: Any) -> PossibleBilling:
        return possible_billing(tier if isinstance(tier, str) else None, self._recipe, self._geo)

    def stored(
        self, verb: str, path: str, query: Sequence[tuple[str, str]], *, key_digest: str, seconds: float
    ) -> Coroutine[Any, Any, VendorResponse]:
        """Ask about something that is stored here under one of the keys; see :class:`core.providers.Storing`."""
        return stored_call(self._wire, verb, path, query, key_digest=key_digest, seconds=seconds)

    def models(self, seconds: float) -> Coroutine[Any, Any, VendorResponse]:
        """Ask which models it has; see :class:`core.providers.Listing`."""
        return stored_call(self._wire, "get", "/models", (), key_digest="", seconds=seconds)

    async def close(self) -> None:
        """Close its connections."""
        await self._wire.close()


def provider(settings: Settings) -> OpenAI:
    """Return OpenAI as *settings* describe it."""
    keys = settings.keys("openai")
    return OpenAI(
        api_key=keys[0],
        keys=keys,
        base_url=settings.openai_base_url,
        responses=settings.openai_api == "responses",
    )


def named(server: Server) -> OpenAI:
    """Return a server that speaks OpenAI's dialect, as the settings name it."""
    keys = [key.get_secret_value() for key in server.keys]
    address = server.address or None
    if server.recipe is RECIPES["openai"] and server.base_url is None:
        address = None  # the SDK knows it
    if server.recipe is RECIPES["azure"] and address is not None:
        address += "/openai" if server.api_version else "" if address.endswith("/openai/v1") else "/openai/v1"
    return OpenAI(
        name=server.name,
        api_key=keys[0] if keys else "unused",
        keys=keys,
        base_url=address,
        responses=server.dialect == "responses",
        headers={name: text.get_secret_value() for name, text in server.headers.items()},
        identity=identity_of(server),
        recipe=None if server.recipe is RECIPES["openai"] else server.recipe,
        api_version=server.api_version,
        also=() if server.api_version else server.also,
    )
