"""The chain as JSON lines: its head first and last, one entry a line between; made and read some entries at a time."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import orjson

from core.audit._chain import ADDED, HASHED, VERSION
from core.audit.verification import Head, entries, newest_head
from core.clock import from_micros
from core.errors import Invalid
from core.store import Store

_FORM = "proctor audit trail"


def exported(store: Store) -> Generator[bytes]:
    """Yield the lines of an export: what the chain holds as it begins."""
    head = newest_head(store)
    ends = {"form": _FORM, "version": VERSION, "entries": head.seq, "seq": head.seq, "hash": head.hash}
    yield _line(ends)
    for entry in entries(store, 0, head.seq):
        yield _line(_told(entry))
    yield _line(ends)


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    told = {name: entry[name] for name in ("seq", "hash", *HASHED)}
    told |= {name: entry[name] for name in ADDED if entry[name] is not None}
    told["at"] = from_micros(entry["at"]).isoformat(timespec="microseconds").replace("+00:00", "Z")
    for name in ("before", "after"):
        told[name] = None if entry[name] is None else orjson.Fragment(entry[name])
    return told


def _line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def exported_head(lines: Iterable[bytes]) -> Head:
    """Return the head that an export tells of.

    Raises:
        Invalid: it is no export, or not a whole one.

    """
    first = last = b""
    for line in lines:
        first, last = first or line, line
    try:
        head = orjson.loads(first)
        if head["form"] != _FORM or last.strip() != first.strip():
            raise ValueError(_FORM)  # noqa: TRY301 one sentence for all of them
        return Head(int(head["seq"]), str(head["hash"]))
    except (ValueError, TypeError, KeyError) as error:
        raise Invalid(
            "This is no whole export of the audit trail: its first and its last line are not the same head. "
            "'proctor audit export FILE' makes one."
        ) from error
