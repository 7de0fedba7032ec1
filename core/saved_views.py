"""Forms of the list of calls that somebody keeps under a name: a search, an order, columns. Each is his own.

A view decides nothing about anybody, so it stands in no trail. It goes with its person.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, func, select

from core.call_search import fields_of, read_search
from core.clock import Clock
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import Person, SavedView

MOST_VIEWS = 50
"""Of one person."""
LONGEST_NAME = 60
_LONGEST_FORM = 200


class SavedViews:
    """The views of whoever is signed in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def list(self, principal: Principal) -> Sequence[SavedView]:
        """Return his own, by name; none of whom nobody knows.

        Raises:
            Forbidden: without ``generations.read``.

        """
        principal.require(Permission.GENERATIONS_READ)
        if principal.person_id is None:
            return []
        with self._store.reading() as session:
            own = select(SavedView).where(col(SavedView.person_id) == principal.person_id)
            return session.exec(own.order_by(col(SavedView.name))).all()

    def save(self, principal: Principal, name: str, *, q: str, sort: str, columns: str) -> SavedView:
        """Keep a view under a name; one of his that has it already is this one from now on.

        Raises:
            Forbidden: without ``generations.read``, or nobody is signed in.
            Invalid: the name is empty or too long, the search cannot be read, or names a user.
            Conflict: he has as many as one may have.

        """
        person_id, told = _person(principal), " ".join(name.split())
        if not 0 < len(told) <= LONGEST_NAME or not told.isprintable():
            raise Invalid(f"A view has a name of 1 to {LONGEST_NAME} characters.")
        term = read_search(q).term
        if term is not None and "user" in fields_of(term):
            raise Invalid("A view that names a user would keep who he is. Save it without 'user:'.")
        if max(len(sort), len(columns)) > _LONGEST_FORM:
            raise Invalid("This is no view of the list of calls.")
        with self._store.writing() as session:
            session.exec(select(Person.id).where(col(Person.id) == person_id).with_for_update(**FOR_CHANGE)).one()
            view = _named(session, person_id, told)
            if view is None:
                own = select(func.count()).select_from(SavedView).where(col(SavedView.person_id) == person_id)
                if session.exec(own).one() >= MOST_VIEWS:
                    raise Conflict(f"You keep {MOST_VIEWS} views, which is the most there may be. Remove one first.")
                view = SavedView(id=self._clock.new_id(), person_id=person_id, name=told, q="", sort="", columns="")
            view.q, view.sort, view.columns, view.saved_at = q, sort, columns, self._clock.now()
            session.add(view)
        return view

    def remove(self, principal: Principal, view_id: str) -> None:
        """Keep one of his own no longer.

        Raises:
            Forbidden: without ``generations.read``, or nobody is signed in.
            NotFound: he has none of that id.

        """
        person_id = _person(principal)
        with self._store.writing() as session:
            view = session.get(SavedView, view_id)
            if view is None or view.person_id != person_id:
                raise NotFound("You keep no such view. It may have been removed in another window.")
            session.delete(view)


def _person(principal: Principal) -> str:
    principal.require(Permission.GENERATIONS_READ)
    if principal.person_id is None:
        raise Forbidden("Views are kept for people who sign in. The address of a list holds all of it: keep that.")
    return principal.person_id


def _named(session: Session, person_id: str, name: str) -> SavedView | None:
    own = select(SavedView).where(col(SavedView.person_id) == person_id, col(SavedView.name) == name)
    return session.exec(own).first()
