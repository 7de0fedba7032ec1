"""What tables are made of: types that both databases store alike."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, MetaData, Text
from sqlalchemy.orm import declared_attr, registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from core.clock import from_micros, micros


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, stored as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store the count."""
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read the time back, aware."""
        return None if value is None else from_micros(value)


def as_json(value: Any) -> str | None:
    """Return *value* as the text that is stored; ``None`` stays what it is."""
    return None if value is None else orjson.dumps(value).decode()


class Json(TypeDecorator[Any]):
    """A JSON value kept as text, alike on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the value as JSON text."""
        return as_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the value back."""
        return None if value is None else orjson.loads(value)


_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can speak of it on either database."""


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """The base of every table. Its own registry lets a page reload re-import this module without a clash of names."""

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] as SQLModel itself does
        """The class's name in snake case, without ``Row``: ``ApiKey`` is ``api_key``, ``AttemptRow`` is ``attempt``."""
        return _CAPITAL.sub("_", cls.__name__.removesuffix("Row")).lower()


def utc(**kwargs: Any) -> Any:
    """Make a column of times."""
    return Field(sa_type=UtcTime, **kwargs)


def json(**kwargs: Any) -> Any:
    """Make a column of JSON values."""
    return Field(sa_type=Json, **kwargs)


def money(**kwargs: Any) -> Any:
    """Make a column of nano-dollars."""
    return Field(sa_type=BigInteger, **kwargs)


def long_text(**kwargs: Any) -> Any:
    """Make a column of long texts."""
    return Field(sa_type=Text, **kwargs)
