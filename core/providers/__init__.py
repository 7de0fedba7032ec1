"""The vendors we can call. One file each, beside what they share: the loop they all run on, the local model's life.

A provider opens a *conversation* about one schema with one model. The attempt loop (``core/attempts``) sends, reads,
and asks again; the conversation knows the vendor's wire and nothing of budgets, retries or tenants. All I/O runs on one
event loop in the background, where a deadline is hard and a cancelled caller closes its connection.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from core.capabilities import Cards
from core.dialects import RelayRequest, VendorResponse
from core.messages import Message
from core.pricing import PossibleBilling, Usage
from core.schema_forms import SchemaForm
from core.servers import Dialect
from core.settings import Settings
from core.tables import Outcome
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, as far as the wire told it."""

    text: str = ""
    """The JSON text of the object, as the model wrote it."""
    others: tuple[str, ...] = field(default=(), repr=False)
    """Where the object may stand if it does not stand in ``text``, the likeliest first."""
    http_status: int | None = None
    provider_request_id: str | None = None
    model: str | None = None
    """Who the provider says answered."""
    finish_reason: str | None = None
    usage: Usage | None = None
    """``None`` where the wire never told."""
    is_usage_final: bool = True
    """Whether the usage is the whole call's. One that was told at the beginning only is a part of it."""
    ttft_seconds: float | None = None
    """From sending to the first piece of content; known for streams only."""
    remark: str = ""
    """A sentence for the decision trace, where something was unusual about how the provider was asked."""
    raw: Any = field(default=None, repr=False)
    """The vendor's object, for reading and asking again."""


class Unreadable(Exception):
    """A provider's wire cannot carry what the messages hold: no conversation begins. The message says what, and why."""


class ProviderError(Exception):
    """A call that gave no answer to read. The class answers two questions; no instance leaves the attempt loop.

    The message is fit to be shown: it holds no key, no prompt and no answer.
    """

    outcome: ClassVar[Outcome] = Outcome.PROVIDER_ERROR
    code: ClassVar[str] = "provider_error"
    try_again: bool = False
    """Whether the same call may succeed a moment later: so each kind is, unless the vendor says that it cannot."""
    trips_breaker: ClassVar[bool] = True
    """Whether it speaks against the provider's health."""
    tells_health: bool = True
    """Whether it says anything of that health, for or against. What was turned away before any work does not."""
    was_sent: bool = True
    """Whether the provider may have worked for it, so that unknown usage must be estimated."""

    may_be_whole: bool = False
    """Whether ``answer`` may hold the whole object although it was cut."""
    told_all: bool = True
    """Whether usage on ``answer`` is final; if not, it may be a beginning only, and the rest is estimated."""
    keys_rest: bool = False
    """Whether every key of the provider's rests now; ``retry_after_seconds`` says for how long."""

    def __init__(
        self,
        message: str,
        *,
        answer: Answer | None = None,
        retry_after_seconds: float | None = None,
        quoting: Callable[[], str] | None = None,
    ) -> None:
        """Say what happened, and by *quoting* what the vendor says of it."""
        super().__init__(message)
        self._message = message
        self._quoting = quoting
        self.answer = answer or Answer()
        self.retry_after_seconds = retry_after_seconds

    @property
    def message(self) -> str:
        """What happened, and what the vendor says of it, without what it quotes of the messages that it was sent.

        To find that takes some time for each megabyte of them. So it is done as the message is first asked for, by
        whoever waits for the call, and not on the loop that serves all.
        """
        if self._quoting is not None:
            self._message, self._quoting = self._message + self._quoting(), None
        return self._message


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


class Throttled(ProviderError):
    """The provider says too fast (429)."""

    code = "throttled"
    try_again = True
    was_sent = False


class Failed(ProviderError):
    """The provider failed on its side (5xx)."""

    code = "server_error"
    try_again = True
    was_sent = False


class Unreachable(ProviderError):
    """No connection, or one that broke before an answer was whole."""

    code = "unreachable"
    told_all = False
    try_again = True


class Broken(ProviderError):
    """A stream that ended in the middle, or with an error event."""

    code = "broken_stream"
    told_all = False
    try_again = True


class Garbled(ProviderError):
    """Status 200 with a body that is no answer: HTML, empty, broken JSON."""

    code = "garbled"
    told_all = False
    try_again = True


class TimedOut(ProviderError):
    """No whole answer within the time it was given."""

    outcome = Outcome.TIMEOUT
    code = "timeout"
    told_all = False


class TurnedAway(ProviderError):
    """The provider rejects our key or our request (400, 401, 403, 404 …): the same call can never succeed."""

    code = "turned_away"
    trips_breaker = False
    tells_health = False
    was_sent = False


class KeyRejected(TurnedAway):
    """The provider does not accept our key, or what it may do (401, 403), or has closed our account."""

    code = "key_rejected"


class QuotaExhausted(TurnedAway):
    """Our account at the provider has no money left, or has reached a limit that only its owner can raise."""

    code = "quota_exhausted"


class ModelNotFound(TurnedAway):
    """The provider does not have the model, or not for us (404)."""

    code = "model_not_found"


class ContextOverflow(ProviderError):
    """The request is longer than the model's context, or than the provider takes: another model may have the room."""

    code = "context_overflow"
    trips_breaker = False
    tells_health = False
    was_sent = False


class Refused(ProviderError):
    """The model declined to answer."""

    outcome = Outcome.REFUSED
    code = "refused"
    trips_breaker = False


class Filtered(ProviderError):
    """The provider's content filter stopped the answer."""

    outcome = Outcome.CONTENT_FILTERED
    code = "content_filtered"
    trips_breaker = False


class Truncated(ProviderError):
    """The answer ran into the token limit."""

    outcome = Outcome.TRUNCATED
    code = "truncated"
    trips_breaker = False


class Abandoned(ProviderError):
    """The caller left while the call was out."""

    outcome = Outcome.CANCELLED
    code = "cancelled"
    told_all = False
    trips_breaker = False
    tells_health = False


class NotSent(ProviderError):
    """The call could not go out because this process lacks something: nobody else would be reached either."""

    outcome = Outcome.INTERNAL_ERROR
    code = "own_lack"
    trips_breaker = False
    tells_health = False
    was_sent = False


class Misread(ProviderError):
    """Proctor itself failed over a call that went out: its cause is a fault of ours, and says nothing about anybody."""

    outcome = Outcome.INTERNAL_ERROR
    code = "internal_error"
    told_all = False
    trips_breaker = False
    tells_health = False


def misread(error: Exception, answer: Answer) -> Misread:
    """Return what *error*, which nobody foresaw, means for the call that met it; to be raised from it."""
    return Misread(f"Proctor itself failed over this call ({type(error).__name__}).", answer=answer)


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
    def media_tokens(self) -> int:
        """The most tokens that the images and documents take which it sends."""
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
        headers: Mapping[str, str],
    ) -> Relayed:
        """Begin to send a caller's own *request* on, with the texts of *messages*. Does no I/O.

        *max_tokens* is set where the caller set none; *headers* go out beside ours.

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
