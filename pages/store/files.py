"""What the page of the store gives away: its table."""

from __future__ import annotations

from collections.abc import Iterator

from core.api.exports import Export
from core.principals import Principal
from core.reports import csv
from core.runtime import Runtime


def _sizes(runtime: Runtime, who: Principal, _: str) -> Iterator[bytes]:
    yield csv(runtime.reports.store_size(who).frame())


SIZES = Export("store/sizes", str, _sizes)
FILES = (SIZES,)
