"""The rooms of a Proctor, and what of them takes no principal, and why."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from core import runtime as running
from core.changes import Changes
from core.demo import Demo
from core.providers.llama import LocalModel
from core.providers.loop import Loop
from core.reports import Reports
from core.runtime import Runtime
from core.trials import Trials
from core.user_exports import UserExports

NOBODYS: Mapping[str, str] = {
    "settings": "how this process runs, from its environment",
    "clock": "time and chance",
    "store": "what all rooms write with; no door reads by it, which a test of the doors says",
    "metrics": "counters of this process; the log and they are for whoever runs it",
    "shared": "the Redis client",
    "admission": "places of this process, asked for by a front door that knows the key",
    "read_admission": "the same for reads",
    "local_model": "a model on this machine",
    "providers": "the SDKs",
    "loop": "the thread of provider calls",
    "workers": "processes that read texts which they are handed",
    "cards": "what vendors publish of their models",
    "listings": "the same, as their lists told it last",
    "stopping": "an event",
}
"""Rooms that know nothing of tenants, or only what they are handed."""

WITHOUT: Mapping[str, str] = {
    "reports.close": "the end of a process",
    "tenants.authenticate": "makes a principal of a key",
    "tenants.callers": "the front door's: every live key by its digest, to know who calls",
    "tenants.revision": "a number that says whether those keys are still the newest",
    "people.sign_in": "makes a session of a name and a password",
    "people.accept": "the same, of a link that is used once",
    "people.become_first_owner": "the same",
    "people.enter": "makes a session of a provider's or a proxy's word",
    "people.accept_as": "the same, of such a word and a link that is used once",
    "people.invited": "for whom such a link is, to whoever holds it",
    "people.require_first": "whether the first owner's link opens",
    "people.open_first_once": "a process's own first act, where nobody signs in yet",
    "people.must_sign_in": "whether there is anybody",
    "people.visitor": "makes a principal of a cookie",
    "people.leave": "whoever holds a cookie may end its session",
    "flags.concerning": "read within the corridor's second room",
    "guardrails.concerning": "the same",
    "guardrails.failing": "of a rule that was read: what this process knows of whoever it asks",
    "guardrails.prepare": "a server has loaded what it will ask, and tells nobody",
    "guardrails.close": "ends whom it asks",
    "guardrails.draft": "reads a rule that somebody wrote, and no database",
    "drills.end_expired": "a chore",
    "seals.require_keys": "a process begins",
    "seals.remaining": "doctor's: how many rows there are, and of no tenant a word",
    "seals.reseal": "a chore",
    "journal.reseal": "a part of it",
    "analytics.run": "a chore",
    "analytics.measure": "a part of it",
    "analytics.check": "doctor's: whether the store answers",
    "analytics.progress": "how much waits to be sent, and of no tenant a word",
    "analytics.look": "a part of a look at the database, which is limited by who asks",
    "analytics.close": "the end of a process",
    "rollups.mend": "a chore: it puts right what somebody asked for",
    "rollups.prove": "the same, before calls go that are older than they are kept",
    "rollups.stands": "what the last proof of a day came to, asked by that chore",
    "erasures.follow_up": "another: it carries out what was decided",
    "erasures.follow_up_all": "the same",
    "limits.admitted": "the corridor's third room; the quotas are the caller's own, from the policy",
    "limits.settle": "the same, at its end",
    "limits.use": "counts of quotas that it is given; who may see whose is Policies.quota_use's question",
    "budgets.catch_up_lately": "a chore",
    "budgets.new_zone": "a part of Tenants.edit, which takes one",
    "budgets.terms": "read within the corridor's second room",
    "routes.card": "what is known of a model is the same for everybody",
    "routes.candidate": "reads a candidate that somebody wrote, and no database",
    "routes.draft": "the same of a route",
    "routes.asked": "the same of a model's name",
    "routes.table": "the corridor's; routes are the same for all",
    "schemas.inline": "reads a schema that somebody wrote, and no database",
    "schemas.resolved": "the corridor's; schemas are the same for all",
    "breakers.refusal": "the attempts' own",
    "breakers.note": "the attempts' own",
    "breakers.release": "the attempts' own",
    "breakers.is_shared": "whether there is a Redis",
    "breakers.views": "the state of providers, which is the same for all",
    "policies.authenticate": "makes a principal of a key",
    "policies.admitted": "makes a principal of a key",
    "policies.known": "the same, of what is remembered",
    "policies.stops": "for a policy that was resolved for a principal",
    "policies.snapshot": "the corridor's second room: its `resolve` and `quotas` take the principal",
    "answers.look_up": "the corridor's; the key of an answer holds its tenant",
    "answers.end": "the same, at its end",
    "idempotency.begin": "the front door's, behind the key: what it keeps is kept by the caller's own tenant",
    "stored_calls.response": "the front door's, with the tenant of its key",
    "stored.holder": "the corridor's, with the tenant of its principal",
    "stored.keep": "the same, as an answer is passed on",
    "stored.forget": "the front door's, of what it has found for the key's tenant",
    "stored.sweep": "a chore",
    "claims.claim": "a lease, taken by rooms that have asked who",
    "claims.finish": "the same",
    "claims.succeed": "the same",
    "claims.lose": "the same",
    "claims.leave": "the same",
    "claims.look": "the same",
    "claims.is_current": "the same",
    "claims.of_kind": "the same",
    "claims.forget": "the same",
    "claims.sweep": "a chore",
    "claims.close": "ends its thread",
    "journal.generation": "the record's own: a corridor's eighth room writes by it, as do all below",
    "journal.generations": "the same",
    "journal.attempts": "the same",
    "journal.field_errors": "the same",
    "journal.findings": "the same",
    "journal.payloads": "the same",
    "journal.policy": "the same",
    "journal.post": "the same",
    "journal.sums": "the same",
    "journal.reprice": "a part of Repricings.reprice, which takes one",
    "journal.recovered": "recovery's",
    "journal.retract_attempts": "recovery's, taken back",
    "journal.retract_generation": "the same",
    "journal.forget_payloads": "a chore",
    "journal.cut_payloads": "another",
    "recovery.heartbeat": "a chore",
    "recovery.run": "a chore",
    "recovery.leave": "this process's last word",
    "backlog.keep": "the record's own",
    "backlog.write": "a chore",
    "backlog.close": "ends its file",
    "checks.look": "the same: doctor, of the machine that it runs on",
    "checks.check": "the state of providers, which is the same for all",
    "checks.last": "the same",
    "checks.check_all": "a chore",
    "chores.do": "the state of the machine",
    "chores.status": "the state of the machine",
    "chores.start": "begins their threads",
    "chores.join": "ends them",
    "demo.exists": "whether there is a demo world, without a word of what is in it",
    "demo.status": "the same, and how far it is",
    "demo.start_in_background": "a process's own first act, which the setting DEMO decides",
    "demo.stop": "ends its thread",
    "runtime.resting_keys": "the state of providers, which is the same for all",
    "runtime.start": "a process begins",
    "runtime.close": "a process ends",
}
"""What takes no principal, and why: the corridor's and the chores' own steps, and what tells nothing of a tenant."""


LATE = {one.__name__: one for one in (Demo, LocalModel, Loop)}
"""What the runtime loads when it is first needed."""


def rooms() -> dict[str, type]:
    """Return the class of every room of a runtime by its name there, the runtime and its reports among them."""
    found: dict[str, type] = {"runtime": Runtime, "reports": Reports, "changes": Changes, "trials": Trials}
    found["user_exports"] = UserExports
    for field in dataclasses.fields(Runtime):
        written = str(field.type)
        module, _, name = written.rpartition(".")
        known = vars(importlib.import_module(module) if module else running) | {
            one.__name__: one for one in (Demo, LocalModel, Loop)
        }
        found[field.name] = known[name]
    return found


def questions_of(room: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each public method and property of a room, by its name."""
    for name, one in inspect.getmembers(rooms()[room]):
        asked = one.fget if isinstance(one, property) else one
        if inspect.isfunction(asked) and not name.startswith("_"):
            yield f"{room}.{name}", asked


def questions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield whatever can be asked of the rooms that know of tenants."""
    for room in rooms().keys() - NOBODYS.keys():
        yield from questions_of(room)


def takes_principal(one: Callable[..., Any]) -> bool:
    """Whether a method takes the principal first, or next to what he asks to be generated."""
    _, first, second, *_ = [*inspect.signature(one).parameters, "", "", ""]
    return first == "principal" or (first, second) == ("request", "principal")
