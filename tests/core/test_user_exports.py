"""Exports of one user: all that is kept of exactly him, one call at a time, and nothing of anybody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Integer
from sqlmodel import select

from core.claims import ANSWER, Claims, Lease
from core.clock import ManualClock
from core.erasures import Erasures
from core.errors import Forbidden
from core.journal import CallOwner, JournalWriter
from core.own_keys import DeploymentKey, OwnKeys
from core.principals import LOCAL_OPERATOR, KeyScope, Principal
from core.record._rows import payload_row
from core.store import AT_ONCE, Store
from core.tables import AttemptRow, AuditEntry, FieldError, FindingRow, GenerationRow, Payload, Tenant
from core.user_exports import UserExports
from tests import builders
from tests.conftest import START

WHO = LOCAL_OPERATOR
OLD, NEW, SEAL = (DeploymentKey.of(bytes(range(start, start + 32))) for start in (0, 100, 200))
RINGS = (OwnKeys(), OwnKeys(hash_keys=[OLD]), OwnKeys(hash_keys=[NEW, OLD], payload_keys=[SEAL]))
_NOT_TOLD = {"policy_hash", "policy_revision", "attempts"}
"""By which policy it ran is the operators'; how many attempts there were is seen."""


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on when it is told to."""
    return ManualClock(START + timedelta(days=1))


def called(store: Store, tenant: Tenant, user: str, count: int = 1, ring: OwnKeys | None = None) -> list[GenerationRow]:
    """Write calls of a user that began at the same moment, each with one prompt and answer that says its place."""
    hashed = (ring or store.own_keys).user_hash(tenant.id, user)
    calls = [builders.generation(START, tenant.id, user_hash=hashed) for _ in range(count)]
    builders.save(store, calls)
    with store.transaction() as cursor:
        for place, one in enumerate(calls):
            row = payload_row(one.id, 0, [f"{user} {place}"], f'"{user} {place}"', START + timedelta(days=30))
            JournalWriter(store).payloads(cursor, [row], CallOwner(tenant.id, hashed, START))
    return calls


def exported(store: Store, clock: ManualClock, tenant: Tenant, user: str = "ann") -> list[dict[str, Any]]:
    """Return the lines of an export."""
    exports = UserExports(store, clock)
    return [orjson.loads(line) for line in exports.export(WHO, exports.user(WHO, user, tenant)).lines]


def acme_in(store: Store) -> Tenant:
    """Return a tenant that is there."""
    acme = builders.tenant("Acme", START, payload_retention_days=30)
    builders.save(store, acme)
    return acme


def test_all_of_exactly_one_user_is_told(database_url: str, clock: ManualClock) -> None:
    """By every hash that he was ever kept as, more calls than are found at once, sealed or not, each of them once."""
    store = Store(database_url, own_keys=RINGS[-1])
    acme, other = acme_in(store), builders.tenant("Other", START)
    builders.save(store, other)
    mine = [one.id for ring in RINGS for one in called(store, acme, "ann", AT_ONCE // 2, ring)]
    mine += [one.id for one in called(store, acme, "ann", AT_ONCE)]
    for user in ("anna", "Ann", "ann ", "an%"):
        called(store, acme, user)
    called(store, other, "ann")
    builders.save(store, builders.generation(START, acme.id))

    head, *calls, end = exported(store, clock, acme)

    assert sorted(one["id"] for one in calls) == sorted(mine)
    assert head["calls"] == end["calls"] == len(mine) == len(set(mine))
    assert {one["value"].partition(" ")[0] for one in calls} == {"ann"}
    assert (head["type"], end["type"], head["tenant"]["name"]) == ("export", "end", "Acme")
    store.close()


def test_every_column_of_a_call_is_told(store: Store, clock: ManualClock) -> None:
    """What rows of him say is in the file, whatever is added to the tables; answers that are to be given again too."""
    acme = acme_in(store)
    call = builders.generation(
        START,
        acme.id,
        user_hash=store.own_keys.user_hash(acme.id, "ann"),
        **{name: f"canary {name}" for name in ("error_detail", "error_code", "provider", "model", "answered_from")},
        caller_metadata={"who": "canary metadata"},
        trace=[{"room": "attempt", "verdict": "x", "reason": "canary trace"}],
        media=[{"hash": "canary media"}],
        reask_of="canary reask",
    )
    attempt = builders.attempt(call, error_detail="canary detail", error_code="canary code", drill_id="canary drill")
    error = builders.field_error(attempt, "$.canary", "canary_type", "canary message")
    finding = builders.finding(call, guardrail="canary rule", kind="canary kind", rule_id="canary id")
    kept = [builders.payload(call, n, ["canary asked"], '"canary answered"', START + timedelta(days=9)) for n in (0, 1)]
    builders.save(store, call, attempt, error, finding, kept)
    claims = Claims(store, clock)
    lease = claims.claim(ANSWER, "x", tenant_id=acme.id, holder=call.id)
    assert isinstance(lease, Lease)
    lease.finish({"value": "canary again"}, clock.now() + timedelta(hours=1))
    claims.close()

    _, told, _ = exported(store, clock, acme)

    text = orjson.dumps(told).decode()
    rows = (call, attempt, error, finding, *kept)
    for row in rows:
        for column in type(row).__table__.columns:
            value = getattr(row, column.name)
            if column.name not in _NOT_TOLD and isinstance(value, str) and value.startswith(("canary", "$.canary")):
                assert value in text, f"{type(row).__name__}.{column.name}"
            if isinstance(row, GenerationRow) and isinstance(column.type, Integer) and column.name not in _NOT_TOLD:
                assert told[column.name] == value, column.name
    for word in ("metadata", "trace", "media", "asked", "answered", "again"):
        assert f"canary {word}" in text
    assert told["answers_to_repeat"][0]["until"] == (clock.now() + timedelta(hours=1)).isoformat()[:19] + "Z"
    assert told["payload_expires_at"].startswith((START + timedelta(days=9)).isoformat()[:19])
    assert {Payload, FieldError, FindingRow, AttemptRow} == {type(row) for row in rows[1:]}


def test_what_is_over_or_shut_is_not_told(database_url: str, clock: ManualClock) -> None:
    """Past its time a text is not in it though its row is there; one that is sealed by a missing key says which."""
    store = Store(database_url, own_keys=RINGS[-1])
    acme = acme_in(store)
    called(store, acme, "ann")
    clock.advance(timedelta(days=31).total_seconds())
    (_, over, _) = exported(store, clock, acme)
    store.close()
    store = Store(database_url, own_keys=OwnKeys(hash_keys=[NEW]))
    (_, shut, _) = exported(store, ManualClock(START + timedelta(days=1)), acme)
    store.close()

    assert (over["asked"], over["value"], over["payload_expires_at"]) == (None, None, None)
    assert (shut["asked"], shut["value"]) == (None, None)
    assert SEAL.id in shut["shut"]


def test_who_is_erased_meanwhile_is_told_no_further(store: Store, clock: ManualClock) -> None:
    """Each call is read when its line is asked for; what went by then is not in the file, whose end says how many."""
    acme = acme_in(store)
    called(store, acme, "ann", 3)
    exports = UserExports(store, clock)
    made = exports.export(WHO, exports.user(WHO, "ann", acme))
    head, first = next(made.lines), next(made.lines)

    Erasures(store, clock).erase(WHO, "ann", acme)

    (end,) = made.lines
    assert (orjson.loads(head)["calls"], orjson.loads(end)["calls"]) == (3, 1)
    assert b"ann 0" in first
    (again, _) = exported(store, clock, acme)
    assert [one["at"] for one in again["erasures"]] == [f"{clock.now():%Y-%m-%dT%H:%M:%SZ}"]


def test_it_is_a_change_that_names_nobody(store: Store, clock: ManualClock) -> None:
    """The audit trail says that it was made, why and of how much; who may not see calls is given none."""
    acme = acme_in(store)
    called(store, acme, "ann")
    exports = UserExports(store, clock)
    user = exports.user(WHO, "ann", acme)
    made = exports.export(WHO, user, reason="she asked")

    with store.reading() as session:
        (entry,) = session.exec(select(AuditEntry)).all()
    assert (entry.action, entry.reason, entry.after) == ("user.export", "she asked", {"export": made.id, "calls": 1})
    assert not [one for one in (*user.hashes, "ann") if one in f"{entry.summary} {entry.subject} {entry.after}"]
    key = Principal.of_key("k", acme.id, "prk_test", scopes=[KeyScope.MANAGE])
    with pytest.raises(Forbidden) as refused:
        exports.export(key, user)
    assert refused.value.facts["permission"] == "generations.read"
