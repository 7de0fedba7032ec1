"""Every way Proctor says no.

ProctorError                what the caller reads is the message: what, how much, what to do
├── Denied                  who you are
│   ├── Unauthenticated     no key, or one we do not know
│   ├── TooManyWrongKeys    one address sent too many of these; says when to come back
│   └── Forbidden           a known principal without the permission
├── Invalid                 what you asked
│   ├── NotFound            it names a thing that is not there
│   ├── Conflict            someone else changed it first
│   │   ├── Crossed         and is named, with how it is now
│   │   └── NotAsSeen       as the headers of a request say it should not have been
│   ├── UnseenChange        a change that does not say of which state
│   └── BadHeader           a header is not of its form
├── Rejected                policy refused, before any provider was asked
│   ├── FeatureDisabled     a flag is off for this tenant
│   ├── RateLimited         too fast; says when to come back
│   ├── BudgetExceeded      too much; says when the budget resets
│   │   └── BudgetHeld      too much at this moment: calls that are out hold the money; says when to come back
│   ├── Unbudgeted          no budget pays for it, and this tenant may not call without one
│   ├── Unpriced            nobody knows what it costs, and a hard budget would pay, or this tenant calls no such
│   └── GuardrailBlocked    forbidden content, going out or coming back
│       └── GuardrailUnavailable  nobody could judge it, and the rule lets nothing pass unjudged
├── Repeated                sent again under the key of a request, and not answered as that was
│   ├── Answering           the first is not answered yet; says when to come back
│   ├── OtherRequest        the first was another request
│   └── NotRepeatable       the first may have been paid for, and what came of it is not kept
├── Exhausted               every candidate was tried and none gave a valid object
├── Cancelled               the caller left before the answer came
│   └── Stopped             the server was stopped before the answer came
└── Unavailable             something of ours is down
    ├── Overloaded          too many wait already; says when to come back
    └── Misconfigured       this deployment cannot run as it is set up

No message holds a key, a prompt or an answer.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ProctorError(Exception):
    """The root. *facts* are what a caller can act on, beside the sentence."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts


class Denied(ProctorError):
    """Who you are is the trouble."""

    code = "denied"


class Unauthenticated(Denied):
    """No key was given, or one that we do not know or no longer accept."""

    code = "unauthenticated"


class TooManyWrongKeys(Denied):
    """The address has sent too many keys that we do not know; ``retry_after_seconds`` says when to come back."""

    code = "too_many_wrong_keys"


class Forbidden(Denied):
    """The principal is known and lacks the permission."""

    code = "forbidden"


class Invalid(ProctorError):
    """What was asked cannot be asked that way."""

    code = "invalid"


class NotFound(Invalid):
    """The request names a thing that is not there."""

    code = "not_found"


class Conflict(Invalid):
    """Someone else changed it since it was read; nothing was saved."""

    code = "conflict"


class Crossed(Conflict):
    """What is to be changed is not as whoever decides has seen it; for whom both sides can be shown.

    ``present`` is how it is now, as the audit trail says it, ``None`` where it is not there; ``expected`` is what the
    same command takes from who has seen that; ``by`` is who changed it, where that is known.
    """

    code = "crossed"


class NotAsSeen(Conflict):
    """What is to be changed is not as the caller has seen it; ``present`` says how it is."""

    code = "precondition_failed"


class UnseenChange(Invalid):
    """A change does not say of which state it is one."""

    code = "precondition_required"


class BadHeader(Invalid):
    """A header of the request is not of the form that it must have."""

    code = "bad_header"


class Rejected(ProctorError):
    """Policy refused."""

    code = "rejected"


class FeatureDisabled(Rejected):
    """A flag is off for this tenant."""

    code = "feature_disabled"


class RateLimited(Rejected):
    """Too many in too short a time; ``retry_after_seconds`` says when to come back."""

    code = "rate_limited"
    about: Any = None
    """The limit, and what is left of it (``core.limits``)."""


class BudgetExceeded(Rejected):
    """The budget does not cover what this could cost; ``resets_at`` says when it resets."""

    code = "budget_exceeded"


class BudgetHeld(BudgetExceeded):
    """What is spent leaves room, but calls that are out hold it; ``retry_after_seconds`` says when to come back."""

    code = "budget_held"
    about: Any = None
    """The terms of the budget; not told to anybody."""


class Unbudgeted(Rejected):
    """No budget pays for the call, and one must."""

    code = "no_budget"


class Unpriced(Rejected):
    """No model that could be asked has a price, and a hard budget or the tenant asks for one; ``models`` names them."""

    code = "no_price"


class GuardrailBlocked(Rejected):
    """A guardrail found forbidden content; ``stage`` says on which side of the provider."""

    code = "guardrail_blocked"
    findings: tuple[Any, ...] = ()
    """All that was found up to then, of ``core/guardrails``; nothing of a text is in it."""


class GuardrailUnavailable(GuardrailBlocked):
    """A judge did not answer, and its rule lets nothing pass that is not judged; asking again may help."""

    code = "guardrail_unavailable"


class Repeated(ProctorError):
    """A request came under the ``Idempotency-Key`` of an earlier one, and cannot be answered as that was."""

    code = "repeated"


class Answering(Repeated):
    """The first is not answered yet; ``retry_after_seconds`` says when to come back."""

    code = "idempotency_key_in_use"


class OtherRequest(Repeated):
    """The first was another request, and its answer is not this one's."""

    code = "idempotency_key_reused"


class NotRepeatable(Repeated):
    """The first may have been paid for, and what came of it is not kept, so it is neither repeated nor done again."""

    code = "answer_not_kept"


class Exhausted(ProctorError):
    """Every candidate was tried and none gave a valid object; the outcome tells how the last one ended.

    ``retry_after_seconds`` is there where the last one's provider has no key that may be used before.
    """

    code = "exhausted"
    is_left_to_caller: bool = False
    """Whether the last failure may pass and was not tried again here, since the caller's program does so by itself."""
    drill_status: int | None = None
    """Of a relayed call: the status that a fire drill gave the last one."""


class Cancelled(ProctorError):
    """The caller left before the answer came."""

    code = "cancelled"


class Stopped(Cancelled):
    """The server was stopped before the answer came. For the record; who called is told Unavailable."""

    code = "stopped"


class Unavailable(ProctorError):
    """Something of ours is down."""

    code = "unavailable"


class Overloaded(Unavailable):
    """Too many requests wait already; ``retry_after_seconds`` says when to come back."""

    code = "overloaded"


class Misconfigured(Unavailable):
    """This deployment cannot run as it is set up; the message names the variable."""

    code = "misconfigured"
