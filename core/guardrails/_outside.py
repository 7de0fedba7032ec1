"""Judges that are asked elsewhere: what a rule says of one, what it is asked, and what it answers.

A service is asked over the network; names of persons are found by another process of this machine. Each is asked about
many texts at once, of what would go on without it: what other rules take out of a text does not leave, and no secret
does. Where it does not answer as it should, nothing passes for judged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from core.detection import Span
from core.guardrails._rules import Stage
from core.guardrails._tool_policy import not_public_by_text
from core.outgoing import Outgoing, WebAddress
from core.settings import Settings

CHANGED = "what it has changed"
"""The kind of a finding where a judge answered with another text."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of one text."""

    kind: str = ""
    """What it objects to, in few words of ours; empty if it does not."""
    text: str | None = field(default=None, repr=False)
    """What may go on in its place."""
    spans: tuple[Span, ...] = ()
    """Where that stands which it objects to, if that is known; else it is the whole text."""


class OddAnswer(Exception):
    """An answer is not of the form that it has to have."""


class NotJudged(Exception):
    """A judge has not said anything about a text. The reason is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """A request to a judge."""

    address: WebAddress
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    is_trusted: bool
    """Whether who runs the deployment has named the address."""


@dataclass(frozen=True, kw_only=True)
class OutsideTerms:
    """What a rule says of a judge."""

    seconds: float
    """How long it may take, all included."""
    goes_on: bool
    """Whether a text goes on where it does not answer."""

    @property
    def host(self) -> str:
        """Whom it asks, for the log and for people."""
        raise NotImplementedError

    @property
    def mended_in(self) -> str:
        """Which settings say how it is asked."""
        raise NotImplementedError

    def objection(self, text: str) -> str:
        """Object to nothing: by itself it asks nobody. Raises NotJudged."""
        del text
        raise NotJudged("not_asked")


@dataclass(frozen=True, kw_only=True)
class NameTerms(OutsideTerms):
    """What a rule says of who finds names of persons."""

    pipeline: str
    """Which of those that the deployment names; empty for the only one."""

    @property
    def host(self) -> str:
        """The pipeline."""
        return f"the pipeline {self.pipeline}".strip()

    @property
    def mended_in(self) -> str:
        """The pipeline, as the deployment names it."""
        return "NAME_PIPELINES, and whether spacy.load takes what it names"


@dataclass(frozen=True, kw_only=True)
class RemoteTerms(OutsideTerms):
    """What a rule says of a judge that is asked over the network."""

    def question(self, texts: Sequence[str], stage: Stage, settings: Settings, outgoing: Outgoing) -> JudgeRequest:
        """Return what it is asked about *texts*.

        Raises:
            NotFetched: its address may not be asked.
            Invalid: it is not set up here.

        """
        raise NotImplementedError

    def verdicts(self, body: bytes, count: int) -> Sequence[Verdict]:
        """Return what an answer says of so many texts, in their order.

        Raises:
            OddAnswer: it says nothing that can be relied upon.

        """
        raise NotImplementedError


Heard = Mapping[tuple[OutsideTerms, Stage, str], Verdict | NotJudged]


class Asks(Protocol):
    """Who asks judges."""

    def verdict(self, terms: OutsideTerms, stage: Stage, text: str) -> Verdict:
        """Return what a judge says of one text; raises NotJudged."""
        ...

    def verdicts(self, asked: Mapping[OutsideTerms, Sequence[str]], stage: Stage) -> Heard:
        """Return what each says of its texts, all asked side by side."""
        ...

    def not_public(self, addresses: Collection[str]) -> Collection[str]:
        """Return those of *addresses* that lead inside, or of which that is not known."""
        ...


class Unasked:
    """Asks nobody, where nobody can be asked."""

    def verdict(self, terms: OutsideTerms, stage: Stage, text: str) -> Verdict:
        """Raise NotJudged."""
        del terms, stage, text
        raise NotJudged("not_asked")

    def verdicts(self, asked: Mapping[OutsideTerms, Sequence[str]], stage: Stage) -> Heard:
        """Return that nobody has said anything."""
        return {(terms, stage, text): NotJudged("not_asked") for terms, texts in asked.items() for text in texts}

    def not_public(self, addresses: Collection[str]) -> Collection[str]:
        """Return those of *addresses* that lead inside by their text."""
        return not_public_by_text(addresses)


heard: ContextVar[Heard] = ContextVar("heard")
"""What was said of the texts that are looked at now."""
listened: ContextVar[dict[OutsideTerms, list[str]] | None] = ContextVar("listened", default=None)
"""What is to be asked, while a look only finds that out."""


@dataclass(frozen=True, slots=True)
class OutsideJudge:
    """A judge that can be asked."""

    terms: OutsideTerms
    asks: Asks

    def verdict(self, stage: Stage, text: str) -> Verdict:
        """Return what it says of a *text*, asked now unless it was before; raises NotJudged."""
        said = heard.get({}).get((self.terms, stage, text))
        if isinstance(said, NotJudged):
            raise said
        return said if said is not None else self.asks.verdict(self.terms, stage, text)

    def objection(self, text: str) -> str:
        """Return why *text* may not go on; raises NotJudged."""
        kind = self.verdict(Stage.INPUT, text).kind
        return f"It holds {kind}." if kind else ""
