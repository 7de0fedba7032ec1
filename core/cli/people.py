"""People who sign in to the console: made, invited, given roles, signed out and removed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR
from core.clock import minute
from core.principals import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.people import NewLink, PersonView
    from core.principals import Grant
    from core.runtime import Runtime
    from core.tables import Tenant

_ROLE = click.Choice([role.value for role in Role if not role.is_of_keys])
_TENANT = click.option("--tenant", "tenants", multiple=True, help="Where the role holds; without it in all tenants.")
_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@proctor.group("user")
def user_group() -> None:
    """People who sign in to the console."""


def _making(name: str) -> Callable[[Callable[..., Output]], object]:
    """Make a command that takes a new person."""

    def register(function: Callable[..., Output]) -> object:
        function = click.option("--email", default="", help="Shown, and used for nothing.")(_TENANT(function))
        function = click.option("--role", type=_ROLE, default=Role.OWNER.value, show_default=True)(function)
        return command(user_group, name)(click.argument("name")(reasoned(function)))

    return register


@_making("create")
@_STDIN
def create_user(
    runtime: Runtime, name: str, role: str, tenants: Sequence[str], *, email: str, password_stdin: bool, reason: str
) -> Output:
    """Add somebody who signs in with a password, which is asked for."""
    password = _password(is_piped=password_stdin)
    of = _tenants(runtime, tenants)
    made = runtime.people.create(OPERATOR, name, password, role, of, email=email, reason=reason)
    return Output(_document(made), f"{made.name} may sign in, as {_words(runtime, made.grants)}.")


@_making("invite")
def invite_user(runtime: Runtime, name: str, role: str, tenants: Sequence[str], *, email: str, reason: str) -> Output:
    """Add somebody who chooses a password by a link, which is shown this once."""
    link = runtime.people.invite(OPERATOR, name, role, _tenants(runtime, tenants), email=email, reason=reason)
    return _told(runtime, link, f"It lets {link.name} choose a password, once")


@command(user_group, "first-owner")
def first_owner(runtime: Runtime) -> Output:
    """Print the link with which the first owner comes; an older one opens nothing any more."""
    return _told(runtime, runtime.people.open_first(OPERATOR), "Whoever opens it first becomes the owner")


@command(user_group, "list")
@click.option("--text", default="", help="Only those whose name holds it.")
def list_users(runtime: Runtime, text: str) -> Output:
    """Show who may sign in, with what roles, and who was seen when."""
    people = runtime.people.list(OPERATOR, text)
    names = {tenant.id: tenant.name for tenant in runtime.tenants.list(OPERATOR)} if people else {}
    rows = [
        (one.name, _granted(one.grants, names), one.how, f"{one.seen_at:%Y-%m-%d %H:%M}" if one.seen_at else "never")
        for one in people
    ]
    return Output(
        {"people": [_document(one) for one in people]},
        table(("NAME", "ROLES", "SIGNS IN BY", "SEEN (UTC)"), rows)
        if rows
        else "There is nobody yet, so nobody has to sign in. Make an owner with 'proctor user create NAME'.",
    )


@command(user_group, "grant")
@click.argument("name")
@click.argument("role", type=_ROLE, metavar="ROLE")
@_TENANT
@reasoned
def grant(runtime: Runtime, name: str, role: str, tenants: Sequence[str], *, reason: str) -> Output:
    """Give somebody a role beside what he has; it holds at once."""
    found = runtime.people.find(OPERATOR, name)
    after = runtime.people.grant(OPERATOR, found.id, role, _tenants(runtime, tenants), reason=reason)
    return Output(_document(after), f"{after.name} is {_words(runtime, after.grants)}.")


@command(user_group, "revoke")
@click.argument("name")
@click.argument("role", type=_ROLE, metavar="ROLE")
@_TENANT
@reasoned
def revoke(runtime: Runtime, name: str, role: str, tenants: Sequence[str], *, reason: str) -> Output:
    """Take a role away, wherever it holds or in one tenant; open pages notice within a second."""
    found = runtime.people.find(OPERATOR, name)
    after = runtime.people.take_away(OPERATOR, found.id, role, _tenants(runtime, tenants), reason=reason)
    return Output(_document(after), f"{after.name} is {_words(runtime, after.grants)}.")


@command(user_group, "remove")
@click.argument("name")
@reasoned
def remove(runtime: Runtime, name: str, *, reason: str) -> Output:
    """Let somebody in no more. What was decided stays in the audit trail, under the name."""
    found = runtime.people.find(OPERATOR, name)
    runtime.people.remove(OPERATOR, found.id, reason=reason)
    return Output({"id": found.id, "name": found.name}, f"{found.name} is removed, and signed out everywhere.")


@command(user_group, "password")
@click.argument("name")
@_STDIN
@click.option("--link", "by_link", is_flag=True, help="Print a link instead, with which it is chosen.")
@reasoned
def password(runtime: Runtime, name: str, *, password_stdin: bool, by_link: bool, reason: str) -> Output:
    """Give somebody another password, which is asked for; every session ends."""
    found = runtime.people.find(OPERATOR, name)
    if by_link:
        link = runtime.people.invite_again(OPERATOR, found.id, reason=reason)
        return _told(runtime, link, f"It lets {link.name} choose a password, once")
    runtime.people.change_password(OPERATOR, found.id, _password(is_piped=password_stdin), reason=reason)
    return Output({"id": found.id, "name": found.name}, f"{found.name} has another password, and is signed out.")


@command(user_group, "sessions")
@click.argument("name")
def sessions(runtime: Runtime, name: str) -> Output:
    """Show in how many browsers somebody is signed in."""
    found = runtime.people.find(OPERATOR, name)
    living = runtime.people.sessions(OPERATOR, found.id)
    rows = [(one.id, one.how, f"{one.began_at:%Y-%m-%d %H:%M}", f"{one.seen_at:%Y-%m-%d %H:%M}") for one in living]
    text = table(("SESSION", "BY", "BEGAN (UTC)", "SEEN (UTC)"), rows)
    return Output({"name": found.name, "sessions": living}, text if rows else f"{found.name} is signed in nowhere.")


@command(user_group, "sign-out")
@click.argument("name")
@click.option("--session", help="Only this one, by its id.")
@reasoned
def sign_out(runtime: Runtime, name: str, session: str | None, *, reason: str) -> Output:
    """End somebody's sessions."""
    found = runtime.people.find(OPERATOR, name)
    count = runtime.people.end_sessions(OPERATOR, found.id, session, reason=reason)
    return Output({"name": found.name, "ended": count}, f"{count} of {found.name}'s sessions ended.")


def _password(*, is_piped: bool) -> str:
    """Return a password, from standard input or from whoever sits there; never from the command, which others see."""
    if is_piped:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to be asked for a password: send it with --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _tenants(runtime: Runtime, names: Sequence[str]) -> list[Tenant] | None:
    return [runtime.tenants.find(OPERATOR, name) for name in names] or None


def _told(runtime: Runtime, link: NewLink, does: str) -> Output:
    address = runtime.settings.console_url + link.path
    until = minute(link.expires_at)
    return Output(
        {"link": address, "expires_at": link.expires_at}, address, f"{does}, until {until}. It is not stored."
    )


def _document(one: PersonView) -> dict[str, object]:
    """Return a person for ``--json``; a grant without tenants holds in all."""
    grants = [
        {"role": grant.role.value, "tenant_ids": sorted(grant.scope.ids) if grant.scope.ids is not None else None}
        for grant in one.grants
    ]
    document = {name: getattr(one, name) for name in ("id", "name", "email", "how", "created_at", "seen_at")}
    return {**document, "grants": grants}


def _words(runtime: Runtime, grants: Sequence[Grant]) -> str:
    names = {tenant.id: tenant.name for tenant in runtime.tenants.list(OPERATOR)}
    return _granted(grants, names)


def _granted(grants: Sequence[Grant], names: dict[str, str]) -> str:
    told = [
        f"{grant.role} of "
        + ("all" if grant.scope.ids is None else ", ".join(sorted(names.get(one, "?") for one in grant.scope.ids)))
        for grant in grants
    ]
    return "; ".join(told) or "without a role"
