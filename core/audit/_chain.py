"""The chain: each entry's hash is made of all that it says and of the hash before it, back to the first.

So whoever changes, removes, inserts or reorders entries has to make every later hash anew, and the head with them.
There is no key in it: who may write the whole table can do just that, and a head that was exported before says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import sqlalchemy
from sqlmodel import Session

from core.audit.undoing import require_not_undone
from core.errors import Unavailable
from core.store import last_of_all

HASHED = (
    "id",
    "at",
    "actor",
    "door",
    "action",
    "kind",
    "subject",
    "tenant_id",
    "summary",
    "reason",
    "before",
    "after",
)
"""What an entry says, in the order in which it is hashed. Old hashes must stay true: another order is a new version."""
ADDED = ("undo_of",)
"""What later releases added. It is hashed, with its name, where an entry says it, so that older hashes stay true."""
SAID = (*HASHED, *ADDED)
VERSION = 1
_PENDING = "audit.pending"
# One row that every writer changes, not the newest entry: what comes after that does not exist yet, to be locked.
_TAKE = sqlalchemy.text("UPDATE audit_head SET seq = seq + :count WHERE name = 'newest' RETURNING seq - :count, hash")
_PUT = sqlalchemy.text("UPDATE audit_head SET hash = :hash WHERE name = 'newest'")
_INSERT = sqlalchemy.text(
    f"INSERT INTO audit_entry (seq, hash, {', '.join(SAID)}) "  # noqa: S608 written above
    f"VALUES (:seq, :hash, {', '.join(f':{name}' for name in SAID)})"
)


def linked(previous: str, seq: int, said: Mapping[str, Any]) -> str:
    """Return the hash of an entry that says *said* and follows the hash *previous*: 64 hexadecimal digits.

    *said* holds the fields as the database keeps them, of those in ``ADDED`` as many as there are: times are
    microseconds, JSON is text, and what is absent is ``None``, which is neither an empty text nor the text ``null``.
    """
    whole = sha256(b"proctor audit")
    added = [part for name in ADDED if (value := said.get(name)) is not None for part in (name, value)]
    for value in (VERSION, previous, seq, *(said[name] for name in HASHED), *added):
        if value is None:
            whole.update(b"-")
            continue
        data = str(value).encode()
        whole.update(b"%s%d:%s" % (b"i" if isinstance(value, int) else b"s", len(data), data))
    return whole.hexdigest()


def append(session: Session, said: dict[str, Any]) -> None:
    """Chain an entry that says *said* as the transaction of *session* ends: the head is locked for a moment only."""
    session.info.setdefault(_PENDING, []).append(said)
    last_of_all(session, _link)


def _link(session: Session) -> None:
    """Take numbers for the entries of a transaction, in their order, and write them."""
    entries: list[dict[str, Any]] = session.info.pop(_PENDING)
    connection = session.connection()
    taken = connection.execute(_TAKE, {"count": len(entries)}).first()
    if taken is None:
        raise Unavailable("The audit trail has lost its head, so nothing can be decided. Run 'proctor verify'.")
    for said in entries:
        if said["undo_of"] is not None:  # behind the lock that every decision takes: of two at once one sees the other
            require_not_undone(session, said["undo_of"])
    before, hash_ = taken
    for seq, said in enumerate(entries, before + 1):
        hash_ = linked(hash_, seq, said)
        said |= {"seq": seq, "hash": hash_}
    connection.execute(_INSERT, entries)
    connection.execute(_PUT, {"hash": hash_})
