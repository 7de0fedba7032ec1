"""Who may do what: every read and command, asked by each role with its own ids and with those of another tenant."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core import runtime as running
from core.breakers import BreakerState
from core.clock import ManualClock
from core.demo import Demo
from core.dialects import DIALECTS, DialectName
from core.errors import Conflict, Denied, Forbidden, NotFound, ProctorError
from core.faults import Fault
from core.flags import Flag
from core.generation import GenerationRequest
from core.guardrails import Stage
from core.outlooks import Outlooks
from core.principals import LOCAL_OPERATOR, USUAL_SCOPES, KeyScope, Permission, Principal, Role
from core.reports import CallFilter, ChangeFilter, Query, Reports, Window
from core.requests import RelayCall
from core.runtime import Runtime
from core.settings import Settings
from core.user_exports import KeptUser
from tests import servers
from tests.builders import person
from tests.conftest import START
from tests.grounds import DAY, RATES, Ground, ground, hour, nowhere, rows_of, told
from tests.rooms import NOBODYS, WITHOUT, questions, questions_of, rooms, takes_principal

WINDOW = Window.last(timedelta(days=7), START)
LONG = Window.last(timedelta(days=365), START)
BY_TENANT = Query(window=WINDOW, measures=["calls", "p95", "spend"], by=["time", "tenant", "model"])
OPENED = Window.of(START - DAY, START + DAY)
MODEL = "openai/gpt-4o-mini"
BODY = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


class Kind(Enum):
    """What is asked."""

    LIST = auto()
    """A read in which another tenant is absent."""
    LOOKUP = auto()
    """A read of one thing; another tenant's is not there."""
    SHARED = auto()
    """A read of what is the same for all tenants."""
    COMMAND = auto()
    """A decision about one tenant's own."""
    OVER_ALL = auto()
    """A decision about all tenants, which nobody takes who is limited to one."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way of asking."""

    kind: Kind
    needs: Permission
    ask: Callable[[Runtime, Principal, Ground], Any]


def wanted(of: Ground) -> CallFilter:
    """Return the filter for a tenant's calls."""
    return CallFilter(starts_at=WINDOW.starts_at, ends_at=WINDOW.ends_at, tenant_id=of.tenant.id)


EVERY = CallFilter(starts_at=WINDOW.starts_at, ends_at=WINDOW.ends_at)


def request(of: Ground) -> GenerationRequest:
    """Return what to generate in a tenant."""
    return GenerationRequest(schema="shared", input="Read this.", tenant_id=of.tenant.id)


def relayed(of: Ground) -> RelayCall:
    """Return what to relay in a tenant."""
    body = b'{"model": "shared", "messages": [{"role": "user", "content": "Read this."}]}'
    return RelayCall(request=DIALECTS[DialectName.CHAT].read(body), tenant_id=of.tenant.id)


PASSWORD = "correct horse battery"


def refused_as_there_is_one(on: Runtime, who: Principal) -> None:
    """Ask for the first owner's link where there is an owner."""
    with pytest.raises(Conflict):
        on.people.open_first(who)


def ada(on: Runtime) -> str:
    """Return the id of somebody who is less than an owner."""
    return on.people.find(LOCAL_OPERATOR, "Ada").id


VIEW = {"q": "", "sort": "-started", "columns": ""}


def as_ada(on: Runtime, who: Principal) -> Principal:
    """Return who sees all tenants as somebody who has signed in: views are kept for such alone."""
    return dataclasses.replace(who, person_id=ada(on)) if who == LOCAL_OPERATOR else who


P, L, K, S, C, A = Permission, Kind.LIST, Kind.LOOKUP, Kind.SHARED, Kind.COMMAND, Kind.OVER_ALL
CASES: dict[str, Case] = {
    # A name is that of the method; what follows a blank tells several ways of asking apart.
    "tenants.create": Case(A, P.TENANTS_WRITE, lambda on, who, of: on.tenants.create(who, "New")),
    "tenants.list": Case(L, P.TENANTS_READ, lambda on, who, of: on.tenants.list(who)),
    "tenants.find id": Case(K, P.TENANTS_READ, lambda on, who, of: on.tenants.find(who, of.tenant.id)),
    "tenants.find name": Case(K, P.TENANTS_READ, lambda on, who, of: on.tenants.find(who, of.tenant.name)),
    "tenants.edit": Case(C, P.TENANTS_WRITE, lambda on, who, of: on.tenants.edit(who, of.tenant.id, 1, name="Now")),
    "tenants.edit zone": Case(
        C, P.TENANTS_WRITE, lambda on, who, of: on.tenants.edit(who, of.tenant.id, 1, timezone="Asia/Tokyo")
    ),
    "tenants.create_key": Case(C, P.KEYS_WRITE, lambda on, who, of: on.tenants.create_key(who, of.tenant)),
    "tenants.revoke_key": Case(C, P.KEYS_WRITE, lambda on, who, of: on.tenants.revoke_key(who, of.key_id)),
    "tenants.edit_key": Case(
        C, P.KEYS_WRITE, lambda on, who, of: on.tenants.edit_key(who, of.key_id, rate_limit_per_min=7)
    ),
    "tenants.rotate_key": Case(C, P.KEYS_WRITE, lambda on, who, of: on.tenants.rotate_key(who, of.key_id, DAY)),
    "tenants.create_key all": Case(A, P.KEYS_WRITE, lambda on, who, of: on.tenants.create_key(who, None)),
    "tenants.key_page": Case(L, P.KEYS_READ, lambda on, who, of: on.tenants.key_page(who, of.tenant.id)),
    "tenants.key_page all": Case(L, P.KEYS_READ, lambda on, who, of: on.tenants.key_page(who)),
    "tenants.find_key": Case(K, P.KEYS_READ, lambda on, who, of: on.tenants.find_key(who, of.key_id)),
    "tenants.keys": Case(L, P.KEYS_READ, lambda on, who, of: on.tenants.keys(who, of.tenant)),
    "trials.text": Case(
        K, P.GUARDRAILS_READ, lambda on, who, of: on.trials.text(who, "a text", Stage.INPUT, of.tenant.id).goes_on
    ),
    "trials.rule": Case(
        L,
        P.GENERATIONS_READ,
        lambda on, who, of: on.trials.rule(who, on.guardrails.draft("long", "length", "note"), of.tenant.id),
    ),
    "trials.rule all": Case(
        L,
        P.GENERATIONS_READ,
        lambda on, who, of: on.trials.rule(who, on.guardrails.draft("long", "length", "note")),
    ),
    "erasures.found": Case(L, P.USERS_ERASE, lambda on, who, of: on.erasures.found(who, "ann", of.tenant)),
    "erasures.found all": Case(L, P.USERS_ERASE, lambda on, who, of: on.erasures.found(who, "ann")),
    "erasures.erase": Case(C, P.USERS_ERASE, lambda on, who, of: on.erasures.erase(who, "ann", of.tenant)),
    "erasures.erase all": Case(A, P.USERS_ERASE, lambda on, who, of: on.erasures.erase(who, "ann")),
    "erasures.repeat": Case(A, P.USERS_ERASE, lambda on, who, of: on.erasures.repeat(who, [])),
    "erasures.certificate": Case(K, P.USERS_ERASE, lambda on, who, of: on.erasures.certificate(who, of.certificate_id)),
    "erasures.list": Case(L, P.USERS_ERASE, lambda on, who, of: on.erasures.list(who, of.tenant)),
    "erasures.list all": Case(L, P.USERS_ERASE, lambda on, who, of: on.erasures.list(who)),
    "erasures.every": Case(L, P.USERS_ERASE, lambda on, who, of: list(on.erasures.every(who))),
    "user_exports.user": Case(K, P.USERS_ERASE, lambda on, who, of: on.user_exports.user(who, "ann", of.tenant)),
    "user_exports.export": Case(
        C, P.USERS_ERASE, lambda on, who, of: on.user_exports.export(who, KeptUser(of.tenant.id, ("0" * 32,))).calls
    ),
    "flags.rules": Case(L, P.FLAGS_READ, lambda on, who, of: on.flags.rules(who)),
    "flags.stale": Case(L, P.FLAGS_READ, lambda on, who, of: on.flags.stale(who)),
    "flags.evaluate": Case(K, P.FLAGS_READ, lambda on, who, of: on.flags.evaluate(who, Flag.STREAMING, of.tenant.id)),
    "flags.held": Case(K, P.FLAGS_READ, lambda on, who, of: on.flags.held(who, of.tenant)),
    "flags.set": Case(C, P.FLAGS_WRITE, lambda on, who, of: on.flags.set(who, Flag.FALLBACK, of.tenant, False)),
    "flags.set all": Case(A, P.FLAGS_WRITE, lambda on, who, of: on.flags.set(who, Flag.FALLBACK, None, False)),
    "flags.clear": Case(C, P.FLAGS_WRITE, lambda on, who, of: on.flags.clear(who, Flag.STREAMING, of.tenant)),
    "flags.clear all": Case(A, P.FLAGS_WRITE, lambda on, who, of: on.flags.clear(who, Flag.GENERATION, None)),
    "drills.start": Case(
        C,
        P.DRILLS_WRITE,
        lambda on, who, of: on.drills.start(who, of.tenant, Fault.SLOW, share=1, minutes=5, reason="try"),
    ),
    "drills.start all": Case(
        A,
        P.DRILLS_WRITE,
        lambda on, who, of: on.drills.start(who, None, Fault.SLOW, share=1, minutes=5, reason="try"),
    ),
    "drills.stop": Case(C, P.DRILLS_WRITE, lambda on, who, of: on.drills.stop(who, of.drill_id)),
    "drills.list": Case(L, P.DRILLS_READ, lambda on, who, of: on.drills.list(who)),
    "drills.running": Case(L, P.DRILLS_READ, lambda on, who, of: on.drills.running(who)),
    "people.create": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.create(who, "New", PASSWORD, Role.VIEWER)),
    "people.invite": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.invite(who, "New", Role.VIEWER)),
    "people.invite_again": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.invite_again(who, ada(on))),
    "people.change_password": Case(
        A, P.PEOPLE_WRITE, lambda on, who, of: on.people.change_password(who, ada(on), PASSWORD)
    ),
    "people.grant": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.grant(who, ada(on), Role.PRODUCT)),
    "people.grant one": Case(
        A, P.PEOPLE_WRITE, lambda on, who, of: on.people.grant(who, ada(on), Role.PRODUCT, [of.tenant])
    ),
    "people.take_away": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.take_away(who, ada(on), Role.VIEWER)),
    "people.remove": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.remove(who, ada(on))),
    "people.end_sessions": Case(A, P.PEOPLE_WRITE, lambda on, who, of: on.people.end_sessions(who, ada(on))),
    "people.open_first": Case(A, P.PEOPLE_WRITE, lambda on, who, of: refused_as_there_is_one(on, who)),
    "people.list": Case(A, P.PEOPLE_READ, lambda on, who, of: on.people.list(who)),
    "people.find": Case(A, P.PEOPLE_READ, lambda on, who, of: on.people.find(who, "Ada")),
    "people.sessions": Case(A, P.PEOPLE_READ, lambda on, who, of: on.people.sessions(who, ada(on))),
    "views.list": Case(S, P.GENERATIONS_READ, lambda on, who, of: on.views.list(who)),
    "views.save": Case(A, P.GENERATIONS_READ, lambda on, who, of: on.views.save(as_ada(on, who), "Mine", **VIEW)),
    "views.remove": Case(
        A,
        P.GENERATIONS_READ,
        lambda on, who, of: on.views.remove(as_ada(on, who), on.views.save(as_ada(on, who), "Mine", **VIEW).id),
    ),
    "changes.preview": Case(K, P.CHANGES_READ, lambda on, who, of: on.changes.preview(who, of.change_id)),
    "changes.undo": Case(C, P.CHANGES_READ, lambda on, who, of: on.changes.undo(who, of.change_id)),
    "changes.note": Case(C, P.CHANGES_WRITE, lambda on, who, of: on.changes.note(who, "v2 went out", tenant=of.tenant)),
    "changes.note all": Case(A, P.CHANGES_WRITE, lambda on, who, of: on.changes.note(who, "v2 went out")),
    "trail.verify": Case(A, P.CHANGES_READ, lambda on, who, of: on.trail.verify(who).ok),
    "trail.export": Case(A, P.CHANGES_READ, lambda on, who, of: len(list(on.trail.export(who)))),
    "budgets.set": Case(C, P.BUDGETS_WRITE, lambda on, who, of: on.budgets.set(who, of.tenant, 9)),
    "budgets.set model": Case(
        C, P.BUDGETS_WRITE, lambda on, who, of: on.budgets.set(who, of.tenant, 9, scope="model", scope_name=MODEL)
    ),
    "budgets.remove": Case(C, P.BUDGETS_WRITE, lambda on, who, of: on.budgets.remove(who, of.tenant, of.budget_id)),
    "budgets.raise_limit": Case(
        C,
        P.BUDGETS_WRITE,
        lambda on, who, of: on.budgets.raise_limit(who, of.tenant, of.budget_id, 5, ends_at=START + DAY, reason="more"),
    ),
    "budgets.withdraw_raise": Case(
        C, P.BUDGETS_WRITE, lambda on, who, of: on.budgets.withdraw_raise(who, of.tenant, of.raise_id)
    ),
    "budgets.all": Case(L, P.BUDGETS_READ, lambda on, who, of: on.budgets.all(who, [of.tenant])),
    "budgets.states": Case(L, P.BUDGETS_READ, lambda on, who, of: on.budgets.states(who, [of.tenant])),
    "budgets.show": Case(K, P.BUDGETS_READ, lambda on, who, of: on.budgets.show(who, of.tenant)),
    "budgets.last_verification": Case(L, P.BUDGETS_READ, lambda on, who, of: on.budgets.last_verification(who)),
    "guardrails.list": Case(L, P.GUARDRAILS_READ, lambda on, who, of: on.guardrails.list(who)),
    "guardrails.find": Case(K, P.GUARDRAILS_READ, lambda on, who, of: on.guardrails.find(who, "long", of.tenant)),
    "guardrails.set": Case(
        C, P.GUARDRAILS_WRITE, lambda on, who, of: on.guardrails.set(who, "long", of.tenant, "length", "block")
    ),
    "guardrails.set all": Case(
        A, P.GUARDRAILS_WRITE, lambda on, who, of: on.guardrails.set(who, "longer", None, "length", "block")
    ),
    "guardrails.remove": Case(C, P.GUARDRAILS_WRITE, lambda on, who, of: on.guardrails.remove(who, "long", of.tenant)),
    "guardrails.remove all": Case(
        A, P.GUARDRAILS_WRITE, lambda on, who, of: on.guardrails.remove(who, "for all", None)
    ),
    "routes.list": Case(S, P.ROUTES_READ, lambda on, who, of: on.routes.list(who)),
    "routes.find": Case(S, P.ROUTES_READ, lambda on, who, of: on.routes.find(who, "shared")),
    "routes.for_schema": Case(S, P.ROUTES_READ, lambda on, who, of: on.routes.for_schema(who, "shared")),
    "routes.of_model": Case(S, P.ROUTES_READ, lambda on, who, of: on.routes.of_model(who, MODEL)),
    "routes.models": Case(S, P.ROUTES_READ, lambda on, who, of: on.routes.models(who)),
    "routes.set": Case(A, P.ROUTES_WRITE, lambda on, who, of: on.routes.set(who, "new", [{"model": MODEL}])),
    "routes.reset": Case(A, P.ROUTES_WRITE, lambda on, who, of: on.routes.reset(who, "shared")),
    "schemas.find": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.find(who, "shared").reference),
    "schemas.list": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.list(who)),
    "schemas.summary": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.summary(who, "shared")),
    "schemas.catalogue": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.catalogue(who)),
    "schemas.versions": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.versions(who, "shared")),
    "schemas.add": Case(A, P.SCHEMAS_WRITE, lambda on, who, of: on.schemas.add(who, "new", BODY)),
    "schemas.promote": Case(A, P.SCHEMAS_WRITE, lambda on, who, of: on.schemas.promote(who, "shared", 1, "next")),
    "schemas.labels": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.labels(who, "shared")),
    "schemas.source": Case(S, P.SCHEMAS_READ, lambda on, who, of: on.schemas.source(who, "shared", 1)),
    "schemas.roll_back": Case(A, P.SCHEMAS_WRITE, lambda on, who, of: on.schemas.roll_back(who, "shared", 1, "older")),
    "schemas.unlabel": Case(A, P.SCHEMAS_WRITE, lambda on, who, of: on.schemas.unlabel(who, "shared", "production")),
    "schemas.load_samples": Case(A, P.SCHEMAS_WRITE, lambda on, who, of: on.schemas.load_samples(who)),
    "overrides.all": Case(S, P.BREAKERS_READ, lambda on, who, of: on.overrides.all(who)),
    "overrides.set": Case(
        A, P.BREAKERS_WRITE, lambda on, who, of: on.overrides.set(who, "openai/other", BreakerState.OPEN, "ill")
    ),
    "overrides.clear": Case(A, P.BREAKERS_WRITE, lambda on, who, of: on.overrides.clear(who, MODEL)),
    "prices.book": Case(K, P.PRICES_READ, lambda on, who, of: on.prices.book(who, of.tenant.id)),
    "prices.books": Case(K, P.PRICES_READ, lambda on, who, of: on.prices.books(who, ["", of.tenant.id])),
    "prices.overrides": Case(L, P.PRICES_READ, lambda on, who, of: on.prices.overrides(who)),
    "prices.set": Case(
        C,
        P.PRICES_WRITE,
        lambda on, who, of: on.prices.set(who, "compatible", "it", tenant=of.tenant, rates=RATES, reason="so"),
    ),
    "prices.set all": Case(
        A, P.PRICES_WRITE, lambda on, who, of: on.prices.set(who, "compatible", "it", rates=RATES, reason="so")
    ),
    "prices.withdraw": Case(C, P.PRICES_WRITE, lambda on, who, of: on.prices.withdraw(who, of.override_id)),
    "prices.in_use": Case(L, P.PRICES_READ, lambda on, who, of: on.prices.in_use(who, START - 9 * DAY)),
    "prices.unpriced": Case(L, P.PRICES_READ, lambda on, who, of: on.prices.unpriced(who)),
    "repricings.preview": Case(
        C, P.PRICES_WRITE, lambda on, who, of: on.repricings.preview(who, hour(of.tenant.id, 2 * DAY))
    ),
    "repricings.preview all": Case(
        A, P.PRICES_WRITE, lambda on, who, of: on.repricings.preview(who, hour("", 2 * DAY))
    ),
    "repricings.reprice": Case(
        C, P.PRICES_WRITE, lambda on, who, of: on.repricings.reprice(who, hour(of.tenant.id, 2 * DAY), "so")
    ),
    "repricings.reprice all": Case(
        A, P.PRICES_WRITE, lambda on, who, of: on.repricings.reprice(who, hour("", 2 * DAY), "so")
    ),
    "repricings.list": Case(L, P.PRICES_READ, lambda on, who, of: on.repricings.list(who)),
    "repricings.find": Case(K, P.PRICES_READ, lambda on, who, of: on.repricings.find(who, of.repricing_id)),
    "repricings.old_figures": Case(
        L, P.PRICES_READ, lambda on, who, of: list(on.repricings.old_figures(who, of.repricing_id))
    ),
    "policies.quota_use": Case(K, P.TENANTS_READ, lambda on, who, of: on.policies.quota_use(who, of.tenant)),
    "policies.quota_use recorded": Case(
        K,
        P.TENANTS_READ,
        lambda on, who, of: on.policies.quota_use(who, of.tenant, recorded_until=START - timedelta(minutes=2)),
    ),
    "runtime.schema_forms": Case(
        S,
        P.SCHEMAS_READ,
        lambda on, who, of: on.schema_forms(who, "shared", on.routes.find(LOCAL_OPERATOR, "shared").terms),
    ),
    "budgets.verify": Case(A, P.BUDGETS_WRITE, lambda on, who, of: on.budgets.verify(who, whole=False)),
    "rollups.verify": Case(A, P.BUDGETS_WRITE, lambda on, who, of: on.rollups.verify(who, whole=False).ok),
    "rollups.rebuild": Case(A, P.BUDGETS_WRITE, lambda on, who, of: on.rollups.rebuild(who)),
    "analytics.compare": Case(A, P.BUDGETS_WRITE, lambda on, who, of: on.analytics.compare(who)),
    "analytics.rebuild": Case(A, P.BUDGETS_WRITE, lambda on, who, of: on.analytics.rebuild(who)),
    "analytics.stop": Case(A, P.BUDGETS_WRITE, lambda on, who, of: on.analytics.stop(who)),
    "demo.make": Case(A, P.TENANTS_WRITE, lambda on, who, of: on.demo.make(who)),
    "demo.remove": Case(A, P.TENANTS_WRITE, lambda on, who, of: on.demo.remove(who)),
    "answers.show": Case(L, P.TENANTS_READ, lambda on, who, of: on.answers.show(who, of.tenant)),
    "answers.clear": Case(C, P.TENANTS_WRITE, lambda on, who, of: on.answers.clear(who, of.tenant)),
    "generator.generate": Case(C, P.GENERATIONS_WRITE, lambda on, who, of: on.generator.generate(request(of), who)),
    "generator.expectations": Case(
        C, P.GENERATIONS_WRITE, lambda on, who, of: on.generator.expectations(request(of), who)
    ),
    "generator.relay": Case(C, P.GENERATIONS_WRITE, lambda on, who, of: list(on.generator.relay(relayed(of), who))),
    "generator.count_tokens": Case(
        C, P.GENERATIONS_WRITE, lambda on, who, of: on.generator.count_tokens(relayed(of), who)
    ),
    "generator.stream": Case(C, P.GENERATIONS_WRITE, lambda on, who, of: list(on.generator.stream(request(of), who))),
}
READS: dict[str, tuple[Kind, Callable[[Reports, Principal, Ground], Any]]] = {
    "overview": (L, lambda on, who, of: on.overview(who, WINDOW, of.tenant.id)),
    "overview all": (L, lambda on, who, of: on.overview(who, WINDOW)),
    "query": (L, lambda on, who, of: on.query(who, BY_TENANT, of.tenant.id).shown),
    "query all": (L, lambda on, who, of: on.query(who, BY_TENANT).shown),
    "caught": (L, lambda on, who, of: on.caught(who, WINDOW, of.tenant.id)),
    "caught all": (L, lambda on, who, of: on.caught(who, WINDOW)),
    "troubles": (L, lambda on, who, of: on.troubles(who, of.tenant.id)),
    "troubles all": (L, lambda on, who, of: on.troubles(who)),
    "clusters": (L, lambda on, who, of: on.clusters(who, WINDOW, of.tenant.id)),
    "clusters all": (L, lambda on, who, of: on.clusters(who, WINDOW)),
    "incident": (L, lambda on, who, of: on.incident(who, OPENED, of.tenant.id)),
    "incident all": (L, lambda on, who, of: on.incident(who, OPENED)),
    "rejections": (L, lambda on, who, of: on.rejections(who, of.tenant.id)),
    "rejections all": (L, lambda on, who, of: on.rejections(who)),
    "providers": (L, lambda on, who, of: list(on.providers(who, of.tenant.id).figures.items())),
    "providers all": (L, lambda on, who, of: list(on.providers(who).figures.items())),
    "spend": (L, lambda on, who, of: on.spend(who, WINDOW, of.tenant.id)),
    "spend all": (L, lambda on, who, of: on.spend(who, WINDOW)),
    "statement": (K, lambda on, who, of: on.statement(who, of.tenant.id)),
    "forecasts": (K, lambda on, who, of: on.forecasts(who, of.tenant.id)),
    "forecasts all": (L, lambda on, who, of: on.forecasts(who)),
    "forecast": (K, lambda on, who, of: on.forecast(who, of.tenant.id)),
    "backtests": (L, lambda on, who, of: on.backtests(who, of.tenant.id)),
    "backtests all": (L, lambda on, who, of: on.backtests(who)),
    "spend_history": (K, lambda on, who, of: on.spend_history(who, of.tenant.id)),
    "spend_histories": (L, lambda on, who, of: on.spend_histories(who, [of.tenant.id])),
    "verified": (L, lambda on, who, of: on.verified(who)),
    "replica": (A, lambda on, who, of: on.replica(who)),
    "keeping": (L, lambda on, who, of: on.keeping(who, of.tenant.id, 62).tenants),
    "keeping all": (L, lambda on, who, of: on.keeping(who, days=62).tenants),
    "unkept": (L, lambda on, who, of: on.unkept(who, LONG, of.tenant.id)),
    "unkept all": (L, lambda on, who, of: on.unkept(who, LONG)),
    "store_size": (A, lambda on, who, of: bool(on.store_size(who).families)),
    "proven": (L, lambda on, who, of: on.proven(who)),
    "latest_call_at": (L, lambda on, who, of: on.latest_call_at(who, of.tenant.id)),
    "latest_call_at all": (L, lambda on, who, of: on.latest_call_at(who)),
    "count": (L, lambda on, who, of: on.count(who, wanted(of))),
    "count all": (L, lambda on, who, of: on.count(who, EVERY)),
    "contrast": (L, lambda on, who, of: on.contrast(who, EVERY, wanted(of))),
    "contrast all": (L, lambda on, who, of: on.contrast(who, EVERY, dataclasses.replace(EVERY, outcome="any_error"))),
    "summary": (L, lambda on, who, of: on.summary(who, wanted(of))),
    "summary all": (L, lambda on, who, of: on.summary(who, EVERY)),
    "tail": (L, lambda on, who, of: on.tail(who, wanted(of))),
    "tail all": (L, lambda on, who, of: on.tail(who, EVERY)),
    "calls": (L, lambda on, who, of: on.calls(who, wanted(of))),
    "calls all": (L, lambda on, who, of: on.calls(who, EVERY)),
    "calls id": (L, lambda on, who, of: on.calls(who, dataclasses.replace(EVERY, text=of.call_id))),
    "calls_frames": (L, lambda on, who, of: list(on.calls_frames(who, wanted(of)))),
    "calls_frames all": (L, lambda on, who, of: list(on.calls_frames(who, EVERY))),
    "schemas": (L, lambda on, who, of: on.schemas(who, WINDOW, of.tenant.id)),
    "schemas all": (L, lambda on, who, of: on.schemas(who, WINDOW)),
    "schemas one": (L, lambda on, who, of: on.schemas(who, WINDOW, of.tenant.id, "invoice")),
    "newest": (L, lambda on, who, of: on.newest(who, WINDOW, 1, of.tenant.id)),
    "newest all": (L, lambda on, who, of: on.newest(who, WINDOW, 1)),
    "route_use": (L, lambda on, who, of: on.route_use(who, of.tenant.id)),
    "route_use all": (L, lambda on, who, of: on.route_use(who)),
    "flag_met": (L, lambda on, who, of: on.flag_met(who, Flag.GENERATION, of.tenant.id)),
    "flag_met all": (L, lambda on, who, of: on.flag_met(who, Flag.GENERATION)),
    "call": (K, lambda on, who, of: on.call(who, of.call_id)),
}
CHANGED = ChangeFilter(starts_at=WINDOW.starts_at, ends_at=START + DAY)


def since(on: Reports, who: Principal, of: Ground) -> Any:
    """Return what was decided of a ground's flag since."""
    return on.changes_since(who, on.change(who, of.change_id), 5)


READ_CHANGES: dict[str, tuple[Kind, Callable[[Reports, Principal, Ground], Any]]] = {
    "changes": (L, lambda on, who, of: on.changes(who, dataclasses.replace(CHANGED, tenant_id=of.tenant.id))),
    "changes all": (L, lambda on, who, of: on.changes(who, CHANGED)),
    "decided_before": (L, lambda on, who, of: on.decided_before(who, on.changes(who, CHANGED).changes)),
    "changes text": (L, lambda on, who, of: on.changes(who, dataclasses.replace(CHANGED, text=of.tenant.name))),
    "every_change": (L, lambda on, who, of: list(on.every_change(who, CHANGED))),
    "changes_since": (K, since),
    "change": (K, lambda on, who, of: on.change(who, of.change_id)),
    "change_choices": (L, lambda on, who, of: on.change_choices(who, WINDOW.starts_at, START + DAY, of.tenant.id)),
    "change_choices all": (L, lambda on, who, of: on.change_choices(who, WINDOW.starts_at, START + DAY)),
}


def _of_reports(read: Callable[[Reports, Principal, Ground], Any]) -> Callable[[Runtime, Principal, Ground], Any]:
    return lambda on, who, of: read(on.reports, who, of)


for needed, asked in ((P.GENERATIONS_READ, READS), (P.CHANGES_READ, READ_CHANGES)):
    CASES |= {f"reports.{name}": Case(kind, needed, _of_reports(read)) for name, (kind, read) in asked.items()}


def of_kind(*kinds: Kind) -> list[str]:
    """Return the names of the cases of these kinds."""
    return [name for name, case in CASES.items() if case.kind in kinds]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A Proctor with two tenants."""

    on: Runtime
    mine: Ground
    other: Ground
    alone: dict[str, str]
    """What every read told whoever is limited to the first tenant before there was another."""
    copies: Callable[[], AbstractContextManager[str]]
    """Makes databases that are as this one is now; gives their URLs."""

    @property
    def limited(self) -> Principal:
        """An owner of the first tenant."""
        return self.who(Role.OWNER)

    def who(self, role: Role) -> Principal:
        """Return somebody who has a role in the first tenant."""
        scopes = [scope for scope in KeyScope if scope.role is role]
        return self.key_of(scopes) if scopes else person("limited", role, self.mine.tenant.id)

    @property
    def program(self) -> Principal:
        """A key of the first tenant, as most are."""
        return self.key_of(USUAL_SCOPES)

    def key_of(self, scopes: Sequence[KeyScope]) -> Principal:
        """Return a key of the first tenant that is for *scopes*."""
        return Principal.of_key(self.mine.key_id, self.mine.tenant.id, "prk_test", scopes=scopes)


@contextmanager
def opened(url: str) -> Generator[Runtime]:
    """Build a Proctor on a migrated database, in which time stands still."""
    settings = Settings(database_url=url, demo=False, local_model="off", log_level="ERROR")
    runtime = running.build(settings, ManualClock(START))
    runtime = dataclasses.replace(runtime, demo=Demo(settings, runtime.store, runtime.clock, scale=0))
    try:
        yield runtime
    finally:
        runtime.close()


@contextmanager
def files(template: Path, folder: Path) -> Generator[str]:
    """Copy a SQLite database."""
    yield f"sqlite:///{shutil.copy(template, folder / f'{next(_NUMBERS)}.db')}"


def copied(server: str, template: str) -> AbstractContextManager[str]:
    """Copy a PostgreSQL database that nobody is connected to."""
    return servers.database(server, f"{template}_{next(_NUMBERS)}", template)


_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> World:
    """Two tenants that have one of everything, on either database; no test changes it."""
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


@pytest.fixture(scope="module")
def sqlite_world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world on SQLite."""
    folder = tmp_path_factory.mktemp("principals")
    with peopled(partial(files, sqlite_template, folder), partial(files, folder / "1.db", folder)) as world:
        yield world


@pytest.fixture(scope="module")
def postgresql_world(pg_url: str, pg_template: str) -> Iterator[World]:
    """The world on PostgreSQL."""
    made = partial(servers.database, pg_url, "principals", pg_template)
    with peopled(made, partial(copied, pg_url, "principals")) as world:
        yield world


@contextmanager
def peopled(
    made: Callable[[], AbstractContextManager[str]], copies: Callable[[], AbstractContextManager[str]]
) -> Generator[World]:
    """Make the world on a database that is *made*, and open a copy of it."""
    with made() as url:
        with opened(url) as on:
            on.schemas.add(LOCAL_OPERATOR, "shared", BODY)
            on.routes.set(LOCAL_OPERATOR, "shared", [{"model": MODEL}], schemas=["shared"])
            on.overrides.set(LOCAL_OPERATOR, MODEL, BreakerState.OPEN, "ill")
            on.flags.set(LOCAL_OPERATOR, Flag.GENERATION, None, True)
            on.guardrails.set(LOCAL_OPERATOR, "for all", None, "length", "note")
            on.people.create(LOCAL_OPERATOR, "Grace", PASSWORD, Role.OWNER)
            on.people.accept(on.people.invite(LOCAL_OPERATOR, "Ada", Role.VIEWER).path.rpartition("/")[2], PASSWORD)
            mine = ground(on, "Aardvark", ago=timedelta(minutes=5))
            Outlooks(on.store, on.clock).make()
            limited = person("limited", Role.OWNER, mine.tenant.id)
            alone = {name: told(CASES[name].ask(on, limited, mine)) for name in of_kind(L, K, S)}
            other = ground(on, "Zeppelin", ago=timedelta(minutes=3))
            Outlooks(on.store, on.clock).make()
            on.budgets.verify(LOCAL_OPERATOR)
            on.rollups.verify(LOCAL_OPERATOR)
        with copies() as copy, opened(copy) as on:
            yield World(on=on, mine=mine, other=other, alone=alone, copies=copies)


@pytest.fixture
def own_world(sqlite_world: World) -> Iterator[World]:
    """The same, to change; on SQLite alone, as each command is tried on both databases where its noun is."""
    with sqlite_world.copies() as url, opened(url) as on:
        yield dataclasses.replace(sqlite_world, on=on)


def test_whoever_asks_says_who() -> None:
    """Every public method of every room takes a principal first, or stands in the list of those that need none.

    A room that is left out whole, as it knows nothing of tenants, has no method that takes one.
    """
    assert {name for name, one in questions() if not takes_principal(one)} == WITHOUT.keys()
    assert not [name for room in NOBODYS for name, one in questions_of(room) if takes_principal(one)]


def test_the_table_is_whole() -> None:
    """Whatever takes a principal, of any room, stands in the table."""
    assert {name for name, one in questions() if takes_principal(one)} == {name.split(" ")[0] for name in CASES}


def test_a_role_without_the_permission_is_refused(world: World) -> None:
    """Whoever lacks it is told which permission it needs, of the own tenant and of others, and changes nothing."""
    before = rows_of(world.on.store)
    asked = ((name, case, role) for name, case in CASES.items() for role in Role if case.needs not in role.permissions)
    for name, case, role in asked:
        for of in (world.mine, world.other):
            with pytest.raises(Forbidden) as refused:
                case.ask(world.on, world.who(role), of)
            assert refused.value.facts["permission"] == case.needs, (name, role)
            assert not world.other.named_in(refused.value.message), (name, role)
    assert rows_of(world.on.store) == before


@pytest.mark.parametrize("name", of_kind(L, K, S))
def test_a_read_shows_nothing_of_another_tenant(world: World, name: str) -> None:
    """Whether there is another tenant cannot be told from any read: neither by its ids nor by any figure."""
    case = CASES[name]
    for role in (Role.OWNER, Role.VIEWER, Role.READ_KEY, Role.MANAGE_KEY):
        if case.needs not in role.permissions:
            continue
        who = world.who(role)
        if role is not Role.VIEWER or not name.startswith("policies.quota_use"):  # a viewer sees no keys
            assert told(case.ask(world.on, who, world.mine)) == world.alone[name], role
        absent = nowhere("Quixotic")
        if case.kind is K:
            sentences: list[str] = []
            for of in (world.other, absent):
                with pytest.raises(NotFound) as missing:
                    case.ask(world.on, who, of)
                sentences.append(of.hidden_in(missing.value.message))
            assert sentences[0] == sentences[1], role
        else:
            answers = [of.hidden_in(told(case.ask(world.on, who, of))) for of in (world.other, absent)]
            assert answers[0] == answers[1], role
            assert not world.other.named_in(answers[0]), role


@pytest.mark.parametrize("name", of_kind(L, K))
def test_who_sees_all_tenants_sees_more(world: World, name: str) -> None:
    """An owner of all is told of the other tenant what the limited one is not: the reads above are not empty."""
    case = CASES[name]
    seen = told(case.ask(world.on, LOCAL_OPERATOR, world.other))
    if case.kind is L:
        assert seen != told(case.ask(world.on, world.limited, world.other))


@pytest.mark.parametrize("name", [name for name in of_kind(C) if not name.startswith("generator.")])
def test_a_command_with_another_tenants_ids_changes_nothing(world: World, name: str) -> None:
    """It ends as forbidden, or as if the thing were not there, and every row of every table is what it was.

    A generation is always the principal's own tenant's, whatever it names: test_policy.py.
    """
    case, before = CASES[name], rows_of(world.on.store)
    for who in (world.limited, world.program):
        sentences: list[str] = []
        for of in (world.other, nowhere("Quixotic")):
            with pytest.raises((Forbidden, NotFound)) as refused:
                case.ask(world.on, who, of)
            sentences.append(of.hidden_in(f"{type(refused.value)} {refused.value.message}"))
        assert sentences[0] == sentences[1]
    assert rows_of(world.on.store) == before


@pytest.mark.parametrize("name", [name for name in of_kind(C) if CASES[name].needs not in Role.VIEWER.permissions])
def test_what_one_may_in_one_tenant_is_not_carried_to_another(world: World, name: str) -> None:
    """Whoever decides about one tenant and only looks at the other decides nothing about that, though he sees it."""
    mine, other = world.mine.tenant.id, world.other.tenant.id
    who = Principal("both", (*person("", Role.OWNER, mine).grants, *person("", Role.VIEWER, other).grants))
    if name.startswith("generator."):
        assert not who.may(CASES[name].needs, other)  # a generation says its tenant itself
        return
    before = rows_of(world.on.store)
    with pytest.raises((Forbidden, NotFound)):
        CASES[name].ask(world.on, who, world.other)
    assert rows_of(world.on.store) == before


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("budgets.remove", "budget_id"),
        ("budgets.raise_limit", "budget_id"),
        ("budgets.withdraw_raise", "raise_id"),
    ],
)
def test_the_own_tenant_is_no_door_to_anothers(own_world: World, name: str, field: str) -> None:
    """With its own tenant and another's id for what is in it, nothing of the other's changes, nor is it told of."""
    of = dataclasses.replace(own_world.mine, **{field: getattr(own_world.other, field)})
    absent = dataclasses.replace(own_world.mine, **{field: getattr(nowhere("Quixotic"), field)})
    before, sentences = rows_of(own_world.on.store), list[str]()
    for one in (of, absent):
        with pytest.raises(NotFound) as missing:
            CASES[name].ask(own_world.on, own_world.limited, one)
        sentences.append(one.hidden_in(missing.value.message))
    assert sentences[0] == sentences[1]
    assert rows_of(own_world.on.store) == before


@pytest.mark.parametrize("name", of_kind(C))
def test_a_command_with_ones_own_ids_is_done(own_world: World, name: str) -> None:
    """An owner of one tenant decides about it, and no row that names the other tenant differs after."""
    before = rows_of(own_world.on.store)
    try:
        CASES[name].ask(own_world.on, own_world.limited, own_world.mine)
    except (Denied, NotFound):
        raise
    except ProctorError:
        if not name.startswith("generator."):  # these find no provider here
            raise
    after = rows_of(own_world.on.store)
    changes_nothing = name in (
        "repricings.preview",
        "generator.expectations",
        "generator.count_tokens",
        "answers.clear",
    )  # there are none to clear
    assert changes_nothing or after != before
    assert not [row for row in before ^ after if own_world.other.named_in(row)]


@pytest.mark.parametrize("name", of_kind(A))
def test_what_concerns_all_is_for_who_sees_all(own_world: World, name: str) -> None:
    """An owner of one tenant decides nothing that holds for others, changes nothing; one of all does it."""
    case, before = CASES[name], rows_of(own_world.on.store)
    with pytest.raises(Forbidden):
        case.ask(own_world.on, own_world.limited, own_world.mine)
    assert rows_of(own_world.on.store) == before
    case.ask(own_world.on, LOCAL_OPERATOR, own_world.mine)
    changes_nothing = {
        "rollups.verify",  # it finds what it found before
        "rollups.rebuild",  # nothing differs
        "analytics.compare",  # there is none
        "analytics.rebuild",
        "analytics.stop",
        "reports.store_size",
        "reports.replica",
        "repricings.preview all",
        "erasures.repeat",
        "trail.export",
        "people.open_first",
        "people.list",
        "people.find",
        "people.sessions",
        "views.remove",  # what was just made
    }
    assert name in changes_nothing or rows_of(own_world.on.store) != before


def takes_a_tenant(name: str) -> bool:
    """Whether what a case asks is given a tenant as an object, and not by its id."""
    room, method = name.split(" ", maxsplit=1)[0].split(".")
    takes = inspect.signature(getattr(rooms()[room], method)).parameters.values()
    return any(re.search(r"\bTenant\b", str(one.annotation)) for one in takes) and " all" not in name


GIVEN = [name for name in of_kind(L, K, C) if takes_a_tenant(name)]


def test_all_who_take_a_tenant_are_walked() -> None:
    """The tests below are about something: reads of tenants' keys, budgets and answers, and the commands."""
    assert {"tenants.keys", "budgets.all", "budgets.states", "budgets.show", "answers.show"} < set(GIVEN)
    assert len(of_kind(C)) > len(set(GIVEN) & set(of_kind(C))) > 9


@pytest.mark.parametrize("name", GIVEN)
def test_of_a_tenant_that_is_given_only_the_id_counts(own_world: World, name: str) -> None:
    """Whatever an object says of name, time zone or version, what is read, done and told is of the tenant of its id.

    So an old object of its own tenant leads nobody to another's, nor does one that was made by hand.
    """
    case, mine, other = CASES[name], own_world.mine, own_world.other
    forged = {
        "name": other.tenant.name,
        "timezone": "Pacific/Kiritimati",
        "version": 99,
        "is_demo": True,
        "created_at": START - 99 * DAY,
    }
    of = dataclasses.replace(mine, tenant=mine.tenant.model_copy(update=forged))
    before = rows_of(own_world.on.store)
    answer = case.ask(own_world.on, own_world.limited, of)
    changed = before ^ rows_of(own_world.on.store)
    assert not [row for row in changed if other.named_in(row) or "Kiritimati" in row]
    if case.kind is C:
        assert changed
    else:
        assert told(answer) == own_world.alone[name]
    theirs = dataclasses.replace(other, tenant=other.tenant.model_copy(update={"name": mine.tenant.name}))
    before = rows_of(own_world.on.store)
    if case.kind is L:
        assert not other.named_in(told(case.ask(own_world.on, own_world.limited, theirs)))
    else:
        with pytest.raises((Forbidden, NotFound)) as refused:
            case.ask(own_world.on, own_world.limited, theirs)
        assert not other.named_in(refused.value.message)
    assert rows_of(own_world.on.store) == before


@pytest.mark.parametrize("name", GIVEN)
def test_a_tenant_that_is_gone_is_no_longer_there(own_world: World, name: str) -> None:
    """Whoever still holds it, as a page that was opened before it was removed, is told so, and nothing is written."""
    before, case = rows_of(own_world.on.store), CASES[name]
    gone = dataclasses.replace(own_world.mine, tenant=nowhere("Quixotic").tenant)
    if case.kind is L:
        assert not own_world.mine.named_in(told(case.ask(own_world.on, LOCAL_OPERATOR, gone)))
    else:
        with pytest.raises(NotFound):
            case.ask(own_world.on, LOCAL_OPERATOR, gone)
    assert rows_of(own_world.on.store) == before
