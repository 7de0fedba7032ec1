"""Documents in a request, read before they go out where a rule wants that: what stands in them is judged like any text.

Nothing in a document can be taken out of it. So what a rule would alter holds the request back.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterator, Sequence

from core.clock import SystemClock
from core.errors import GuardrailBlocked
from core.guardrails import HELD, Action, Finding, Guardrail, Guardrails, Stage, take_no_verdict
from core.messages import Media, Message, media_of
from core.workers import TenantWorkers, UnreadDocument

MOST_CHARACTERS = 1_000_000
"""Of all documents of a request: they are judged while its caller waits."""
_CLOCK = SystemClock()
"""It bounds what other processes do, for whom no other time stands still."""
_PLACE = "document"
_BEGINNING, _BEGINS_WITHIN = b"%PDF-", 1024
"""What a PDF begins with, or nearly: readers take what has other bytes before it."""
_REASONS = {
    "a_picture": "has a page without letters",
    "broken": "is broken",
    "encrypted": "needs a password",
    "holds_another_form": "holds a form of another kind",
    "holds_files": "holds other files",
    "not_here": "is a link, a file of the vendor's or no PDF",
    "too_large": "is larger than is read",
    "too_long": "has more text than is read, with those before it",
    "too_many_pages": "has more pages than are read",
}
"""Why a document was not read, where it will not be another time either."""
_FOR_NOW = "was not read in time"


def judge_documents(
    messages: Sequence[Message], guardrails: Guardrails, findings: list[Finding], workers: TenantWorkers | None
) -> int:
    """Go on only if what stands in the documents of *messages* may go out; return how many of them were read.

    Those that are sent as text were judged as such, and are not counted.

    Raises:
        GuardrailBlocked: it may not, or would have to be altered; or one cannot be read, and a rule blocks for that.

    """
    rules = guardrails.document_rules
    documents = [one for one in media_of(messages) if one.kind == "document"] if rules else []
    if not documents:
        return 0
    pages, seconds = max(policy.pages for _, policy in rules), max(policy.seconds for _, policy in rules)
    ends = _CLOCK.monotonic() + seconds
    texts: dict[Media, Sequence[str]] = {}
    unread: list[tuple[int, str]] = []
    left = MOST_CHARACTERS
    for one in dict.fromkeys(documents):
        try:
            found = _texts_of(one, workers, pages, ends)
            left -= sum(map(len, found))
            if left < 0:
                raise UnreadDocument("too_long")  # noqa: TRY301 as one that is too long by itself
            texts[one] = found
        except UnreadDocument as error:
            unread.append((documents.index(one) + 1, error.reason))
    _judge(dict.fromkeys(text for some in texts.values() for text in some), guardrails, findings)
    for rule, _ in rules if unread else ():
        _take_unread(rule, *unread[0], findings)
    return sum(one in texts and not _is_text(one) for one in documents)


def _take_unread(rule: Guardrail, number: int, reason: str, findings: list[Finding]) -> None:
    take_no_verdict(
        rule,
        Stage.INPUT,
        findings,
        _PLACE,
        goes_on=rule.action is not Action.BLOCK,
        is_final=reason in _REASONS,
        because=f"document {number} {_REASONS.get(reason, _FOR_NOW)}",
    )


def _texts_of(one: Media, workers: TenantWorkers | None, pages: int, ends: float) -> Sequence[str]:
    try:
        content = b64decode(one.data)
    except (binascii.Error, ValueError):
        raise UnreadDocument("broken") from None
    if _BEGINNING not in content[:_BEGINS_WITHIN]:
        return _judged_before(one, content)
    if workers is None:
        raise UnreadDocument("no_worker")
    left = max(0.0, ends - _CLOCK.monotonic())
    return workers.document_texts(content, pages=pages, seconds=left, is_late=lambda: _CLOCK.monotonic() >= ends)


def _judged_before(one: Media, content: bytes) -> Sequence[str]:
    """Return no text more of a document that was judged as a text; raises UnreadDocument of any other."""
    try:
        if content and _is_text(one) and content.decode():
            return ()
    except UnicodeDecodeError:
        pass
    raise UnreadDocument("not_here")  # a link, a vendor's own file, another form


def _is_text(one: Media) -> bool:
    return one.media_type.startswith("text/")


def _judge(texts: dict[str, None], guardrails: Guardrails, findings: list[Finding]) -> None:
    def look(found: list[Finding]) -> Iterator[str]:
        for text in texts:
            if guardrails.screen_text(text, Stage.INPUT, found, _PLACE) != text:
                yield text

    with guardrails.hearing(Stage.INPUT, lambda: list(look([]))):
        if list(look(findings)):
            raise GuardrailBlocked(
                f"{HELD[Stage.INPUT]}: what a guardrail takes out stands in a document, which cannot be altered. "
                "Leave that document out.",
                stage=Stage.INPUT.value,
                place=_PLACE,
            )
