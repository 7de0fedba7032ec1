"""Exports of one user: all that is kept of his calls, line by line, for whoever asks what is kept of him.

Calls are found by a page of ids at a time and read one by one, each in a look of its own: so one call is in memory,
and nothing is kept open for whoever reads slowly. What is erased, or grows too old, while the file is made is not in
it any more from there on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, or_, select
from sqlmodel import col

from core import audit
from core.claims import kept_answers
from core.clock import EPOCH, Clock
from core.erasures import checked_user
from core.errors import NotFound
from core.principals import Permission, Principal, TenantScope
from core.reports.one_call import Call, one_call
from core.reports.reading import reading
from core.store import AT_ONCE, Store
from core.tables import Erasure, GenerationRow, Tenant
from core.visibility import present

NOT_IN_IT = (
    "Prompts and answers whose time is over, or that were never kept: of such a call its figures are here alone.",
    "What a guardrail took out before it was kept.",
    "Calls that were under way, or waited to be written, when this was made.",
    "Calls of others that name this person in their text; calls that named no user.",
    "What providers keep, the log, which has the hash, backups, and files that people took away.",
)
"""What an export cannot hold, and why."""
_MOST_ERASURES = 200
_OPERATORS = {"tenant_id", "tenant", "timezone", "policy"}
"""What of a call stands once at the beginning, or is about operators."""


@dataclass(frozen=True, slots=True)
class KeptUser:
    """A user of a tenant, by all hashes that he may be kept as: so he can be asked for where no name is to stand."""

    tenant_id: str
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExport:
    """An export that is decided, and can be read once."""

    id: str
    """It stands in the file, and beside the change."""
    calls: int
    """How many calls there were as it was decided."""
    lines: Iterator[bytes]
    """JSON lines: what this is, each call, and an end that says how many there were."""


class UserExports:
    """Gives out what is kept of a user."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def user(self, principal: Principal, user: str, tenant: Tenant) -> KeptUser:
        """Return a user of a tenant, by the name that callers send, whether or not something is kept of him.

        Raises:
            Forbidden: without ``users.erase``.
            Invalid: the name is none that a caller can send.
            NotFound: there is no such tenant.

        """
        principal.require(Permission.USERS_ERASE)
        name = checked_user(user)
        if not principal.scope_of(Permission.USERS_ERASE).holds(tenant.id):
            raise NotFound("There is no such tenant.")
        with self._store.reading() as session:
            present(session, tenant)
        return KeptUser(tenant.id, tuple(self._store.own_keys.user_hashes(tenant.id, name)))

    def export(self, principal: Principal, user: KeptUser, *, reason: str = "") -> UserExport:
        """Decide to give out all that is kept of *user*, which is a change of its own; return what is to be read.

        Raises:
            Forbidden: without ``users.erase`` and ``generations.read`` there.
            Invalid: the reason is too long.
            NotFound: the tenant is gone.

        """
        for one in (Permission.USERS_ERASE, Permission.GENERATIONS_READ):
            principal.require(one, user.tenant_id)
        now, id_ = self._clock.now(), self._clock.new_id()
        head, calls = self._head(user, id_, now)
        with self._store.writing() as session:
            tenant = session.get(Tenant, user.tenant_id)
            if tenant is None:
                raise NotFound("The tenant is no longer there.")
            audit.record(
                session,
                self._clock,
                by=principal,
                action="user.export",
                kind="tenant",
                subject=tenant.name,
                summary=f"What is kept of a user of {tenant.name} was given out: export {id_}.",
                tenant_id=user.tenant_id,
                after={"export": id_, "calls": calls},
                reason=reason,
            )
        return UserExport(id=id_, calls=calls, lines=self._lines(user, head, now))

    def _head(self, user: KeptUser, id_: str, now: datetime) -> tuple[Mapping[str, Any], int]:
        """Return what the file begins with, and how many calls there are."""
        with reading(self._store, TenantScope(frozenset({user.tenant_id}))) as look:
            tenant = look.tenant(user.tenant_id)
            [(calls,)] = look.ask(select(func.count()).select_from(GenerationRow).where(_is_of(user.hashes, now)))
            done = select(col(Erasure.certificate_id), col(Erasure.at)).where(col(Erasure.user_hash).in_(user.hashes))
            newest = done.order_by(col(Erasure.at).desc()).limit(_MOST_ERASURES)
            erasures = look.ask(newest, Erasure.tenant_id)
        return {
            "type": "export",
            "id": id_,
            "made_at": now,
            "tenant": {"id": tenant.id, "name": tenant.name},
            "user_hashes": user.hashes,
            "calls": calls,
            "erasures": [{"certificate": one.certificate_id, "at": one.at} for one in erasures],
            "keeps": {
                "prompts_and_answers_days": tenant.payload_retention_days,
                "calls_days": tenant.call_days,
                "of_valid_calls_percent": tenant.payload_percent,
                "note": "A route may keep fewer; each call says until when its own are kept. Figures stay.",
            },
            "not_in_it": NOT_IN_IT,
        }, calls

    def _lines(self, user: KeptUser, head: Mapping[str, Any], until: datetime) -> Iterator[bytes]:
        yield _line(head)
        told = 0
        for user_hash in user.hashes:
            for call_id in self._ids(user.tenant_id, user_hash, until):
                if (line := self._call(user.tenant_id, user_hash, call_id)) is not None:
                    told += 1
                    yield line
        yield _line({"type": "end", "calls": told})

    def _ids(self, tenant_id: str, user_hash: str, until: datetime) -> Iterator[str]:
        """Yield the ids of his calls that began by then, the oldest first."""
        at, id_ = col(GenerationRow.started_at), col(GenerationRow.id)
        behind: tuple[datetime, str] = (EPOCH, "")
        while True:
            beyond = at >= behind[0], or_(at > behind[0], id_ > behind[1])
            mine = select(at, id_).where(_is_of((user_hash,), until), *beyond)
            with reading(self._store, TenantScope(frozenset({tenant_id}))) as look:
                some = look.ask(mine.order_by(at, id_).limit(AT_ONCE))
            yield from (one.id for one in some)
            if len(some) < AT_ONCE:
                return
            behind = (some[-1].started_at, some[-1].id)

    def _call(self, tenant_id: str, user_hash: str, call_id: str) -> bytes | None:
        """Return all that is kept of a call; ``None`` where it is not his any more."""
        now = self._clock.now()
        with reading(self._store, TenantScope(frozenset({tenant_id}))) as look:
            try:
                call = one_call(look, call_id, now)
            except NotFound:
                return None
            if call.user_hash != user_hash:
                return None
            answers = kept_answers(look.session, look.own_keys, call_id, now)
        return _line(_told(call) | {"answers_to_repeat": answers})


def _is_of(hashes: Sequence[str], until: datetime) -> Any:
    return col(GenerationRow.user_hash).in_(hashes) & (col(GenerationRow.started_at) <= until)


def _told(call: Call) -> dict[str, Any]:
    said = {one.name: getattr(call, one.name) for one in dataclasses.fields(call) if one.name not in _OPERATORS}
    return {"type": "call", **said, "value": None if call.value is None else orjson.Fragment(call.value)}


def _line(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
