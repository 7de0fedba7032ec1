"""How judges are asked: side by side, many texts at once, within a time, and over the network without a secret."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from hashlib import sha256

from core.clock import Clock
from core.detection import Span
from core.detection.secrets import SecretDetector
from core.errors import Invalid, ProctorError
from core.guardrails._failing import Failing, told_of
from core.guardrails._findings import Region, marked
from core.guardrails._outside import Heard, NameTerms, NotJudged, OddAnswer, OutsideTerms, RemoteTerms, Verdict
from core.guardrails._rules import Stage
from core.outgoing import NotFetched, Outgoing
from core.settings import Settings
from core.telemetry import Metrics, log
from core.workers import NameReaders, UnreadNames

_AT_ONCE = 32
"""Requests of this process to judges; who comes then waits, within his time."""
_NAMED_AT_ONCE = 8
"""The same of those that find names, of which each has one process."""
_NAME = "the name of a person"
_LONGEST_LOAD = 120.0
_MOST_TEXTS = 50
_MOST_CHARACTERS = 200_000
"""Of one request; a longer text has one of its own."""
_MOST_BYTES = 2_000_000
"""Of an answer."""
_KEPT = 2_000
_KEPT_SECONDS = 30.0
"""How long it is remembered what was said of a text that was asked about alone: a stream tells it again as it ends."""


class OutsideJudges:
    """Asks judges, and knows which of them do not answer."""

    def __init__(
        self, settings: Settings, clock: Clock, outgoing: Outgoing | None = None, metrics: Metrics | None = None
    ) -> None:
        """Ask whom *settings* let be asked."""
        self._settings = settings
        self._clock = clock
        self._outgoing = outgoing or Outgoing(settings.outgoing_networks, proxy=settings.outgoing_proxy)
        self._lock = threading.Lock()
        self._alone: OrderedDict[tuple[OutsideTerms, Stage, bytes], tuple[float, Verdict | NotJudged]] = OrderedDict()
        self._failing = Failing(clock)
        self._names = NameReaders(settings.name_pipelines, metrics)
        self.finds_names = bool(settings.name_pipelines)
        """Whether anybody here finds names of persons."""

    @property
    def failing(self) -> Mapping[OutsideTerms, str]:
        """Those that did not answer when they were asked last, and how that is told to people."""
        return {terms: told_of(terms, reason) for terms, reason in self._failing.told().items()}

    def require(self, terms: OutsideTerms) -> None:
        """Go on only if the judge could be asked, as far as that is known without asking.

        Raises:
            Invalid: it could not; the sentence says what to do.

        """
        try:
            if isinstance(terms, RemoteTerms):
                terms.question(("",), Stage.INPUT, self._settings, self._outgoing)
            elif isinstance(terms, NameTerms):
                self._names.require(terms.pipeline)
        except NotFetched as error:
            raise Invalid(str(error)) from None

    def prepare(self, terms: NameTerms) -> Future[Sequence[Verdict]]:
        """Begin to load a pipeline; what is returned is there, or has failed, once that is done."""
        ends = self._clock.monotonic() + _LONGEST_LOAD
        return self._naming.submit(self._named, terms, ("",), ends)

    def verdict(self, terms: OutsideTerms, stage: Stage, text: str) -> Verdict:
        """Return what a judge says of one *text*; raises NotJudged."""
        if (said := self._remembered(terms, stage, text)) is None:
            until = self._clock.monotonic() + _KEPT_SECONDS
            said = self.verdicts({terms: [text]}, stage)[terms, stage, text]
            with self._lock:
                self._alone[_key(terms, stage, text)] = until, said
                while len(self._alone) > _KEPT:
                    self._alone.popitem(last=False)
        if isinstance(said, NotJudged):
            raise said
        return said

    def verdicts(self, asked: Mapping[OutsideTerms, Sequence[str]], stage: Stage) -> Heard:
        """Return what each judge says of its texts, or has just said of one alone; all are asked side by side."""
        began = self._clock.monotonic()
        said: dict[tuple[OutsideTerms, Stage, str], Verdict | NotJudged] = {
            (terms, stage, text): known
            for terms, texts in asked.items()
            for text in texts
            if (known := self._remembered(terms, stage, text)) is not None
        }
        out: list[tuple[OutsideTerms, Sequence[str], Future[Sequence[Verdict]]]] = [
            (terms, part, self._begun(terms, stage, part, began + terms.seconds))
            for terms, texts in asked.items()
            for part in _parts(dict.fromkeys(text for text in texts if (terms, stage, text) not in said))
        ]
        for terms, part, future in out:
            try:
                found: Sequence[Verdict | NotJudged] = future.result(
                    max(0.0, began + terms.seconds - self._clock.monotonic())
                )
            except TimeoutError:
                future.cancel()
                is_loading = isinstance(terms, NameTerms) and not self._names.is_loaded(terms.pipeline)
                found = [NotJudged("loading" if is_loading else "timeout")] * len(part)
            except NotJudged as why:
                found = [why] * len(part)
            except Exception as error:  # noqa: BLE001 a fault of ours is no verdict either
                found = [NotJudged(type(error).__name__)] * len(part)
            said |= {(terms, stage, text): one for text, one in zip(part, found, strict=True)}
            self._note(terms, found[0])
        return said

    def _remembered(self, terms: OutsideTerms, stage: Stage, text: str) -> Verdict | NotJudged | None:
        """Return what was said of a text that was asked about alone, a moment ago."""
        with self._lock:
            until, said = self._alone.get(_key(terms, stage, text), (0.0, None))
        return said if until >= self._clock.monotonic() else None

    def not_public(self, addresses: Collection[str]) -> Collection[str]:
        """Return those of *addresses* that lead inside, or of which that is not known within a moment."""
        return self._outgoing.not_public(addresses)

    def close(self) -> None:
        """Leave those that are still asked."""
        for name in {"_pool", "_naming"} & self.__dict__.keys():
            pool: ThreadPoolExecutor = getattr(self, name)
            pool.shutdown(wait=False, cancel_futures=True)
        self._names.close()
        self._outgoing.close()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="guardrail")

    @cached_property
    def _secrets(self) -> SecretDetector:
        return SecretDetector()

    @cached_property
    def _naming(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_NAMED_AT_ONCE, thread_name_prefix="names")

    def _begun(self, terms: OutsideTerms, stage: Stage, texts: Sequence[str], ends: float) -> Future[Sequence[Verdict]]:
        if isinstance(terms, RemoteTerms):
            return self._pool.submit(self._asked, terms, stage, texts, ends)
        assert isinstance(terms, NameTerms)  # noqa: S101 there is nobody else to ask
        return self._naming.submit(self._named, terms, texts, ends)

    def _left(self, terms: OutsideTerms, ends: float) -> float:
        """Return how many seconds there are to ask a judge; raises NotJudged."""
        left = ends - self._clock.monotonic()
        if left <= 0:
            raise NotJudged("timeout")
        if resting := self._failing.resting(terms):
            raise NotJudged(resting)
        return left

    def _named(self, terms: NameTerms, texts: Sequence[str], ends: float) -> Sequence[Verdict]:
        """Return where names of persons stand in *texts*; raises NotJudged."""
        left = self._left(terms, ends)
        try:
            found = self._names.names_in(
                terms.pipeline, texts, waits=left, is_late=lambda: self._clock.monotonic() >= ends
            )
        except UnreadNames as error:
            if error.reason == "not_loaded":
                self._failing.leave_alone(terms, error.reason)
            raise NotJudged("timeout" if self._clock.monotonic() >= ends else error.reason) from None
        except ProctorError as error:
            raise NotJudged(error.code) from None
        spans = [tuple(Span(start, end, _NAME) for start, end in places) for places in found]
        return [Verdict(_NAME, spans=one) if one else Verdict() for one in spans]

    def _asked(self, terms: RemoteTerms, stage: Stage, texts: Sequence[str], ends: float) -> Sequence[Verdict]:
        left = self._left(terms, ends)
        try:
            question = terms.question([self._told(text) for text in texts], stage, self._settings, self._outgoing)
            answer = self._outgoing.fetch(
                question.address,
                method="POST",
                headers={"Content-Type": "application/json", "Accept": "application/json", **question.headers},
                body=question.body,
                seconds=left,
                most_bytes=_MOST_BYTES,
                is_trusted=question.is_trusted,
            )
        except NotFetched as error:
            raise NotJudged(error.reason) from None
        except ProctorError as error:
            raise NotJudged(error.code) from None
        if answer.status != 200:
            self._failing.rest(terms, answer.status, answer.headers)
            raise NotJudged(f"status_{answer.status}")
        try:
            found = terms.verdicts(answer.body, len(texts))
        except OddAnswer:
            raise NotJudged("odd") from None
        if len(found) != len(texts):
            raise NotJudged("odd")
        return found

    def _told(self, text: str) -> str:
        """Return a text as it leaves: with no secret in it, whatever rules say."""
        secrets = [Region(one.start, one.end, one.kind) for one in self._secrets.find(text)]
        return marked(text, secrets).encode(errors="replace").decode()

    def _note(self, terms: OutsideTerms, said: Verdict | NotJudged) -> None:
        """Tell the log once per outage that a judge does not answer."""
        reason = said.reason if isinstance(said, NotJudged) else ""
        if self._failing.note(terms, reason):
            log().warning("guardrail_unjudged", host=terms.host, reason=reason, goes_on=terms.goes_on)


def _key(terms: OutsideTerms, stage: Stage, text: str) -> tuple[OutsideTerms, Stage, bytes]:
    return terms, stage, sha256(text.encode(errors="surrogatepass")).digest()


def _parts(texts: Mapping[str, None]) -> Iterator[Sequence[str]]:
    part, size = list[str](), 0
    for text in texts:
        if part and (len(part) == _MOST_TEXTS or size + len(text) > _MOST_CHARACTERS):
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part
