"""What a rule says, and what follows from all of them for one tenant, one moment and one call. Touches no database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from openfeature.flag_evaluation import Reason

from core.clock import EPOCH, LATEST
from core.flags._meanings import Flag, kind_of, meaning_of
from core.tables import FlagRule

_OWN, _SHARED, _DEFAULT = "the tenant's own rule", "the rule for all tenants", "the default"


def _first_bits(salt: str, unit: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{salt}:{unit}".encode()).digest()[:4], "big")


_DRAWS: Mapping[int, Callable[[str, str], int]] = {1: _first_bits}
"""By the number that a rule keeps: a new way to draw is a new number, and moves nobody whose rule has an older one."""
NEWEST_ALGORITHM = max(_DRAWS)
_RANGE = 2**32


def is_drawn(percent: int, salt: str, unit: str, algorithm: int = NEWEST_ALGORITHM) -> bool:
    """Whether *unit* is among *percent* of a hundred. Who is among ten of them is among thirty, in every process."""
    return _DRAWS[algorithm](salt, unit) * 100 < percent * _RANGE


def moment_of(wall: str | None, zone: str) -> datetime | None:
    """Return when it is *wall* (``2027-03-28T02:30``) in *zone*.

    A time that is skipped there moves on by the gap; of one that is there twice it is the first. One at an end of all
    time, which older releases took, is that end.
    """
    if not wall:
        return None
    at = datetime.fromisoformat(wall)
    try:
        return at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except OverflowError:
        return min(max(at.replace(tzinfo=UTC), EPOCH), LATEST)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The value of a flag for a tenant, and why."""

    value: bool
    reason: str
    """OpenFeature's word: ``TARGETING_MATCH`` (this tenant's rule), ``STATIC`` (the rule for all), ``SPLIT`` (a share
    of the calls, of either), ``DEFAULT``; ``ERROR`` where a share is asked for nobody in particular.
    """
    rule: str
    """What decided, in words."""
    percent: int | None = None
    """Of a share: for how many of a hundred calls it is on."""

    @property
    def word(self) -> str:
        """``on`` or ``off``."""
        return "on" if self.value else "off"


@dataclass(frozen=True, slots=True)
class RuleTerms:
    """What a rule says, ready to be asked."""

    is_on: bool
    percent: int | None
    salt: str
    algorithm: int
    starts_at: datetime | None
    ends_at: datetime | None

    @classmethod
    def of(cls, rule: FlagRule) -> RuleTerms:
        """Read a row."""
        starts, ends = moment_of(rule.starts_wall, rule.zone), moment_of(rule.ends_wall, rule.zone)
        return cls(rule.is_on, rule.percent, rule.salt, rule.algorithm, starts, ends)

    @property
    def moves(self) -> bool:
        """Whether its answer depends on when and for whom it is asked."""
        return self.percent is not None or self.starts_at is not None or self.ends_at is not None

    def holds(self, at: datetime | None) -> bool:
        """Whether it says anything at *at*. One that a newer release drew by another way says nothing here."""
        if (self.starts_at or self.ends_at) and at is None:
            return False
        begun = self.starts_at is None or at is None or self.starts_at <= at
        ended = self.ends_at is not None and at is not None and at >= self.ends_at
        return begun and not ended and self.algorithm in _DRAWS

    def evaluated(self, unit: str, reason: Reason, words: str) -> Evaluation:
        """Return what it says for *unit*; *reason* and *words* are those of a rule for every call."""
        if self.percent is None:
            return Evaluation(self.is_on, str(reason), words)
        on = self.percent if self.is_on else 100 - self.percent
        words = f"{words}, on for {on} of 100 calls"
        if not unit:
            return Evaluation(on == 100, str(Reason.ERROR), words, on)
        value = self.is_on is is_drawn(self.percent, self.salt, unit, self.algorithm)
        return Evaluation(value, str(Reason.SPLIT), words, on)


class RuleSet:
    """The rules that concern one tenant: its own, and those for all."""

    def __init__(self, rules: Sequence[FlagRule], tenant_id: str | None) -> None:
        self._rules: dict[str, list[tuple[RuleTerms, Reason, str]]] = {}
        own = ((one, Reason.TARGETING_MATCH, _OWN) for one in rules if tenant_id and one.tenant_id == tenant_id)
        shared = ((one, Reason.STATIC, _SHARED) for one in rules if not one.tenant_id)
        for rule, reason, words in (*own, *shared):
            if rule.name in _FEATURES or kind_of(rule.name):
                self._rules.setdefault(rule.name, []).append((RuleTerms.of(rule), reason, words))
        self.moving = tuple(sorted(name for name, of in self._rules.items() if any(one.moves for one, _, _ in of)))
        """The flags whose value depends on the time or on the call."""

    def evaluate(self, name: str, at: datetime | None, unit: str = "") -> Evaluation:
        """Return the value of a flag at *at* for *unit*: a share of no unit in particular is an ``ERROR``."""
        for terms, reason, words in self._rules.get(name, ()):
            if terms.holds(at):
                return terms.evaluated(unit, reason, words)
        return Evaluation(meaning_of(name).default, str(Reason.DEFAULT), _DEFAULT)

    def all(self, at: datetime | None, unit: str = "") -> dict[str, Evaluation]:
        """Return every feature, and whatever else has a rule."""
        names = dict.fromkeys((*Flag, *self._rules))
        return {name: self.evaluate(name, at, unit) for name in names}

    def decided(self, known: Mapping[str, Evaluation], at: datetime, unit: str) -> dict[str, Evaluation]:
        """Return *known* with what moves decided for one call."""
        return {**known, **{name: self.evaluate(name, at, unit) for name in self.moving}}


_FEATURES = frozenset(one.value for one in Flag)


def evaluate_all(
    rules: Sequence[FlagRule], tenant_id: str | None, at: datetime | None = None, unit: str = ""
) -> dict[str, Evaluation]:
    """Return every flag's value and reason for a tenant, or for no tenant in particular.

    At *at*, without which rules that hold for a while say nothing, and for *unit*, whom a share is drawn for.
    """
    return RuleSet(rules, tenant_id).all(at, unit)


def described(rule: FlagRule) -> dict[str, Any]:
    """Return what a rule says, as the trail has it: of what it may say what it does."""
    said: dict[str, Any] = {"is_on": rule.is_on}
    if rule.percent is not None:
        said |= {"percent": rule.percent, "salt": rule.salt, "algorithm": rule.algorithm}
    if rule.starts_wall:
        said["starts"] = rule.starts_wall
    if rule.ends_wall:
        said["ends"] = rule.ends_wall
    if rule.starts_wall or rule.ends_wall:
        said["zone"] = rule.zone
    if rule.is_permanent:
        said["is_permanent"] = True
    return said


def told(rule: FlagRule | None) -> str:
    """Return a rule in a few words, ``on`` or ``off`` where it says no more; empty where there is none."""
    if rule is None:
        return ""
    words = ["on" if rule.is_on else "off"]
    words += [] if rule.percent is None else [f"for {rule.percent} of 100 calls"]
    words += [f"from {rule.starts_wall.replace('T', ' ')}"] if rule.starts_wall else []
    words += [f"until {rule.ends_wall.replace('T', ' ')}"] if rule.ends_wall else []
    words += [rule.zone] if rule.starts_wall or rule.ends_wall else []
    words += ["to stay"] if rule.is_permanent else []
    return " ".join(words)
