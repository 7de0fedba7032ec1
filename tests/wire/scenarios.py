"""What the fake does: a table of scenarios, and how a request chooses one.

A scenario is a sequence of replies; each call of a conversation takes the next, and the last one repeats. A request
names its scenario in one of three places, the first that does so wins:

1. ``[[name]]`` in the last user message that carries a mark. ``[[name@where]]`` applies only where *where* is the
   model's full name, ``openai`` or ``anthropic``, so that one prompt finds its primary down and its fallback up;
2. a part of the model's name between colons, the last that is a scenario: ``gpt-4o-mini:refused``, ``hang:test-7``;
3. otherwise ``ok``.

A conversation is a path, a model, a scenario and the first user message.

Names compose: ``x-once`` and ``x-twice`` are *x* and then ``ok``; ``failed+invalid+ok`` is that sequence;
``slow-0.3s``, ``paced-0.3s`` (each piece of a stream) and ``throttled-30s`` carry their own number of seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache


class Content(Enum):
    """What the model says."""

    VALID = auto()
    INVALID = auto()
    """The first required property has a wrong type."""
    WORSE = auto()
    """The same, and a second required property is missing."""
    BROKEN = auto()
    """Text that is no JSON."""
    TRUNCATED = auto()
    REFUSED = auto()
    FILTERED = auto()


class Wire(Enum):
    """What becomes of it on the way."""

    WHOLE = auto()
    HANG = auto()
    """Not one byte, ever."""
    STALL = auto()
    """Half of the answer, then silence on an open connection."""
    DRIP = auto()
    """The head at once, then one byte at a time."""
    RESET = auto()
    """The connection is reset before any answer."""
    HTML = auto()
    """Status 200 and a web page, as a captive gateway sends it."""
    EMPTY = auto()
    """Status 200 and no body."""
    BROKEN_BODY = auto()
    """Status 200, correct framing, half a JSON document."""
    CUT = auto()
    """The connection closes in the middle of the body that was announced."""
    SHORT = auto()
    """A stream that ends as if it were complete, but in the middle and without its final events."""
    ERROR_EVENT = auto()
    """A stream that reports an error in its middle; without streaming, status 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one call is answered."""

    content: Content = Content.VALID
    wire: Wire = Wire.WHOLE
    status: int = 200
    retry_after_seconds: float | None = None
    delay_seconds: float = 0.0
    """Before the first byte; infinite until the server's ``release()``."""
    pace_seconds: float = 0.0
    """Before each piece of a stream; between two bytes of a drip."""
    too_long: bool = False
    """The request is longer than the model's context."""
    cached: bool = False
    """Half of the input was read from the cache, a quarter of it written there, whatever the cache knows."""
    reasoning: bool = False
    """The model thought before it spoke."""


Scenario = tuple[Reply, ...]

OK = Reply()
_INVALID = Reply(content=Content.INVALID)

SCENARIOS: dict[str, Scenario] = {
    "ok": (OK,),
    "invalid": (_INVALID,),
    "never-valid": (_INVALID,),
    "invalid-twice": (Reply(content=Content.WORSE), _INVALID, OK),
    "broken-json": (Reply(content=Content.BROKEN),),
    "truncated": (Reply(content=Content.TRUNCATED),),
    "refused": (Reply(content=Content.REFUSED),),
    "content-filter": (Reply(content=Content.FILTERED),),
    "throttled": (Reply(status=429, retry_after_seconds=1),),
    "failed": (Reply(status=500),),
    "overloaded": (Reply(status=529),),
    "unauthorized": (Reply(status=401),),
    "forbidden": (Reply(status=403),),
    "bad-request": (Reply(status=400),),
    "too-long": (Reply(status=400, too_long=True),),
    "unknown-model": (Reply(status=404),),
    "hang": (Reply(wire=Wire.HANG),),
    "held": (Reply(delay_seconds=math.inf),),
    "stall": (Reply(wire=Wire.STALL),),
    "drip": (Reply(wire=Wire.DRIP, pace_seconds=0.2),),
    "reset": (Reply(wire=Wire.RESET),),
    "html": (Reply(wire=Wire.HTML),),
    "empty": (Reply(wire=Wire.EMPTY),),
    "broken-body": (Reply(wire=Wire.BROKEN_BODY),),
    "cut-stream": (Reply(wire=Wire.CUT),),
    "short-stream": (Reply(wire=Wire.SHORT),),
    "error-in-stream": (Reply(wire=Wire.ERROR_EVENT),),
    "slow-stream": (Reply(pace_seconds=0.05),),
    "cached": (Reply(cached=True),),
    "reasoning": (Reply(reasoning=True),),
}

_REPEATED = {"-once": 1, "-twice": 2}
_WITH_SECONDS = re.compile(r"(slow|paced|throttled)-(\d+(?:\.\d+)?)s")
_MARK = re.compile(r"\[\[([a-z][a-z0-9.+-]*)(?:@([^\]\s]+))?\]\]")


class UnknownScenarioError(LookupError):
    """A mark names a scenario that the table does not hold."""


@lru_cache(maxsize=1024)
def scenario(name: str) -> Scenario:
    """Return the replies of the scenario *name*.

    Raises:
        UnknownScenarioError: no such row, nor a composition of rows.

    """
    return tuple(reply for part in name.split("+") for reply in _part(part))


def _part(name: str) -> Scenario:
    if (row := SCENARIOS.get(name)) is not None:
        return row
    if timed := _WITH_SECONDS.fullmatch(name):
        kind, seconds = timed[1], float(timed[2])
        match kind:
            case "slow":
                return (Reply(delay_seconds=seconds),)
            case "paced":
                return (Reply(pace_seconds=seconds),)
            case _:
                return (Reply(status=429, retry_after_seconds=seconds),)
    for suffix, times in _REPEATED.items():
        if name.endswith(suffix):
            return (*_part(name.removesuffix(suffix)) * times, OK)
    raise UnknownScenarioError(name)


def chosen(model: str, vendor: str, user_texts: Sequence[str]) -> str:
    """Return the name of the scenario that a request for *model* chose.

    What a mark names need not exist: ``scenario`` then says so, and a typing error does not pass as ``ok``.
    """
    for text in reversed(user_texts):
        if "[[" not in text:
            continue
        for mark in _MARK.finditer(text):
            if mark[2] in (None, model, vendor):
                return mark[1]
    for part in reversed(model.split(":")):
        if _is_scenario(part):
            return part
    return "ok"


@lru_cache(maxsize=4096)
def _is_scenario(name: str) -> bool:
    try:
        scenario(name)
    except UnknownScenarioError:
        return False
    return True
