"""What came of a call to a provider: an answer, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

from core.pricing import Usage
from core.tables import Outcome
from core.unchanging import unchanging


@unchanging(kw_only=True)
class Answer:
    """One answer, as far as the wire told it."""

    text: str = ""
    """The JSON text of the object, as the model wrote it; of a long answer all that it wrote."""
    others: tuple[str, ...] = field(default=(), repr=False)
    """Where the object may stand if it does not stand in ``text``, the likeliest first."""
    blocks: tuple[str, ...] = field(default=(), repr=False)
    """What the last of these texts is made of, where it is long: whoever reads the answer looks in it for the object.
    """
    is_cut: bool = False
    """Whether it counts only if its likeliest text was not cut within an object."""
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
