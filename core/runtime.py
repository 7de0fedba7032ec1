"""The one place that builds things."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from core.admission import READS_AT_ONCE, READS_WAITING, Admission
from core.analytics import Analytics
from core.answers import Answers
from core.audit import Trail
from core.breakers import Breakers, Overrides, Rule
from core.breakers.changes import tell
from core.budgets import Budgets
from core.capabilities import Cards, Listings
from core.changes import Changes
from core.chores import Chores, catalog
from core.claims import Claims
from core.clock import Clock, SystemClock
from core.drills import Drills
from core.erasures import Erasures
from core.errors import ProctorError
from core.flags import Flags, other_provider
from core.guardrail_rules import GuardrailRules
from core.guardrails import OutsideJudges
from core.idempotency import Idempotency
from core.journal import JournalWriter
from core.limits import Limits
from core.messages import Message
from core.people import People
from core.policy import Policies
from core.pricing import Prices, Usage
from core.principals import SYSTEM
from core.provider_checks import ProviderChecks
from core.providers import Ask, LazyProviders, load_local
from core.reasks import Reasks
from core.record import Backlog, Recorder, Recovery
from core.relays import RelayCorridor
from core.repricing import Repricings
from core.rollups import RollupProofs
from core.routes import DEFAULT, Routes
from core.saved_views import SavedViews
from core.schemas import Schemas
from core.seals import Seals
from core.settings import Settings, load
from core.shared import Shared
from core.store import Store
from core.stored_calls import StoredCalls
from core.stored_objects import StoredObjects
from core.telemetry import Metrics, configure_logging, fault_teller, speak_for_libraries
from core.tenants import Tenants
from core.workers import Workers

if TYPE_CHECKING:
    from core.attempts import RouteTerms
    from core.demo import Demo
    from core.principals import Principal
    from core.providers import Provider
    from core.providers._keys import RestingKey
    from core.providers.llama import LocalModel
    from core.providers.loop import Loop
    from core.reports import Reports
    from core.schema_forms import SchemaForm
    from core.trials import Trials
    from core.user_exports import UserExports

_PLAIN_OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One Proctor: everything a door needs."""

    settings: Settings
    clock: Clock
    store: Store
    metrics: Metrics
    tenants: Tenants
    people: People
    views: SavedViews
    flags: Flags
    guardrails: GuardrailRules
    drills: Drills
    erasures: Erasures
    seals: Seals
    trail: Trail
    rollups: RollupProofs
    analytics: Analytics
    shared: Shared
    limits: Limits
    admission: Admission
    """Who may begin over the API: its generations, not those of the console or the command line."""
    read_admission: Admission
    """The same for its reads, which have places of their own."""
    budgets: Budgets
    journal: JournalWriter
    recovery: Recovery
    backlog: Backlog
    cards: Cards
    routes: Routes
    schemas: Schemas
    breakers: Breakers
    overrides: Overrides
    prices: Prices
    repricings: Repricings
    policies: Policies
    claims: Claims
    idempotency: Idempotency
    answers: Answers
    stored: StoredObjects
    stored_calls: StoredCalls
    generator: RelayCorridor
    demo: Demo
    local_model: LocalModel
    providers: LazyProviders
    listings: Listings
    checks: ProviderChecks
    loop: Loop
    chores: Chores
    workers: Workers
    stopping: threading.Event

    @cached_property
    def reports(self) -> Reports:
        """Every read-only question. Made when first asked for: pandas takes a second to load."""
        from core.reports import Reports  # noqa: PLC0415 as said

        return Reports(self.store, self.clock, lambda: self.routes.table().models, self.settings, self.analytics)

    @cached_property
    def trials(self) -> Trials:
        """Guardrails tried on texts at hand. They load reports."""
        from core.trials import Trials  # noqa: PLC0415 as said

        return Trials(self.store, self.policies, self.clock)

    @cached_property
    def user_exports(self) -> UserExports:
        """What is kept of a user, given out."""
        from core.user_exports import UserExports  # noqa: PLC0415 as said

        return UserExports(self.store, self.clock)

    @cached_property
    def changes(self) -> Changes:
        """What can be done with changes: undone, and told of where they happened elsewhere."""
        return Changes(self.store, self.clock, self.reports, rooms=self)

    def schema_forms(self, principal: Principal, schema: str, route: RouteTerms) -> Mapping[str, SchemaForm]:
        """Return by name what candidates that are set up are sent of *schema*, or of any object; raises NotFound."""
        found = self.schemas.find(principal, schema) if schema else self.schemas.inline(_PLAIN_OBJECT)
        forms, messages = dict[str, "SchemaForm"](), (Message.of("user", "."),)
        for one in (one for one in route.candidates if one.provider in self.providers):
            ask = Ask(model=one.model, mode=one.mode, response_model=found.response_model, messages=messages)
            forms[one.name] = self.providers[one.provider].open(ask).form
        return forms

    def resting_keys(self, name: str) -> Sequence[RestingKey]:
        """Return the keys of the provider *name* that rest in this process, as it turned them away."""
        return getattr(self.providers[name], "resting_keys", ())

    def start(self) -> None:
        """Migrate, load the sample schemas, then begin the chores in the background."""
        self.store.migrate()
        self.seals.require_keys()
        self.schemas.load_samples(SYSTEM)
        self.local_model.start_in_background()
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()
        self.chores.start()

    def _warm_up(self) -> None:
        """Load SDKs and prices now, so that the first generation need not wait for them; that says what fails."""
        with suppress(ProctorError):
            self.guardrails.prepare()
            for candidate in self.routes.find(SYSTEM, DEFAULT).terms.candidates:
                self.providers.get(candidate.provider)
                self.prices.book(SYSTEM).cost(candidate.provider, candidate.model, Usage(), self.clock.now())

    def close(self) -> None:
        """Stop what runs and close what is open."""
        self.stopping.set()
        self.chores.join()
        self.demo.stop()
        self.local_model.stop()
        for provider in self.providers.made:
            self.loop.run(provider.close())
        self.loop.close()
        self.workers.close()
        self.guardrails.close()
        self.backlog.close()
        with suppress(ProctorError):  # whoever sweeps next finds out by itself
            self.recovery.leave()
        if "reports" in vars(self):
            self.reports.close()
        self.analytics.close()
        self.claims.close()
        self.shared.close()
        self.store.close()


def build(settings: Settings | None = None, clock: Clock | None = None, *, creates: bool = True) -> Runtime:
    """Build a Proctor from *settings*, or from the environment, without I/O; without *creates* it makes no database.

    Raises:
        Misconfigured: a setting cannot be used; the message names it.

    """
    from core.demo import Demo  # noqa: PLC0415 these load the SDKs, which the command line can often do without
    from core.providers import load as load_provider  # noqa: PLC0415
    from core.providers.llama import LocalModel  # noqa: PLC0415
    from core.providers.loop import Loop  # noqa: PLC0415

    settings, clock = settings or load(), clock or SystemClock()
    configure_logging(settings.log_level)
    store = Store(settings.database_url, own_keys=settings.own_keys, creates=creates)
    store.condition.on_change = fault_teller(clock)
    metrics, cards = Metrics(), Cards(settings, clock)
    flags = Flags(store, clock, other_provider(settings, clock, metrics))
    guardrails = GuardrailRules(store, clock, OutsideJudges(settings, clock, metrics=metrics))
    # In a container the process that died and the one that replaced it have the same name and number.
    owner = f"{socket.gethostname()}:{os.getpid()}:{clock.new_id()[-8:]}"
    routes, claims, journal = Routes(store, clock, settings, cards), Claims(store, clock), JournalWriter(store)
    budgets = Budgets(store, clock, owner=owner, wait_seconds=settings.budget_wait_seconds, claims=claims)
    recovery = Recovery(store, clock, journal, metrics, owner=owner)
    backlog = Backlog(store, clock, journal, budgets.reservations, metrics, folder=settings.backlog_folder, owner=owner)
    tenants = Tenants(store, clock, on_new_zone=budgets.new_zone, tries=budgets.freezes.tries)
    idle, longest = timedelta(hours=settings.sign_in_idle_hours), timedelta(days=settings.sign_in_days)
    shared, schemas = Shared(settings.redis_url, clock, metrics), Schemas(store, clock)
    limits, prices = Limits(shared, clock=clock), Prices(store, clock)
    policies = Policies(
        store,
        settings,
        tenants=tenants,
        flags=flags,
        guardrails=guardrails,
        routes=routes,
        schemas=schemas,
        budgets=budgets,
        limits=limits,
    )
    rule, local_model = Rule.of_settings(settings), LocalModel(settings, clock)
    breakers = Breakers(clock, partial(tell, store, clock, rule), rule=rule, shared=shared)
    asked = filter(settings.has_provider, settings.remote_providers)
    makers: dict[str, Callable[[], Provider]] = {one: partial(load_provider, one, settings, cards) for one in asked}
    if settings.runs_local_model:
        makers["local"] = partial(load_local, local_model)
    providers, loop, stopping = LazyProviders(makers), Loop(), threading.Event()
    listings, drills, trail = Listings(store, clock, cards), Drills(store, clock), Trail(store, clock)
    checks = ProviderChecks(settings=settings, providers=providers, listings=listings, loop=loop, clock=clock)
    answers, erasures, stored = Answers(store, clock, claims), Erasures(store, clock), StoredObjects(store, clock)
    documents = Workers(settings.answer_workers, metrics, reads="documents")
    workers, seals = Workers(settings.answer_workers, metrics, documents), Seals(store, journal)
    analytics = Analytics(store, clock, settings, metrics)
    return Runtime(
        settings=settings,
        clock=clock,
        store=store,
        metrics=metrics,
        tenants=tenants,
        people=People(store, clock, idle=idle, longest=longest),
        views=SavedViews(store, clock),
        flags=flags,
        guardrails=guardrails,
        drills=drills,
        erasures=erasures,
        seals=seals,
        trail=trail,
        rollups=RollupProofs(store, clock),
        analytics=analytics,
        shared=shared,
        limits=limits,
        admission=Admission(
            clock,
            metrics,
            kind="generate",
            places=settings.concurrency,
            waiting=settings.queue,
            large_bytes=settings.body_megabytes * 1_000_000,
        ),
        read_admission=Admission(
            clock, metrics, kind="read", places=READS_AT_ONCE, waiting=READS_WAITING, large_bytes=0
        ),
        budgets=budgets,
        journal=journal,
        recovery=recovery,
        backlog=backlog,
        cards=cards,
        routes=routes,
        schemas=schemas,
        breakers=breakers,
        overrides=Overrides(store, clock),
        prices=prices,
        repricings=Repricings(store, clock, budgets.freezes),
        policies=policies,
        claims=claims,
        idempotency=Idempotency(store, clock, claims),
        answers=answers,
        stored=stored,
        stored_calls=StoredCalls(
            stored=stored,
            providers=providers,
            breakers=breakers,
            policies=policies,
            loop=loop,
            clock=clock,
            seconds=settings.attempt_timeout_seconds,
        ),
        generator=RelayCorridor(
            stored=stored,
            reasks=Reasks(store, clock),
            policies=policies,
            limits=limits,
            answers=answers,
            providers=providers,
            breakers=breakers,
            loop=loop,
            recorder=Recorder(store=store, clock=clock, budgets=budgets, metrics=metrics, backlog=backlog),
            clock=clock,
            workers=workers,
        ),
        demo=Demo(settings, store, clock),
        local_model=local_model,
        providers=providers,
        listings=listings,
        checks=checks,
        loop=loop,
        chores=Chores(
            catalog(
                clock=clock,
                store=store,
                budgets=budgets,
                journal=journal,
                recovery=recovery,
                backlog=backlog,
                claims=claims,
                stored=stored,
                drills=drills,
                trail=trail,
                shared=shared,
                metrics=metrics,
                listings=listings,
                checks=checks,
                tenants=tenants,
                erasures=erasures,
                seals=seals,
                analytics=analytics,
            ),
            clock=clock,
            claims=claims,
            metrics=metrics,
            stopping=stopping,
        ),
        workers=workers,
        stopping=stopping,
    )


_lock = threading.Lock()
_current: Runtime | None = None


def current() -> Runtime:
    """Return this process's Proctor, built from the environment by the first call."""
    global _current  # noqa: PLW0603 one process, one runtime
    if _current is None:
        with _lock:
            _current = _current or build()
    return _current


def begin() -> Runtime:
    """Build and start this process's Proctor, once. Whoever asks for it meanwhile waits until it has started.

    Raises:
        Misconfigured: a setting cannot be used; the message names it.
        Unavailable: the database does not answer.

    """
    global _current  # noqa: PLW0603 as above
    with _lock:
        if _current is None:
            runtime = build()
            speak_for_libraries()
            runtime.store.check()
            runtime.start()
            _current = runtime
        return _current


def install(runtime: Runtime | None) -> None:
    """Make *runtime* this process's Proctor; ``None`` forgets it. For whoever builds their own, such as tests."""
    global _current  # noqa: PLW0603 as above
    _current = runtime
