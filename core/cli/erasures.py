"""Users whose data is erased, and what went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import DONE, REFUSED, Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR
from core.clock import minute
from core.errors import Conflict, Invalid

if TYPE_CHECKING:
    from core.erasures import Certificate
    from core.runtime import Runtime


_HEADS = ("TENANT", "CALLS STRIPPED", "PROMPTS AND ANSWERS", "ANSWERS TO REPEAT", "SENTENCES")


@command(proctor, "erase")
@click.argument("user", required=False)
@click.option("--tenant", help="Whose user it is; without it, the user of this name in every tenant.")
@click.option("--dry-run", is_flag=True, help="Only say how much there is.")
@click.option("--again", is_flag=True, help="Carry out all erasures anew, as after a backup was restored.")
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="With --again: certificates that --json wrote, which this database may not have.",
)
@reasoned
def erase_user(
    runtime: Runtime,
    user: str | None,
    tenant: str | None,
    *,
    dry_run: bool,
    again: bool,
    certificate: Sequence[Path],
    reason: str,
) -> Output:
    """Erase all that is kept of USER, as callers name him in 'user': every word goes, the figures stay."""
    if again == (user is not None) or (certificate and not again):
        raise click.UsageError("Name a user; or say --again, with --certificate where there are some.")
    if user is None:
        calls = runtime.erasures.repeat(OPERATOR, (one for path in certificate for one in _documents(path)))
        return Output({"calls": calls}, f"All erasures were carried out anew. Something went of {calls} calls.")
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    if dry_run:
        found = runtime.erasures.found(OPERATOR, user, owner)
        said = f"Kept of this user: {found.calls} calls with {found.payloads} rows of prompts and answers"
        return Output(
            {"calls": found.calls, "payloads": found.payloads, "tenants": found.tenants},
            f"{said}, in {found.tenants} tenants. Nothing was erased.",
        )
    made = runtime.erasures.erase(OPERATOR, user, owner, reason=reason)
    if made.found_nothing:
        told = "Nothing was found of this user. What calls that are out write of him by now will not be kept either."
        return Output(made.document(), f"{told}\n{_told(made)}", exit_code=REFUSED)
    return Output(made.document(), _told(made), "Keep the certificate (--json) where backups of the database are not.")


@command(proctor, "export-user")
@click.argument("user")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--tenant", required=True, help="Whose user it is.")
@click.option("--force", is_flag=True, help="Write over FILE if it is there.")
@reasoned
def export_user(runtime: Runtime, user: str, file: Path, tenant: str, *, force: bool, reason: str) -> Output:
    """Write to FILE all that is kept of USER, as JSON lines: his calls, prompts and answers where those are kept."""
    if file.is_file() and not force:
        raise Conflict(f"{file} is there already. Name another file, or write over it by --force.")
    exports = runtime.user_exports
    who = exports.user(OPERATOR, user, runtime.tenants.find(OPERATOR, tenant))
    file.touch(mode=0o600)  # what is in it is for one person; and one that cannot be written is given out to nobody
    if file.is_file():  # it may have been there, for all to read
        file.chmod(0o600)
    made = exports.export(OPERATOR, who, reason=reason)
    with file.open("wb") as out:
        out.writelines(made.lines)
    if not made.calls:
        return Output({"export": made.id, "calls": 0}, f"Nothing is kept of this user; {file} says so.", "", REFUSED)
    return Output({"export": made.id, "calls": made.calls}, f"{_calls(made.calls)} written to {file}.")


@command(proctor, "erasures")
@click.argument("certificate", required=False)
@click.option("--tenant", help="Only those that are about this tenant.")
@click.option("--before", default="", help="Those that are older than this certificate.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all of them there, whole, to keep for --again.",
)
def erasures(runtime: Runtime, certificate: str | None, tenant: str | None, before: str, file: Path | None) -> Output:
    """Show a certificate; without its id, the newest 50."""
    if certificate is not None:
        one = runtime.erasures.certificate(OPERATOR, certificate)
        return Output(one.document(), _told(one))
    if file is not None:
        count = _written(runtime.erasures.every(OPERATOR), file)
        return Output({"certificates": count}, f"{_certificates(count)} written to {file}.")
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    found = runtime.erasures.list(OPERATOR, owner, before=before)
    rows = [(one.id, minute(one.at), one.by, "done" if one.done_at else "in progress", f"{one.calls}") for one in found]
    text = table(("CERTIFICATE", "AT", "BY", "", "CALLS"), rows) if rows else "Nobody was erased yet."
    return Output({"certificates": [one.document() for one in found]}, text, exit_code=DONE)


def _calls(count: int) -> str:
    return "1 call was" if count == 1 else f"{count:,} calls were"


def _certificates(count: int) -> str:
    return "1 certificate was" if count == 1 else f"{count:,} certificates were"


def _written(found: Iterable[Certificate], file: Path) -> int:
    """Write certificates as JSON lines; return how many."""
    import orjson  # noqa: PLC0415 who asks for help need not load it

    count = 0
    with file.open("wb") as out:
        for one in found:
            count += 1
            out.write(orjson.dumps(one.document(), option=orjson.OPT_APPEND_NEWLINE))
    return count


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the certificates that a file holds: lines of 'erasures --file', or one of 'erase --json'."""
    import orjson  # noqa: PLC0415 as above

    try:
        with path.open("rb") as lines:
            if (first := lines.readline()).rstrip().endswith(b"}"):
                yield orjson.loads(first)
                yield from (orjson.loads(line) for line in lines if not line.isspace())
            elif whole := (first + lines.read()).strip():  # without: nobody was erased when it was written
                yield orjson.loads(whole)
    except orjson.JSONDecodeError:
        raise Invalid(f"{path} is not JSON, as 'proctor erase --json' writes it.") from None


def _told(one: Certificate) -> str:
    """Return a certificate as people read it."""
    from core.erasures import KEPT, NOT_REACHED  # noqa: PLC0415 as above

    state = f"done {minute(one.done_at)}" if one.done_at else "in progress; a running Proctor finishes it"
    rows = [
        (user.tenant, *(str(count) for count in (user.calls, user.payloads, user.answers, user.sentences)))
        for user in one.users
        if user.calls or user.payloads or user.answers or one.tenants == 1
    ]
    lines = [
        f"Certificate {one.id}: a user's calls until {minute(one.at)} were erased by {one.by}; {state}.",
        table(_HEADS, rows) if rows else "",
        "Kept: " + " ".join(KEPT),
        "Not reached: " + " ".join(NOT_REACHED),
    ]
    return "\n".join(filter(None, lines))
