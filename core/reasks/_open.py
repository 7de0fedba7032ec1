"""The invalid answers that may still be asked again for, and who takes one: a row each, alike for all processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from core.claims import REASK
from core.clock import Clock, micros
from core.dialects import Dialect
from core.errors import Invalid, ProctorError
from core.reasks._answers import AnswerMarks
from core.reasks._conversation import MOST_SPLITS, Conversation, Split
from core.store import Store
from core.telemetry import log

LASTS = timedelta(minutes=5)
"""How long an answer may be asked again for. A client does so at once; that is long enough for its own retries."""
_MOST_ALIKE = 64
"""Of answers to the very same question so many are looked at, the oldest first."""
_MOST_TRIES = 3
_PLACES = MOST_SPLITS + 2
_FIRST, _LAST = "0" * 32, "f" * 32
_WITHIN = f"kind = '{REASK}' AND key BETWEEN :first_{{0}} AND :last_{{0}}"
"""One range. Each names the kind as well, or SQLite reads all that is open in search of any of them."""
_LOOK = f"""
    SELECT key, holder, result FROM claim
    WHERE expires_at > :now AND ({" OR ".join(f"({_WITHIN.format(place)})" for place in range(_PLACES))})
    ORDER BY since, key LIMIT {_MOST_ALIKE}
"""  # noqa: S608 written here
_PUT = """
    INSERT INTO claim (kind, key, tenant_id, holder, result, since, expires_at)
    VALUES (:kind, :key, :tenant_id, :holder, :result, :now, :until) ON CONFLICT DO NOTHING
"""
_TAKE = "DELETE FROM claim WHERE kind = :kind AND key = :key"


class Reasks:
    """The answers of this deployment that are open. A row's key is a digest and the id of a generation."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._look_sql, self._put_sql, self._take_sql = map(store.prepare, (_LOOK, _PUT, _TAKE))

    def leave_open(
        self,
        conversation: Conversation,
        dialect: Dialect,
        body: Mapping[str, Any],
        *,
        generation_id: str,
        tenant_id: str,
    ) -> None:
        """Let the invalid answer *body* be asked again for, in one statement. Where that fails nobody is the wiser."""
        try:
            marks = AnswerMarks.of(dialect, body)
            row = self._row(conversation.whole, generation_id, tenant_id, generation_id, marks.stored())
            self._store.write_one(self._put_sql, row)
        except Invalid:
            return
        except ProctorError as error:
            log().warning("reask_not_linked", generation_id=generation_id, reason=error.message)

    def taken(self, conversation: Conversation, *, generation_id: str, tenant_id: str, is_resent: bool) -> str | None:
        """Return the generation that *conversation* asks again for, which is its own from now on; ``None`` as a rule.

        One look, and none where it cannot be one by its form. *is_resent* says that the client sends the very request
        again as it got no answer: then it asks for what the first try asked for.
        """
        if not conversation.splits:
            return None
        try:
            return self._taken(conversation, generation_id, tenant_id, is_resent=is_resent)
        except ProctorError as error:
            log().warning("reask_not_linked", generation_id=generation_id, reason=error.message)
            return None

    def _taken(self, conversation: Conversation, generation_id: str, tenant_id: str, *, is_resent: bool) -> str | None:
        by_digest = dict(zip(conversation.beginnings, conversation.splits, strict=True))
        sent = conversation.sent
        rows = self._look([*by_digest, *([sent] if is_resent else [])])
        again = [holder for key, holder, _ in rows if key[:32] == sent]
        if again:
            return again[-1]
        for key, holder in self._likeliest(conversation, by_digest, rows)[:_MOST_TRIES]:
            if self._take(key, self._row(sent, generation_id, tenant_id, holder, {})):
                return holder
        return None

    def _look(self, digests: list[str]) -> list[Any]:
        ranges: dict[str, Any] = {"now": micros(self._clock.now())}
        for place in range(_PLACES):
            digest = digests[min(place, len(digests) - 1)]
            ranges |= {f"first_{place}": digest + _FIRST, f"last_{place}": digest + _LAST}
        return self._store.read_all(self._look_sql, ranges)

    def _likeliest(
        self, conversation: Conversation, by_digest: Mapping[str, Split], rows: list[Any]
    ) -> list[tuple[str, str]]:
        """Return what may be taken, the likeliest first: by the answer, then the longest beginning, then the oldest."""
        found: list[tuple[int, int, str, str]] = []
        for key, holder, result in rows:
            split = by_digest.get(key[:32])
            if split is None:
                continue
            likeness = AnswerMarks.read(orjson.loads(result)).likeness(conversation, split)
            if likeness is not None:
                found.append((-likeness, -split.at, key, holder))
        return [(key, holder) for *_, key, holder in sorted(found, key=lambda one: one[:2])]

    def _take(self, key: str, row: Mapping[str, Any]) -> bool:
        """Take what is open under *key*, if nobody was faster; leave *row* for who sends the same once more."""
        with self._store.transaction() as cursor:
            cursor.execute(self._take_sql, {"kind": REASK, "key": key})
            if cursor.rowcount != 1:
                return False
            cursor.execute(self._put_sql, row)
            return True

    def _row(self, digest: str, generation_id: str, tenant_id: str, holder: str, result: Mapping[str, Any]) -> Any:
        now = self._clock.now()
        return {
            "kind": REASK,
            "key": digest + generation_id,
            "tenant_id": tenant_id,
            "holder": holder,
            "result": orjson.dumps(result).decode(),
            "now": micros(now),
            "until": micros(now + LASTS),
        }
