"""What the page of schemas gives away: all schemas of the list, a row for each version in use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.api.exports import Export
from core.principals import Permission, Principal
from core.reports import Window, csv
from core.runtime import Runtime
from pages.schemas import lines


@dataclass(frozen=True, slots=True)
class SchemaList:
    """A list of schemas."""

    text: str
    sort: str
    window: Window
    """Of whose calls the figures are."""
    tenant_id: str | None = None


def _listed(runtime: Runtime, who: Principal, wanted: SchemaList) -> Iterator[bytes]:
    reads = who.may(Permission.GENERATIONS_READ)
    told = runtime.reports.schemas(who, wanted.window, wanted.tenant_id) if reads else ()
    found = {(one.schema, one.version): one for one in told}
    passing = lines.passing(runtime.schemas.list(who), wanted.text)
    yield csv(lines.frame(lines.listed(lines.ordered(passing, found, wanted.sort), found), found))


LIST = Export("schemas/list", SchemaList, _listed)
FILES = (LIST,)
