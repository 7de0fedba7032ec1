"""A corridor with the fake providers behind it: everything is real but the vendors, and waits between calls."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlmodel import col, select

from core import runtime as running
from core.answers import Answers
from core.breakers import Breakers
from core.clock import SystemClock
from core.errors import ProctorError
from core.generation import Corridor, GenerationRequest, Partial
from core.guardrails import Guardrails
from core.policy._cache import RevisionCache
from core.principals import LOCAL_OPERATOR, Principal
from core.providers import Provider
from core.providers.loop import Cancellation
from core.record import Generation, Recorder
from core.runtime import Runtime
from core.settings import Settings
from core.tables import (
    Account,
    AttemptRow,
    FieldError,
    FindingRow,
    GenerationRow,
    LedgerEntry,
    Payload,
    PolicySnapshot,
    Reservation,
    Tenant,
)
from tests import servers
from tests.builders import person
from tests.wire.server import WireServer

OPENAI, ANTHROPIC = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
DOLLAR = 1_000_000_000
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
"""What most tests ask for, registered as ``person``."""
A_PERSON = {"name": "some name", "age": 1, "tags": ["some tags", "some tags 2"]}
"""What the fake makes of it."""
_numbers = itertools.count(1)


class HastyClock(SystemClock):
    """The real clock, but nobody waits: waits are noted."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, woken: threading.Event, seconds: float) -> bool:
        """Note the wait and return at once."""
        self.waits.append(seconds)
        return woken.is_set()


@dataclass(slots=True)
class Heard:
    """What a caller was told."""

    generation: Generation
    error: ProctorError | None = None
    partials: list[Partial] = field(default_factory=list[Partial])


@dataclass(frozen=True, slots=True)
class Written:
    """What the database holds of one generation."""

    generation: GenerationRow
    attempts: Sequence[AttemptRow]
    field_errors: Sequence[FieldError]
    findings: Sequence[FindingRow]
    payloads: Sequence[Payload]
    entries: Sequence[LedgerEntry]
    policy: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Rig:
    """One Proctor, built as it always is, on the fake providers."""

    runtime: Runtime
    wire: WireServer
    clock: HastyClock
    routes: dict[Any, str] = field(default_factory=dict[Any, str])
    """The routes made so far, by what they are."""

    def tenant(self, limit_nano_usd: int | None = DOLLAR, **more: Any) -> Tenant:
        """Return a new tenant, with a budget unless *limit_nano_usd* is ``None``."""
        tenant = self.runtime.tenants.create(LOCAL_OPERATOR, f"Tenant {next(_numbers)}", **more)
        if limit_nano_usd is not None:
            self.runtime.budgets.set(LOCAL_OPERATOR, tenant, limit_nano_usd)
        return tenant

    def route(self, *models: str, **limits: Any) -> str:
        """Return the name of a route over *models*; a limit that is a candidate's own is the first one's."""
        known = (*models, *sorted(limits.items()))
        if known not in self.routes:
            name = f"route-{next(_numbers)}"
            candidates: list[dict[str, Any]] = [{"model": model, "timeout_seconds": 20} for model in models]
            for what in ("timeout_seconds", "mode", "max_tokens"):
                if what in limits:
                    candidates[0][what] = limits.pop(what)
            self.runtime.routes.set(LOCAL_OPERATOR, name, candidates, **limits)
            self.routes[known] = name
        return self.routes[known]

    def corridor(
        self,
        *,
        breakers: Breakers | None = None,
        guardrails: Guardrails | None = None,
        answers: Answers | None = None,
        providers: Mapping[str, Provider] | None = None,
    ) -> Corridor:
        """Return a corridor over this Proctor's parts whose breakers have seen nothing yet."""
        runtime, policies = self.runtime, self.runtime.policies
        if guardrails is not None:
            policies = copy(policies)
            policies.built_in = guardrails.members
            policies.kept, policies.inline = RevisionCache(1_000), RevisionCache(1_000)
        return Corridor(
            policies=policies,
            limits=runtime.limits,
            answers=answers or runtime.answers,
            providers=providers or runtime.providers,
            workers=runtime.workers,
            breakers=breakers or Breakers(self.clock),
            loop=runtime.loop,
            clock=self.clock,
            recorder=Recorder(store=runtime.store, clock=self.clock, budgets=runtime.budgets, metrics=runtime.metrics),
        )

    def ask(
        self,
        tenant: Tenant,
        scenario: str = "ok",
        *,
        stream: bool = False,
        corridor: Corridor | None = None,
        cancellation: Cancellation | None = None,
        **more: Any,
    ) -> Heard:
        """Ask for a person, as a program of *tenant* would, and meet *scenario* at the providers.

        A request that is refused without a record raises.
        """
        request = question(scenario, stream=stream, **more)
        corridor, principal = corridor or self.corridor(), program(tenant)
        partials: list[Partial] = []
        try:
            if not stream:
                return Heard(corridor.generate(request, principal, cancellation))
            for news in corridor.stream(request, principal, cancellation):
                if not isinstance(news, Partial):
                    return Heard(news, partials=partials)
                partials.append(news)
        except ProctorError as error:
            if "generation" not in error.facts:
                raise
            return Heard(error.facts["generation"], error, partials)
        raise AssertionError("a stream ends with its generation")

    def written(self, generation_id: str) -> Written:
        """Return what the database holds of a generation."""
        with self.runtime.store.reading() as session:
            generation = session.get(GenerationRow, generation_id)
            assert generation is not None, "every generation is recorded"

            kept = session.get(PolicySnapshot, generation.policy_hash) if generation.policy_hash else None

            def rows(table: Any, order: Any) -> Sequence[Any]:
                mine = select(table).where(table.generation_id == generation_id)
                return session.exec(mine.order_by(col(order))).all()

            return Written(
                generation=generation,
                attempts=rows(AttemptRow, AttemptRow.n),
                field_errors=rows(FieldError, FieldError.id),
                findings=rows(FindingRow, FindingRow.n),
                payloads=rows(Payload, Payload.n),
                entries=rows(LedgerEntry, LedgerEntry.id),
                policy=kept.body if kept else None,
            )

    def last_written(self, tenant: Tenant) -> Written:
        """Return what the database holds of *tenant*'s newest generation."""
        newest = select(GenerationRow.id).where(GenerationRow.tenant_id == tenant.id)
        with self.runtime.store.reading() as session:
            generation_id = session.exec(newest.order_by(col(GenerationRow.id).desc())).first()
        assert generation_id is not None, "every generation is recorded"
        return self.written(generation_id)

    def accounts(self, tenant: Tenant) -> Sequence[Account]:
        """Return *tenant*'s accounts, the oldest first."""
        with self.runtime.store.reading() as session:
            mine = select(Account).where(Account.tenant_id == tenant.id)
            return session.exec(mine.order_by(col(Account.starts_at))).all()

    def is_settled(self) -> bool:
        """Whether the ledger explains every account and nothing is held for anyone."""
        verified = self.runtime.budgets.verify(LOCAL_OPERATOR)
        with self.runtime.store.reading() as session:
            held = session.exec(select(Reservation)).all()
        return verified.ok and verified.held_nano_usd == 0 and not held


def program(tenant: Tenant) -> Principal:
    """Return the principal of a tenant's key."""
    return Principal.of_key("key", tenant.id, "prk_test")


def question(scenario: str = "ok", **more: Any) -> GenerationRequest:
    """Return a request for a person that meets *scenario*; several marks are separated by blanks."""
    marks = " ".join(f"[[{mark}]]" for mark in scenario.split())
    asked: dict[str, Any] = {"schema": "person"}
    if "messages" not in more:
        asked["input"] = f"Make a person, number {next(_numbers)}. {marks}"
    return GenerationRequest(**asked | more)


def settings(wire: WireServer, database_url: str, **more: Any) -> Settings:
    """Return the settings of a Proctor whose two vendors are the fake."""
    values: dict[str, Any] = {
        "openai_api_key": "sk-test-openai",
        "openai_base_url": wire.openai_url,
        "anthropic_api_key": "sk-ant-test",
        "anthropic_base_url": wire.anthropic_url,
        "model_primary": OPENAI,
        "database_url": database_url,
        "rate_limit_per_min": 100_000,
        "log_level": "ERROR",
        "local_model": "off",
        "demo": False,
    }
    return Settings(**values | more)


@contextmanager
def rig(wire: WireServer, database_url: str, **more: Any) -> Generator[Rig]:
    """Build a Proctor on a migrated database, with the schema ``person``; *more* are settings."""
    clock = HastyClock()
    runtime = running.build(settings(wire, database_url, **more), clock)
    try:
        runtime.schemas.add(person("test"), "person", PERSON)
        yield Rig(runtime, wire, clock)
    finally:
        runtime.close()


@contextmanager
def rig_on(request: pytest.FixtureRequest, wire: WireServer, name: str) -> Generator[Rig]:
    """Build a Proctor on the database that the fixture's parameter says, ``sqlite`` or ``postgresql``, as *name*."""
    template = request.getfixturevalue("sqlite_template" if request.param == "sqlite" else "pg_template")
    if request.param == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp(name)
        with rig(wire, f"sqlite:///{shutil.copy(template, folder / 'proctor.db')}") as running:
            yield running
        return
    with servers.database(request.getfixturevalue("pg_url"), name, template) as own, rig(wire, own) as running:
        yield running
