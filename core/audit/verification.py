"""Verifying the chain: whether every entry is what was written, and none is missing; if not, where that begins."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import sqlalchemy
from sqlalchemy import Connection

from core.audit._chain import SAID, linked
from core.clock import DEMO_MARK, from_micros, minute
from core.store import Store

AT_ONCE = 1_000
"""How many entries one look reads."""
_HEADS = sqlalchemy.text("SELECT name, seq, hash FROM audit_head WHERE name IN ('newest', 'proven')")
_NEWEST = sqlalchemy.text("SELECT MAX(seq) FROM audit_entry")
_BESIDE = sqlalchemy.text("SELECT id FROM audit_entry WHERE seq IS NULL AND substr(id, 13, 8) <> :mark LIMIT 1")
_HASH = sqlalchemy.text("SELECT hash FROM audit_entry WHERE seq = :seq")
_SOME = sqlalchemy.text(
    f"SELECT seq, hash, {', '.join(SAID)} FROM audit_entry "  # noqa: S608 written in the chain
    "WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT :most"
)
_PROVE = sqlalchemy.text(
    "INSERT INTO audit_head (name, seq, hash) VALUES ('proven', :seq, :hash) "
    "ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: number and hash of its last entry; 0 and an empty hash where there is none."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class ChainFinding:
    """What came of verifying the chain."""

    head: Head
    looked_at: int
    """How many entries were read; fewer than there are where only new ones were looked at."""
    broken_at: int | None = None
    """The number of the first entry that is not as it was written; 0 for one that stands beside the chain."""
    sentence: str = ""
    """What is wrong with it; empty where nothing is."""

    @property
    def ok(self) -> bool:
        """Whether every entry that was looked at follows from the one before."""
        return self.broken_at is None


class ChainBroken(Exception):
    """An entry does not follow from the one before."""

    def __init__(self, seq: int, sentence: str) -> None:
        super().__init__(sentence)
        self.seq = seq
        self.sentence = sentence


def verify_chain(store: Store, *, whole: bool = True, against: Head | None = None) -> ChainFinding:
    """Follow the chain, some entries at a time, each on a snapshot of its own; so nobody waits for it.

    Without *whole* only what is newer than the last run that found all in order. *against* is the head that an export
    told: the chain must still lead through it, which says that nobody has made it anew since, or cut off its end.
    """
    with store.reading() as session:
        connection = session.connection()
        heads = {name: Head(int(seq), hash_) for name, seq, hash_ in connection.execute(_HEADS)}
        newest = int(connection.execute(_NEWEST).scalar() or 0)
        beside = connection.execute(_BESIDE, {"mark": DEMO_MARK}).scalar()
    head = heads.get("newest", Head(0, ""))
    begin = Head(0, "") if whole else heads.get("proven", Head(0, ""))
    looked_at = 0
    try:
        if "newest" not in heads:
            _broken(newest, "The head of the chain was removed.")
        if beside is not None:
            _broken(0, f"The entry with the id {beside} was put beside the chain.")
        if begin.seq and _hash_of(store, begin.seq) != begin.hash:
            _broken(begin.seq, f"Entry {begin.seq} is not what it was when it was last verified.")
        last = begin
        for one in _followed(entries(store, begin.seq, head.seq), begin):
            last, looked_at = one, looked_at + 1
        _check_end(last, head, newest)
        _check_against(store, head, against)
    except ChainBroken as found:
        return ChainFinding(head, looked_at, found.seq, found.sentence)
    if head != heads.get("proven"):
        with store.writing() as session:
            session.connection().execute(_PROVE, {"seq": head.seq, "hash": head.hash})
    return ChainFinding(head, looked_at)


def newest_head(store: Store) -> Head:
    """Return where the chain ends now."""
    with store.reading() as session:
        found = session.connection().execute(_HEADS).all()
    return next((Head(int(seq), hash_) for name, seq, hash_ in found if name == "newest"), Head(0, ""))


def _broken(seq: int, sentence: str) -> NoReturn:
    raise ChainBroken(seq, sentence)


def entries(store: Store, after: int, until: int) -> Generator[dict[str, Any]]:
    """Yield the entries above *after* up to *until*, as the database keeps them."""
    while after < until:
        with store.reading() as session:
            bounds = {"after": after, "until": until, "most": AT_ONCE}
            some = [dict(one) for one in session.connection().execute(_SOME, bounds).mappings()]
        if not some:
            return
        yield from some
        after = int(some[-1]["seq"])


def _followed(some: Iterable[Mapping[str, Any]], before: Head) -> Generator[Head]:
    """Yield the head that the chain has after each entry.

    Raises:
        ChainBroken: an entry does not follow from the one before.

    """
    for entry in some:
        seq = before.seq + 1
        if entry["seq"] != seq:
            missing = f"entry {seq} is" if entry["seq"] == seq + 1 else f"entries {seq} to {entry['seq'] - 1} are"
            _broken(seq, f"{missing.capitalize()} missing.")
        made = linked(before.hash, seq, entry)
        if made != entry["hash"]:
            _broken(
                seq,
                f"Entry {seq} ({entry['action']} by {entry['actor']}, {minute(from_micros(entry['at']))}) "
                f"is not what was written{f', or entry {seq - 1} is not' if seq > 1 else ''}.",
            )
        before = Head(seq, made)
        yield before


def _check_end(last: Head, head: Head, newest: int) -> None:
    if last.seq < head.seq:
        _broken(last.seq + 1, f"The entries after {last.seq} are missing, up to {head.seq}.")
    if last.hash != head.hash:
        _broken(last.seq, f"Entry {last.seq} is not the one that the head of the chain tells of.")
    if newest > head.seq:
        _broken(head.seq + 1, f"The head of the chain was moved back to {head.seq}; it goes up to {newest}.")


def _check_against(store: Store, head: Head, against: Head | None) -> None:
    if against is None or not against.seq:
        return
    if head.seq < against.seq:
        _broken(
            head.seq + 1, f"The chain ends with {head.seq}; the export went up to {against.seq}: its end was cut off."
        )
    if _hash_of(store, against.seq) != against.hash:
        _broken(against.seq, f"Up to entry {against.seq} the chain is not the one that was exported.")


def _hash_of(store: Store, seq: int) -> str:
    with store.reading() as session:
        connection: Connection = session.connection()
        return str(connection.execute(_HASH, {"seq": seq}).scalar() or "")
