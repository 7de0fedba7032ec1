"""What the page of changes gives away: the list, each change by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from core.api.exports import Export
from core.principals import Principal
from core.reports import MOST_EXPORTED, ChangeFilter, RecordedChange, batches, csv_pieces
from core.runtime import Runtime
from pages.changes import words
from pages.kit.frames import Frame, pd

COLUMNS = [
    *("at", "kind", "subject", "what", "of_whom", "before", "after", "who", "why", "from_where"),
    *("id", "undid", "entry"),
]


def _frame(changes: Sequence[RecordedChange]) -> Frame:
    rows = [
        (
            one.at,
            one.kind,
            one.subject,
            one.summary,
            words.whose(one),
            words.states(one, 0),
            words.states(one, 1),
            words.who(one),
            one.reason,
            one.door,
            one.id,
            one.undo_of or "",
            one.seq or "",
        )
        for one in changes
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _listed(runtime: Runtime, who: Principal, wanted: ChangeFilter) -> Iterator[bytes]:
    every = islice(runtime.reports.every_change(who, wanted), MOST_EXPORTED)
    return csv_pieces(_frame(some) for some in batches(every))


LIST = Export("changes/list", ChangeFilter, _listed)
FILES = (LIST,)
