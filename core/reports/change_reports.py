"""The questions about changes: a part of :class:`core.reports.Reports`, with a permission of its own."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime

from core.principals import Permission, Principal
from core.reports.changes import (
    ChangeChoices,
    ChangeCursor,
    ChangeFilter,
    ChangePage,
    RecordedChange,
    change_choices,
    change_page,
    changes_since,
    decided_before,
    one_change,
    some_changes,
)
from core.reports.frames import AT_ONCE
from core.reports.standing import StandingReports


class ChangeReports(StandingReports):
    """What was changed. Every method raises ``Forbidden`` without ``changes.read``."""

    def changes(self, principal: Principal, wanted: ChangeFilter, behind: ChangeCursor | None = None) -> ChangePage:
        """Return a page of what passes *wanted*, *behind* one or the newest; of all tenants to who sees all of them."""
        with self._reading(principal, wanted.tenant_id, Permission.CHANGES_READ) as now:
            return change_page(now, wanted, behind)

    def every_change(self, principal: Principal, wanted: ChangeFilter) -> Generator[RecordedChange]:
        """Yield all changes that pass *wanted*, the newest first, for an export; some hundred are held at a time."""
        principal.require(Permission.CHANGES_READ)
        return self._every_change(principal, wanted)

    def _every_change(self, principal: Principal, wanted: ChangeFilter) -> Generator[RecordedChange]:
        behind: ChangeCursor | None = None
        while True:
            with self._reading(principal, wanted.tenant_id, Permission.CHANGES_READ) as now:
                some = some_changes(now, wanted, behind, AT_ONCE)
            yield from some
            if len(some) < AT_ONCE:
                return
            behind = ChangeCursor(some[-1].at, some[-1].id)

    def change(self, principal: Principal, change_id: str) -> RecordedChange:
        """Return one change.

        Raises:
            NotFound: there is none of that id.

        """
        with self._reading(principal, needs=Permission.CHANGES_READ) as now:
            return one_change(now, change_id)

    def changes_since(self, principal: Principal, change: RecordedChange, most: int) -> Sequence[RecordedChange]:
        """Return what was decided of the same thing since a change, the newest first, at most so many."""
        with self._reading(principal, needs=Permission.CHANGES_READ) as now:
            return changes_since(now, change, most)

    def decided_before(self, principal: Principal, changes: Sequence[RecordedChange]) -> Mapping[str, RecordedChange]:
        """Return by the id of each change what was decided of the same thing before it, where anything was."""
        with self._reading(principal, needs=Permission.CHANGES_READ) as now:
            return decided_before(now, changes)

    def change_choices(
        self, principal: Principal, starts_at: datetime, ends_at: datetime, tenant_id: str | None = None
    ) -> ChangeChoices:
        """Return which kinds, people and doors occur among the changes of that time."""
        with self._reading(principal, tenant_id, Permission.CHANGES_READ) as now:
            return change_choices(now, starts_at, ends_at)
