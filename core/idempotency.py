"""The same request sent twice under one ``Idempotency-Key``: answered once, paid once, and answered again alike.

A key belongs to a tenant and a door. The first request that brings it claims it (``core.claims``); the claim's holder
is named by the id that its generation will have and by a hash of its body. What was answered stays for a day as the
claim's result, for a tenant whose prompts and answers are kept at all. What cost nothing leaves no trace, so that the
key can be used again. Of what may have cost something and left no answer, for its process died or its tenant keeps
none, whoever comes again is told that it was, and which generation it is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from core.claims import IDEMPOTENCY, Claims, Done, Held, Lease, Lost
from core.clock import Clock
from core.errors import Answering, NotRepeatable, OtherRequest, ProctorError
from core.record import Generation
from core.store import Store
from core.telemetry import log

WINDOW = timedelta(days=1)
"""How long a key is known, from the answer on."""
MOST_KEPT_BYTES = 1_000_000
"""A longer answer is not kept."""
_LOOK_AGAIN_SECONDS = 2
_LIVES = """
    SELECT 1 FROM reservation WHERE generation_id = :id
"""
_WAS = """
    SELECT attempts FROM generation WHERE id = :id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What a request was answered with."""

    status: int
    body: str | None
    """``None`` for bytes that are no text: they are not kept."""
    generation_id: str
    headers: dict[str, str]
    """Those that say something of the answer."""
    streamed: bool
    """Whether it came as events: of ours the last is kept, of a vendor's all."""


class Turn:
    """The right to answer a request under its key, once. Whoever gets one ends it, whatever happens."""

    def __init__(self, clock: Clock, lease: Lease, generation_id: str) -> None:
        self._clock = clock
        self._lease = lease
        self.generation_id = generation_id
        """The id that the generation is to have."""

    def answered(self, reply: KeptAnswer, generation: Generation | None) -> None:
        """Keep *reply*, if *generation* cost something or was answered; else the key is free again.

        A trouble with the database costs no more than that the answer is not repeated.
        """
        try:
            if generation is None or not (generation.outcome.is_successful or _may_have_cost(generation)):
                self._lease.leave()
                return
            kept = asdict(reply) if generation.is_kept and _is_short(reply.body) else {}
            self._lease.finish(kept or {"generation_id": generation.id}, self._clock.now() + WINDOW)
        except ProctorError as error:
            self._lease.lose()
            log().warning("idempotency_not_kept", generation_id=self.generation_id, reason=error.message)

    def decided(self, reply: KeptAnswer) -> None:
        """Keep the answer to a decision that was made."""
        self._lease.finish(asdict(reply), self._clock.now() + WINDOW)

    def undecided(self) -> None:
        """Let the key be free again: nothing was changed."""
        self._lease.leave()

    def lost(self) -> None:
        """Say nothing of what came of it: nobody knows here whether it cost something."""
        self._lease.lose()


class Idempotency:
    """The keys of this deployment."""

    def __init__(self, store: Store, clock: Clock, claims: Claims) -> None:
        self._store = store
        self._clock = clock
        self._claims = claims
        self._lives, self._was = store.prepare(_LIVES), store.prepare(_WAS)

    def begin(self, *, tenant_id: str, door: str, key: str, body: bytes) -> Turn | KeptAnswer:
        """Return the right to answer *body*, or what it was answered with before.

        Raises:
            Answering: the first request under the key is not answered yet.
            OtherRequest: the first one had another body.
            NotRepeatable: the first one may have cost something, and its answer is not kept.
            Unavailable: the database does not answer.

        """
        digest, generation_id = self._store.own_keys.digest, self._clock.new_id()
        hashed, name = digest(body), digest(f"{tenant_id}\n{door}\n{key}".encode())
        holder = f"{generation_id} {hashed}"
        while True:
            found = self._claims.claim(IDEMPOTENCY, name, tenant_id=tenant_id, holder=holder)
            if not isinstance(found, Lease):
                first, _, body_hash = found.holder.partition(" ")
                if body_hash != hashed:
                    raise OtherRequest(
                        "This Idempotency-Key was used for another request of the last day. "
                        "Send another key, or the same body byte for byte."
                    )
                found = self._settled(name, found, first, holder, tenant_id)
            if isinstance(found, Lease):
                return Turn(self._clock, found, generation_id)
            if isinstance(found, KeptAnswer):
                return found

    def _settled(
        self, name: str, found: Held | Done | Lost, first: str, holder: str, tenant_id: str
    ) -> Lease | KeptAnswer | None:
        match found:
            case Done():
                return _kept(found.result, first)
            case Held():
                raise _answering(first)
            case Lost():
                if self._store.read_one(self._lives, {"id": first}) is not None:
                    raise _answering(first)
                if self._has_cost(first):
                    raise _not_kept(first, "its process ended before it was answered, or could not write it down")
                return self._claims.succeed(IDEMPOTENCY, name, found, tenant_id=tenant_id, holder=holder)

    def _has_cost(self, generation_id: str) -> bool:
        row = self._store.read_one(self._was, {"id": generation_id})
        return row is not None and row[0] > 0


def _kept(result: dict[str, Any], generation_id: str) -> KeptAnswer:
    if "body" not in result:
        raise _not_kept(generation_id, "its tenant keeps no answers, it was too long, or its user was erased")
    return KeptAnswer(**result)


def _answering(generation_id: str) -> Answering:
    return Answering(
        f"The first request under this Idempotency-Key is not answered yet. Send it again in {_LOOK_AGAIN_SECONDS} s.",
        retry_after_seconds=_LOOK_AGAIN_SECONDS,
        generation_id=generation_id,
    )


def _not_kept(generation_id: str, why: str) -> NotRepeatable:
    return NotRepeatable(
        f"The first request under this Idempotency-Key may have been paid for, and what came of it is not kept: {why}. "
        "Look at the generation, and send another key to ask anew.",
        generation_id=generation_id,
    )


def _is_short(body: str | None) -> bool:
    return body is not None and len(body.encode()) <= MOST_KEPT_BYTES


def _may_have_cost(generation: Generation) -> bool:
    return any(attempt.usage is not None for attempt in generation.attempts)
