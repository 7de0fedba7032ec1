"""What people call the values of dimensions that have other names: tenants, keys, versions, outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlmodel import col

from core.reports.reading import Reading
from core.tables import ApiKey

_AT_ONCE = 500


def value_names(reading: Reading, values: Iterable[tuple[str, str | None]]) -> Mapping[tuple[str, str], str]:
    """Return the names of *values*, each a dimension and a value of it, that have one beside themselves."""
    known = {(dimension, value) for dimension, value in values if value is not None}
    keys = sorted(value for dimension, value in known if dimension == "key")
    names: dict[tuple[str, str], str] = {}
    for begin in range(0, len(keys), _AT_ONCE):
        some = select(col(ApiKey.id), col(ApiKey.name), col(ApiKey.prefix)).where(
            col(ApiKey.id).in_(keys[begin : begin + _AT_ONCE])
        )
        names |= {("key", one): name or prefix for one, name, prefix in reading.ask(some, ApiKey.tenant_id)}
    for dimension, value in known:
        if dimension == "tenant":
            names[dimension, value] = reading.name_of(value)
        elif dimension == "version":
            names[dimension, value] = " v".join(value.rsplit("@", 1))
        elif dimension == "outcome":
            names[dimension, value] = value.replace("_", " ")
    return names
