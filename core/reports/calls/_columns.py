"""What lists, searches and exports of calls are made of: the columns that several of them name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, and_, case, cast, func, literal_column, select
from sqlmodel import col

from core.reports.reask_chains import superseded
from core.tables import AttemptRow, GenerationRow, Tenant

IS_UNPRICED = and_(col(GenerationRow.attempts) > 0, col(GenerationRow.cost_nano_usd).is_(None))
"""Whether an attempt has no price."""
_PRICED_PART = (
    select(cast(func.sum(AttemptRow.cost_nano_usd), BigInteger))
    .where(col(AttemptRow.generation_id) == col(GenerationRow.id))
    .correlate(GenerationRow)
    .scalar_subquery()
)
COST: ColumnElement[Any] = case((IS_UNPRICED, _PRICED_PART), else_=col(GenerationRow.cost_nano_usd))
"""What is known of a call's cost: its own sum or, where an attempt is unpriced, the sum of those that are priced."""
IS_SUPERSEDED: ColumnElement[bool] = literal_column(superseded("generation"), Boolean)
FULL_MODEL: ColumnElement[Any] = col(GenerationRow.provider) + "/" + col(GenerationRow.model)
TENANT_NAME: ColumnElement[Any] = func.coalesce(col(Tenant.name), col(GenerationRow.tenant_id))
"""The name of the tenant, which has to be joined; its id, where it is gone."""


def wide(column: Any) -> ColumnElement[Any]:
    """Return a column of whole numbers as one that is compared with any: PostgreSQL's own take no larger ones."""
    return cast(column, BigInteger)


TOKENS: ColumnElement[Any] = wide(col(GenerationRow.input_tokens)) + wide(col(GenerationRow.output_tokens))
