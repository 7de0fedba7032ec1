"""The demo world's traffic: what its tenants ask, walked through the real corridor on a manual clock.

A *stretch* is played in its order of time. The stretches are played the newest first, so that a console which is opened
meanwhile has something to show; all decisions stand before any of them. The one tenant whose budget is nearly used is
played in order of time through the budget's whole period, because what is blocked depends on what came before.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlmodel import func, select
from typing_extensions import override

from core.answers import Answers
from core.attempts import AnswerLengths
from core.breakers import BreakerChange, Breakers, Rule, changes
from core.budgets import Budgets, Period, period_around
from core.claims import Claims
from core.clock import Clock
from core.demo._chance import DemoClock, Dice
from core.demo._history import GRACE, History, Member
from core.demo._provider import Scene, ScriptedLoop, ScriptedProvider, ScriptedStage
from core.demo._seed import Batch, Use
from core.demo._texts import Texts
from core.errors import ProctorError
from core.generation import Corridor, GenerationRequest
from core.policy import Policies
from core.pricing import NANO
from core.principals import SYSTEM
from core.record import Generation, Record, Recorder, RunningGeneration
from core.store import Store
from core.tables import GenerationRow
from core.telemetry import Metrics

_HOUR = timedelta(hours=1)
_LONGEST = timedelta(seconds=80)
"""No generation takes longer, so one that begins this long before now has ended by now."""
_NEWEST_DAYS = 2
_TIGHT_SHARE = 0.65
"""Which part of what the tight tenant still asks its cut budget covers."""
_LEAST_LIMIT_NANO_USD = NANO // 20
_USUAL_COST_NANO_USD = NANO // 150
_CENT = NANO // 100
_USERS = 60


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that is about to be made."""

    at: datetime
    member: Member
    use: Use
    job: str | None = None
    """The batch job that makes it."""


@dataclass(frozen=True, slots=True)
class DemoStretch:
    """A part of the history that is played in its order of time."""

    name: str
    starts_at: datetime
    ends_at: datetime
    members: tuple[Member, ...]
    policies: Policies | None = None
    """What holds in it; ``None`` where the history says."""


class Traffic:
    """Plays the history's calls."""

    def __init__(self, store: Store, history: History, scale: float) -> None:
        self._store = store
        self._history = history
        self._seed = history.seed
        self._scale = scale
        self._metrics = Metrics()
        self._tight = history.members[self._seed.tight.tenant]
        period_starts_at, _ = period_around(Period.MONTH, self._tight.seed.timezone, history.now)
        self._tight_from = max(history.starts_at, period_starts_at)

    def expected(self) -> float:
        """Return how many calls are to be expected, about."""
        history, seed = self._history, self._seed
        usual = sum(
            self._rate(member, history.starts_at + hour * _HOUR)
            for member in history.members.values()
            for hour in range((history.now - history.starts_at) // _HOUR)
        )
        bursts = [seed.tight.batch, *seed.outage.storms, *(flip.storm for flip in seed.flips)]
        return usual + sum(burst.calls for burst in bursts)

    def play(self) -> Iterator[int]:
        """Make every call; yield how many were made, after each."""
        history = self._history
        everyone = tuple(history.members.values())
        others = tuple(member for member in everyone if member is not self._tight)
        newest = history.now - timedelta(days=_NEWEST_DAYS)
        yield from self._stretch(DemoStretch("newest", newest, history.now, others))
        yield from self._tight_period()
        ends_at = newest
        while ends_at > history.starts_at:
            starts_at = max(history.starts_at, (ends_at - _HOUR).replace(hour=0, minute=0, second=0, microsecond=0))
            yield from self._stretch(DemoStretch(f"{starts_at:%Y-%m-%d}", starts_at, ends_at, everyone))
            ends_at = starts_at

    def _tight_period(self) -> Iterator[int]:
        """Play the tight tenant through its budget's period: as usual, then with the budget cut."""
        history, tight, member = self._history, self._seed.tight, self._tight
        cut_at = max(history.now - timedelta(hours=tight.hours_ago), self._tight_from + timedelta(seconds=30))
        yield from self._stretch(DemoStretch("tight before", self._tight_from, cut_at, (member,)))
        after = DemoStretch("tight after", cut_at, history.now, (member,))
        calls = len(self._arrivals(after, Dice(DemoClock(cut_at, self._named(after)))))
        with self._store.reading() as session:
            cost = func.avg(GenerationRow.cost_nano_usd)
            usual = session.exec(select(cost).where(GenerationRow.tenant_id == member.row.id)).one()
        spent = Budgets(self._store, DemoClock(cut_at, "look"), owner="demo").show(SYSTEM, member.row).spent_nano_usd
        limit = spent + int(_TIGHT_SHARE * calls * float(usual or _USUAL_COST_NANO_USD))
        limit = max(_LEAST_LIMIT_NANO_USD, -(-limit // _CENT) * _CENT)
        policies = history.tighten(cut_at, limit)
        yield from self._stretch(DemoStretch(after.name, cut_at, history.now, after.members, policies))

    # ── One stretch ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _stretch(self, stretch: DemoStretch) -> Iterator[int]:
        if stretch.starts_at >= stretch.ends_at:
            return
        history = self._history
        clock = DemoClock(stretch.starts_at, self._named(stretch))
        dice = Dice(clock)
        stage = ScriptedStage(self._seed, clock, history.spells)
        texts = Texts(self._seed, dice)
        providers = {name: ScriptedProvider(name, stage) for name in ("openai", "anthropic")}
        breakers = Breakers(clock, BreakerEvents(self._store, clock))
        loop = ScriptedLoop()
        lengths = AnswerLengths()
        recorder = QuietRecorder(
            store=self._store,
            clock=clock,
            budgets=Budgets(self._store, clock, owner="demo", grace=GRACE),
            metrics=self._metrics,
        )
        with closing(Claims(self._store, clock)) as claims:
            answers = Answers(self._store, clock, claims)
            for arrival in self._arrivals(stretch, dice):
                clock.move_to(arrival.at)
                if clock.now() > history.now - _LONGEST:
                    return
                corridor = Corridor(
                    policies=stretch.policies or history.policies(clock.now()),
                    limits=history.limits,
                    answers=answers,
                    providers=providers,
                    breakers=breakers,
                    loop=loop,
                    lengths=lengths,
                    recorder=recorder,
                    clock=clock,
                )
                self._call(corridor, arrival, stage, texts)
                yield 1

    def _call(self, corridor: Corridor, arrival: Arrival, stage: ScriptedStage, texts: Texts) -> None:
        seed, dice, member = self._seed, stage.dice, arrival.member
        schema = arrival.use.schema_name
        text, truth = texts.make(schema, arrival.at)
        is_habitual = schema == seed.promotion.schema_name
        mishaps = seed.mishaps
        stubborn = dice.weighed(mishaps.stubborn_as) if dice.happens(mishaps.stubborn) else None
        stage.scene = Scene(schema, truth, _capitals if is_habitual else None, seed.promotion.habit, stubborn)
        streamed = arrival.job is None and dice.happens(arrival.use.streamed)
        request = GenerationRequest(
            schema=self._history.references[schema],
            messages=[
                {"role": "system", "content": seed.instructions[schema]},
                {"role": "user", "content": text},
            ],
            route=arrival.use.route,
            stream=streamed,
            user=f"user-{dice.whole(1, _USERS)}" if arrival.job is None else None,
            metadata={"job": arrival.job} if arrival.job else None,
            request_id=f"demo-{dice.digits(10)}",
        )
        try:
            if not streamed:
                corridor.generate(request, member.principal)
                return
            leaves_after = dice.whole(1, 5) if dice.happens(mishaps.left) else None
            with closing(cast("Generator[Any]", corridor.stream(request, member.principal))) as pieces:
                for count, piece in enumerate(pieces):
                    if count == leaves_after and not isinstance(piece, Generation):
                        return
        except ProctorError:
            pass  # it is recorded; the caller's part is over

    # ── Who comes when ────────────────────────────────────────────────────────────────────────────────────────────────

    def _arrivals(self, stretch: DemoStretch, dice: Dice) -> list[Arrival]:
        arrivals: list[Arrival] = []
        for member in stretch.members:
            ends_at = stretch.ends_at
            if member is self._tight and len(stretch.members) > 1:
                ends_at = min(ends_at, self._tight_from)  # its current period is played by itself
            hour = stretch.starts_at
            while hour < ends_at:
                following = min(hour.replace(minute=0, second=0, microsecond=0) + _HOUR, ends_at)
                expected = self._rate(member, hour) * ((following - hour) / _HOUR)
                arrivals += [
                    self._arrival(hour + dice.chance() * (following - hour), member, dice)
                    for _ in range(dice.arrivals(expected))
                ]
                hour = following
        arrivals += self._bursts(stretch, dice)
        return sorted(arrivals, key=lambda arrival: arrival.at)

    def _bursts(self, stretch: DemoStretch, dice: Dice) -> Iterator[Arrival]:
        history, seed = self._history, self._seed
        bursts: list[tuple[datetime, Batch, str, str | None]] = [
            (history.outage_at, storm, storm.tenant, None) for storm in seed.outage.storms
        ]
        bursts += [(flip.before(history.now), flip.storm, flip.tenant, None) for flip in seed.flips]
        if stretch.name == "tight after":
            bursts.append((stretch.starts_at, seed.tight.batch, seed.tight.tenant, "season-renewals"))
        for origin, burst, name, job in bursts:
            begins_at = origin + timedelta(minutes=burst.after)
            member = next((member for member in stretch.members if member.seed.name == name), None)
            if member is None or not stretch.starts_at <= begins_at < stretch.ends_at:
                continue
            for number in range(burst.calls):
                yield self._arrival(
                    begins_at + timedelta(minutes=(number + dice.chance()) / burst.per_minute), member, dice, job
                )

    @staticmethod
    def _arrival(at: datetime, member: Member, dice: Dice, job: str | None = None) -> Arrival:
        uses = {number: use.share for number, use in enumerate(member.seed.uses)}
        return Arrival(at, member, member.seed.uses[dice.weighed(uses)], job)

    def _rate(self, member: Member, hour: datetime) -> float:
        """Return how many calls of a tenant are to be expected in the hour that begins at *hour*."""
        history, seed = self._history, member.seed
        joined_at = member.row.created_at + _HOUR
        if hour < joined_at:
            return 0.0
        local = (hour + _HOUR / 2).astimezone(ZoneInfo(seed.timezone))
        rhythm = self._seed.rhythms[seed.rhythm]
        progress = (hour - joined_at) / max(_HOUR, history.now - joined_at)
        growth = 1 + seed.growth * (progress - 0.5)
        return self._scale * seed.per_day * seed.week[local.weekday()] * growth * rhythm[local.hour] / sum(rhythm)

    def _named(self, stretch: DemoStretch) -> str:
        return f"{self._seed.seed}/{stretch.name}"


def _capitals(answer: dict[str, Any]) -> None:
    """Write the unit of the weight as it is printed."""
    answer["gross_weight"]["unit"] = answer["gross_weight"]["unit"].upper()


class QuietRecorder(Recorder):
    """Keeps the past out of this process's log and metrics, which are about the present."""

    @override
    def _record(self, running: RunningGeneration) -> Record:
        return _QuietRecord(self, running)


class _QuietRecord(Record):
    @override
    def _tell(self, generation: Generation, error: BaseException | None) -> None:
        pass

    @override
    def _tell_thresholds(self) -> None:
        pass


class BreakerEvents:
    """Writes down when a breaker opens and when it closes again."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def __call__(self, change: BreakerChange) -> None:
        """Annotate the time axis with a breaker's change."""
        changes.write(self._store, self._clock, Rule(), change)
