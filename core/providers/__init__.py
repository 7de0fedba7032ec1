"""The vendors we can call. One file each, beside what they share: the loop they all run on, the local model's life.

A provider opens a *conversation* about one schema with one model. The attempt loop (``core/attempts``) sends, reads,
and asks again; the conversation knows the vendor's wire and nothing of budgets, retries or tenants. All I/O runs on one
event loop in the background, where a deadline is hard and a cancelled caller closes its connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from core.capabilities import Cards
from core.dialects import Beside, RelayRequest, VendorResponse
from core.messages import Message
from core.pricing import PossibleBilling
from core.providers._answers import Abandoned as Abandoned
from core.providers._answers import Answer as Answer
from core.providers._answers import Broken as Broken
from core.providers._answers import ContextOverflow as ContextOverflow
from core.providers._answers import Failed as Failed
from core.providers._answers import Filtered as Filtered
from core.providers._answers import Garbled as Garbled
from core.providers._answers import KeyRejected as KeyRejected
from core.providers._answers import Misread as Misread
from core.providers._answers import ModelNotFound as ModelNotFound
from core.providers._answers import NotSent as NotSent
from core.providers._answers import ProviderError as ProviderError
from core.providers._answers import QuotaExhausted as QuotaExhausted
from core.providers._answers import Refused as Refused
from core.providers._answers import Throttled as Throttled
from core.providers._answers import TimedOut as TimedOut
from core.providers._answers import Truncated as Truncated
from core.providers._answers import TurnedAway as TurnedAway
from core.providers._answers import Unreachable as Unreachable
from core.providers._answers import misread as misread
from core.schema_forms import SchemaForm
from core.servers import Dialect
from core.settings import Settings
from core.validation import Effort
from core.workers import Unjudged as Unjudged  # a read of an answer raises it

PARAMETERS: Mapping[str, tuple[str, ...] | tuple[float, float] | None] = MappingProxyType(
    {
        "temperature": (0.0, 2.0),
        "top_p": (0.0, 1.0),
        "top_k": None,
        "seed": None,
        "reasoning_effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "verbosity": ("low", "medium", "high"),
        "service_tier": ("default", "flex", "priority"),
    }
)
"""What a candidate may set beside its length: between two numbers, one of some words, or (``None``) a whole number."""


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of *given* that say anything, checked, in a fixed order.

    Raises:
        ValueError: one is unknown, or has a value that it cannot have; the text says which and what it may be.

    """
    if unknown := sorted(set(given) - set(PARAMETERS)):
        raise ValueError(f"{unknown[0]!r} is no parameter; there are {', '.join(PARAMETERS)}")
    checked: dict[str, Any] = {}
    for name, allowed in PARAMETERS.items():
        value = given.get(name)
        if value is None or value == "":
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        match allowed:
            case None if not (is_number and 0 <= value < 2**31 and value == int(value)):
                raise ValueError(f"{name} is a whole number from 0 on; this is {value!r}")
            case (float(low), float(high)) if not (is_number and low <= value <= high):
                raise ValueError(f"{name} lies between {low:g} and {high:g}; this is {value!r}")
            case (str(), *_) if value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}; this is {value!r}")
            case _:
                checked[name] = int(value) if allowed is None else value
    return checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a conversation is opened with."""

    model: str
    """The model's name, without its provider."""
    response_model: type[BaseModel]
    messages: Sequence[Message]
    """In order. What is stable goes out first, so that the vendor's cache finds it again."""
    mode: str | None = None
    """``tools``, ``json_schema``, ``json`` or ``md_json``; ``None`` takes what suits the provider."""
    max_tokens: int = 1024
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of ``PARAMETERS``. A vendor is sent those that its wire knows, by the names that it gives them."""
    marks_cache: bool = True
    """Whether the end of what is stable is marked, where a vendor caches only what is marked (Anthropic)."""
    cache_key: str = ""
    """An opaque word that calls with the same stable beginning share; OpenAI sends them to the same machine by it."""
    stream: bool = False
    example: tuple[str, Mapping[str, Any]] | None = None
    """An input and its valid object, to show to models that need one."""


class Unreadable(Exception):
    """A provider's wire cannot carry what the messages hold: no conversation begins. The message says what, and why."""


class MediaTokens(NamedTuple):
    """What images, documents and sounds take as input."""

    likely: int
    most: int


NO_MEDIA = MediaTokens(0, 0)


class Exchange(Protocol):
    """What a walk needs of whoever is called: the same messages, sent once or again."""

    mode: str
    """The one that is taken."""

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out, should it end early."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes of everything the next call sends that is paid as text."""
        ...

    @property
    def texts(self) -> Sequence[str]:
        """What of it is words, near enough: for who is to count their tokens."""
        ...

    @property
    def media_tokens(self) -> MediaTokens:
        """The tokens that the images and documents take which it sends."""
        ...

    @property
    def possible_billing(self) -> PossibleBilling:
        """How the vendor may bill the next call."""
        ...

    async def send(self, on_piece: Callable[[Any], Any] | None, /) -> Answer:
        """Call the provider once. With *on_piece*, stream: it is given each piece.

        Where it returns something to wait for, a relay waits for that before the next piece.

        Raises:
            ProviderError: there is no answer to read; ``answer`` on it holds what the wire told before.

        """
        ...

    def allow(self, max_tokens: int) -> None:
        """Let the next answer be *max_tokens* long: the same is sent again after one that was cut off."""
        ...


class Relayed(Exchange, Protocol):
    """An exchange in the caller's own words, which may name what the vendor stores."""

    remark: str
    """What the decision trace is told of how it is sent; empty for nothing."""

    def bind(self, key_digest: str, tokens: int | None) -> None:
        """Ask with the key of this digest only, which has what the request names.

        *tokens* of it are billed again at most; ``None``: as many as the model's context takes.
        """
        ...


class Framed(Exchange, Protocol):
    """One schema, one model, one growing exchange, in a frame of ours. Its pieces are those of the object's JSON text.

    ``mode`` is that of ``form``.
    """

    form: SchemaForm
    """The schema as it is sent, and who checks what."""

    def read(self, answer: Answer, effort: Effort | None = None) -> BaseModel:
        """Return the valid object, for no more than *effort*.

        Raises:
            pydantic.ValidationError: the answer does not satisfy the schema.
            Unjudged: the effort's deadline passed before that was known.

        """
        ...

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange; return the messages that were added."""
        ...


class Provider(Protocol):
    """A vendor."""

    name: str

    @property
    def dialects(self) -> tuple[Dialect, ...]:
        """Which wires it speaks: a call in one of these needs no translation."""
        ...

    def open(self, ask: Ask) -> Framed:
        """Begin a conversation. Does no I/O.

        Raises:
            Unreadable: the wire cannot carry what the messages hold.

        """
        ...

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
        """Begin to send a caller's own *request* on, with the texts of *messages*. Does no I/O.

        *max_tokens* is set where the caller set none; *beside* goes out with it. Unless it *may_store* the answer,
        it is told not to, whatever the request says.

        Raises:
            Unreadable: it speaks another dialect.

        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Listing(Protocol):
    """A vendor that tells its models for nothing."""

    def models(self, seconds: float) -> Coroutine[Any, Any, VendorResponse]:
        """Ask which models it has, with one of our keys; to be run on the loop, within *seconds*.

        Raises:
            ProviderError: no success.

        """
        ...


class Storing(Protocol):
    """A vendor that stores what it answered, and can be asked for it."""

    def stored(
        self, verb: str, path: str, query: Sequence[tuple[str, str]], *, key_digest: str, seconds: float
    ) -> Coroutine[Any, Any, VendorResponse]:
        """Ask about something that is stored, with the key that made it; to be run on the loop, within *seconds*.

        Raises:
            ProviderError: no success; ``answer.raw`` on it is what the vendor said, if it said anything.

        """
        ...


class LazyProviders(Mapping[str, Provider]):
    """The providers that are set up, each made when it is first asked: its SDK takes a second to load."""

    def __init__(self, makers: Mapping[str, Callable[[], Provider]]) -> None:
        self._makers = makers
        self._made: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Provider:
        if name not in self._made:
            with self._lock:
                if name not in self._made:
                    self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    @property
    def made(self) -> Sequence[Provider]:
        """Those that were asked for so far."""
        return list(self._made.values())


def load(name: str, settings: Settings, cards: Cards | None = None) -> Provider:
    """Return the provider *name*: the file of this name in this folder builds it, or what its dialect says.

    *cards* tell it what its models can; without, they can everything.
    """
    if (server := settings.providers.get(name)) is not None:
        file = "anthropic" if server.dialect == "messages" else "openai"
        found = import_module(f"core.providers.{file}").named(server)
    else:
        found = import_module(f"core.providers.{name}").provider(settings)
    found.cards = cards
    return found


def load_local(model: Any) -> Provider:
    """Return the provider of the small model on this machine, which loads an SDK."""
    found: Provider = import_module("core.providers.local").Local(model)
    return found
