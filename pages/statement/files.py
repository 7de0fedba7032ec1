"""What the page of a statement gives away: every line of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.api.exports import Export
from core.principals import Principal
from core.reports import csv
from core.runtime import Runtime


@dataclass(frozen=True, slots=True)
class TenantMonth:
    """A month of a tenant, in its time zone."""

    tenant_id: str
    month: str


def _lines(runtime: Runtime, who: Principal, wanted: TenantMonth) -> Iterator[bytes]:
    yield csv(runtime.reports.statement(who, wanted.tenant_id, wanted.month).frame())


LINES = Export("statement/lines", TenantMonth, _lines)
FILES = (LINES,)
