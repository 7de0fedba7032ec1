"""What was called at which price, and what without one: the work that is to be done about prices.

A caller may ask for any name, and some servers answer to all. So the models that are known to be in use have a row
each, and of the others those called most; the rest are one row, in which their names are counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, and_, case, func, not_, or_
from sqlmodel import col, select

from core.pricing._names import MOST_NAMES, other_names
from core.principals import TenantScope
from core.store import Store
from core.tables import AttemptRow, Tenant
from core.visibility import visible

UNPRICED_DAYS = 92
"""How far back calls without a price are work to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedModel:
    """A model in use."""

    provider: str
    """Empty where it stands for the names that have no row; so is the next."""
    model: str
    calls: int
    last_at: datetime | None
    """``None`` where it was not called in that time."""
    names: int = 1
    """How many names it stands for."""

    @property
    def subject(self) -> str:
        """``provider/model``, or ``other names (1,990)``."""
        return f"{self.provider}/{self.model}" if self.provider else other_names(self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpricedModel:
    """A model whose calls were paid for and have no price."""

    provider: str
    """Empty where it stands for the names that have no row; so is the next."""
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    first_at: datetime
    last_at: datetime
    tenants: tuple[str, ...]
    """The names of those who called it."""
    names: int = 1
    """How many names it stands for."""

    @property
    def subject(self) -> str:
        """``provider/model``, or ``other names (1,990)``."""
        return f"{self.provider}/{self.model}" if self.provider else other_names(self.names)


def in_use(store: Store, scope: TenantScope, since: datetime, known: Collection[tuple[str, str]]) -> list[PricedModel]:
    """Return the models that were called since then, those called most first, then those *known* that were not.

    Those *known* have a row each; of the others those called most, and what is left is the last row.
    """
    called = and_(col(AttemptRow.started_at) >= since, visible(scope, AttemptRow.tenant_id))
    with store.scanning() as session:
        rows = session.connection().execute(_folded(called, known, (), {"last_at": (AttemptRow.started_at, func.max)}))
        found = [
            PricedModel(
                provider=row.provider,
                model=row.model,
                calls=int(row.calls),
                last_at=row.last_at,
                names=1 if row.provider else row.others,
            )
            for row in rows
        ]
    uncalled = {*known} - {(one.provider, one.model) for one in found}
    found += [PricedModel(provider=who, model=name, calls=0, last_at=None) for who, name in uncalled]
    return sorted(found, key=lambda one: (not one.provider, -one.calls, one.provider, one.model))


def unpriced(
    store: Store, scope: TenantScope, since: datetime, known: Collection[tuple[str, str]]
) -> list[UnpricedModel]:
    """Return the models whose calls since then were paid for and have no price, those called most first.

    They are folded as above. It is answered from the index of such calls alone.
    """
    paid = and_(
        col(AttemptRow.started_at) >= since,
        visible(scope, AttemptRow.tenant_id),
        col(AttemptRow.cost_nano_usd).is_(None),
        col(AttemptRow.input_tokens).is_not(None),
    )
    figures = {
        "input_tokens": (AttemptRow.input_tokens, func.sum),
        "output_tokens": (AttemptRow.output_tokens, func.sum),
        "first_at": (AttemptRow.started_at, func.min),
        "last_at": (AttemptRow.started_at, func.max),
    }
    with store.scanning() as session:
        rows = session.connection().execute(_folded(paid, known, ("tenant_id",), figures)).all()
        names = dict(session.exec(select(Tenant.id, Tenant.name).where(visible(scope, Tenant.id))).all())
    cells: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        cells[row.provider, row.model].append(row)
    found = [
        UnpricedModel(
            provider=provider,
            model=model,
            calls=sum(int(row.calls) for row in own),
            input_tokens=sum(int(row.input_tokens or 0) for row in own),
            output_tokens=sum(int(row.output_tokens or 0) for row in own),
            first_at=min(row.first_at for row in own),
            last_at=max(row.last_at for row in own),
            tenants=tuple(sorted({names.get(row.tenant_id, "a tenant that is gone") for row in own})),
            names=1 if provider else own[0].others,
        )
        for (provider, model), own in cells.items()
    ]
    return sorted(found, key=lambda one: (not one.provider, -one.calls, one.provider, one.model))


def _folded(
    condition: ColumnElement[bool],
    known: Collection[tuple[str, str]],
    heads: Sequence[str],
    figures: Mapping[str, tuple[Any, Callable[[Any], Any]]],
) -> Select[*tuple[Any, ...]]:
    """Return the question how attempts add up by model and *heads*: ``provider model … others calls …``.

    Provider and model are empty where names have no row; ``others`` is how many names those are. *figures* are columns
    and how they add up.
    """
    keys = ("provider", "model")
    cells = (
        sqlalchemy.select(
            *(getattr(AttemptRow, name) for name in (*keys, *heads)),
            func.count().label("calls"),
            *(adds_up(col(column)).label(name) for name, (column, adds_up) in figures.items()),
        )
        .where(condition)
        .group_by(*(getattr(AttemptRow, name) for name in (*keys, *heads)))
        .cte("cells")
    )
    is_known = case(
        ((cells.c.provider + "/" + cells.c.model).in_(sorted({f"{who}/{name}" for who, name in known})), 1), else_=0
    )
    called_most = (func.sum(cells.c.calls).desc(), cells.c.provider, cells.c.model)
    place = func.row_number().over(partition_by=is_known, order_by=called_most)
    ranked = sqlalchemy.select(cells.c.provider, cells.c.model, is_known.label("is_known"), place.label("place"))
    names = ranked.group_by(cells.c.provider, cells.c.model).cte("names")
    is_shown = or_(names.c.is_known == 1, names.c.place <= MOST_NAMES)
    shown = (case((is_shown, names.c[key]), else_="").label(key) for key in keys)
    of_one = and_(cells.c.provider == names.c.provider, cells.c.model == names.c.model)
    own = [name for name in cells.c.keys() if name not in keys]  # noqa: SIM118 columns, of which there is no plain list
    lines = (
        sqlalchemy.select(*shown, *(cells.c[name] for name in own)).select_from(cells.join(names, of_one)).subquery()
    )
    others = sqlalchemy.select(func.count()).select_from(names).where(not_(is_shown)).scalar_subquery()
    by = [lines.c[name] for name in (*keys, *heads)]
    sums = [adds_up(lines.c[name]).label(name) for name, (_, adds_up) in figures.items()]
    return sqlalchemy.select(*by, others.label("others"), func.sum(lines.c.calls).label("calls"), *sums).group_by(*by)
