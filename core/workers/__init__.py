"""Answers that are heavy to read are read by processes beside this one, so that no other caller waits for that.

Whoever validates holds Python's lock, the library in one piece and our own walk by turns. An ordinary answer is
read in less than a millisecond where it came; what is known to be heavy, or turns out to be, goes to a worker. So does
long JSON that a person pastes, documents whose texts are to be judged, and texts in which names are looked for.
"""

from __future__ import annotations

from core.workers._documents import UnreadDocument
from core.workers._first_valid import Unjudged, first_valid, validated
from core.workers._name_readers import NameReaders, UnreadNames
from core.workers._order import Written
from core.workers._pool import TenantWorkers, Workers

__all__ = [
    "NameReaders",
    "TenantWorkers",
    "Unjudged",
    "UnreadDocument",
    "UnreadNames",
    "Workers",
    "Written",
    "first_valid",
    "validated",
]
