"""People who sign in to the console, what they may do, and their sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from core.tables._columns import Row, long_text, utc


class Person(Row, table=True):
    """Somebody who signs in: with a password, or as somebody whom another one vouches for (issuer and subject)."""

    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: str = Field(primary_key=True)
    name: str
    """What the audit trail calls him, so it stays his when he is removed."""
    folded_name: str = Field(unique=True)
    """The name without its capitals, by which he is found."""
    email: str = ""
    """To be shown, and for nothing else: who may write it is not known."""
    password_hash: str | None = None
    issuer: str | None = None
    subject: str | None = None
    created_at: datetime = utc()
    seen_at: datetime | None = utc(default=None)
    removed_at: datetime | None = utc(default=None)


class PersonGrant(Row, table=True):
    """A role of a person, and where it holds."""

    person_id: str = Field(foreign_key="person.id", primary_key=True)
    role: str = Field(primary_key=True)
    tenant_id: str = Field(default="", primary_key=True)
    """One tenant, or (empty) all there are and will be."""


class PersonSession(Row, table=True):
    """One browser in which somebody has signed in. Its row is what counts: without it a cookie opens nothing."""

    id: str = Field(primary_key=True)
    person_id: str = Field(foreign_key="person.id", index=True)
    digest: str = Field(unique=True)
    """SHA-256 of the token in the cookie, which is 256 random bits."""
    how: str
    """``password`` or ``link``: by what it began."""
    began_at: datetime = utc()
    seen_at: datetime = utc()
    ends_at: datetime = utc()
    """When it ends, however much it is used."""


class SavedView(Row, table=True):
    """A form of the list of calls that somebody keeps."""

    __table_args__ = (UniqueConstraint("person_id", "name"),)

    id: str = Field(primary_key=True)
    person_id: str = Field(foreign_key="person.id")
    name: str
    q: str = long_text()
    """The search; of a user it says nothing."""
    sort: str
    columns: str
    """Names, with commas between."""
    saved_at: datetime = utc()


class Invitation(Row, table=True):
    """A link with which somebody chooses a password, once; or, without a person, with which the first owner comes."""

    id: str = Field(primary_key=True)
    person_id: str | None = Field(default=None, foreign_key="person.id", index=True)
    digest: str = Field(unique=True)
    created_at: datetime = utc()
    expires_at: datetime = utc()
