"""The command line: what happens before the console, without it, or from a script.

Every command takes ``--json``: standard output then holds one JSON document, and an error is one on standard error.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage or wrong settings. The heavy parts are imported by the commands
that need them, so that ``--help`` is quick.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from core.errors import Invalid, Misconfigured, ProctorError
from core.principals import LOCAL_OPERATOR

if TYPE_CHECKING:
    from core.budgets import BudgetState
    from core.generation import GenerationRequest
    from core.record import Generation
    from core.runtime import Runtime
    from core.settings import Settings
    from core.tables import Tenant

DONE, REFUSED, MISUSED = 0, 1, 2
_FETCH_SECONDS = 900.0


class Answer(NamedTuple):
    """What a command has to say."""

    document: Any
    """For ``--json``."""
    text: str
    """For people."""
    aside: str = ""
    """For people, on standard error, so that the text can be piped."""
    exit_code: int = DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        return proctor.main(given, "proctor", standalone_mode=False) or DONE
    except click.ClickException as error:
        if as_json:
            _complain("usage", error.format_message())
        else:
            error.show()
        return MISUSED
    except Misconfigured as error:
        return _fail(error, MISUSED, as_json=as_json)
    except ProctorError as error:
        return _fail(error, REFUSED, as_json=as_json)
    except click.Abort:
        click.echo("Stopped.", err=True)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _fail(error: ProctorError, exit_code: int, *, as_json: bool) -> int:
    if as_json:
        _complain(error.code, error.message, **error.facts)
    else:
        click.echo(error.message, err=True)
    return exit_code


def _complain(code: str, detail: str, **facts: Any) -> None:
    click.echo(json.dumps({"code": code, "detail": detail, **facts}, default=str), err=True)


def _document(value: Any) -> str:
    import orjson  # noqa: PLC0415

    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()


_Function = Callable[..., Answer]


def _command(group: click.Group, name: str, *, needs_runtime: bool = True) -> Callable[[_Function], _Function]:
    """Make a function of (runtime or settings, its parameters) into a command with ``--json``."""

    def register(function: _Function) -> _Function:
        @functools.wraps(function)
        def run(*, as_json: bool, **parameters: Any) -> int:
            with _runtime() if needs_runtime else _settings() as given:
                answer = function(given, **parameters)
            click.echo(_document(answer.document) if as_json else answer.text)
            if answer.aside and not as_json:
                click.echo(click.style(answer.aside, dim=True), err=True)
            return answer.exit_code

        option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
        group.command(name)(option(run))
        return function

    return register


@contextmanager
def _settings() -> Iterator[Settings]:
    from core.settings import load  # noqa: PLC0415

    yield load()


@contextmanager
def _runtime() -> Iterator[Runtime]:
    from core import runtime as running  # noqa: PLC0415

    with _settings() as settings:
        # what goes wrong is said in one sentence at the end; a log line beside it would be a second
        runtime = running.build(settings.model_copy(update={"log_level": "ERROR"}))
    try:
        yield runtime
    finally:
        runtime.close()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="proctor", message="%(package)s %(version)s")
def proctor() -> None:
    """Operate structured LLM output: tenants, budgets, schemas, and the calls behind every object."""


# ── Tenants and keys ──────────────────────────────────────────────────────────────────────────────────────────────────


@proctor.group("tenant")
def _tenant_group() -> None:
    """Organisations whose traffic is isolated, limited and billed."""


@_command(_tenant_group, "create")
@click.argument("name")
@click.option("--timezone", default="UTC", show_default=True, help="IANA name; its days and months follow it.")
@click.option("--rate-limit", type=int, help="Generations per minute. Without it: RATE_LIMIT_PER_MIN.")
def _create_tenant(runtime: Runtime, name: str, timezone: str, rate_limit: int | None) -> Answer:
    """Add a tenant."""
    tenant = runtime.tenants.create(LOCAL_OPERATOR, name, timezone, rate_limit)
    return Answer(
        tenant.model_dump(),
        f"Tenant {tenant.name} is there, in time zone {tenant.timezone}.",
        f"Next: proctor key create {_quoted(tenant.name)}",
    )


@_command(_tenant_group, "list")
def _list_tenants(runtime: Runtime) -> Answer:
    """Show every tenant."""
    tenants = runtime.tenants.list()
    limits = [str(tenant.rate_limit_per_min or "default") for tenant in tenants]
    rows = [
        (tenant.name, tenant.timezone, limit, f"{tenant.created_at:%Y-%m-%d}", "demo" if tenant.is_demo else "")
        for tenant, limit in zip(tenants, limits, strict=True)
    ]
    text = _table(("NAME", "TIME ZONE", "PER MINUTE", "CREATED", ""), rows)
    return Answer(
        {"tenants": [tenant.model_dump() for tenant in tenants]},
        text if rows else "There are no tenants yet. Make one with 'proctor tenant create NAME'.",
    )


@proctor.group("key")
def _key_group() -> None:
    """Keys that let programs call as a tenant."""


@_command(_key_group, "create")
@click.argument("tenant")
@click.option("--name", default="", help="What it is for.")
def _create_key(runtime: Runtime, tenant: str, name: str) -> Answer:
    """Make a key and show it, this once."""
    owner = runtime.tenants.find(tenant)
    new = runtime.tenants.create_key(LOCAL_OPERATOR, owner, name)
    return Answer(
        {"id": new.id, "tenant": owner.name, "prefix": new.prefix, "key": new.secret},
        new.secret,
        f"Keep it now: it is not stored and cannot be shown again. It calls as {owner.name}.",
    )


@_command(_key_group, "list")
@click.argument("tenant")
def _list_keys(runtime: Runtime, tenant: str) -> Answer:
    """Show a tenant's keys by their first characters."""
    owner = runtime.tenants.find(tenant)
    keys = runtime.tenants.keys(owner)
    rows = [
        (
            f"{key.prefix}…",
            key.name,
            f"{key.created_at:%Y-%m-%d}",
            f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "live",
        )
        for key in keys
    ]
    return Answer(
        {"tenant": owner.name, "keys": keys},
        _table(("KEY", "NAME", "CREATED", "STATE"), rows) if rows else f"{owner.name} has no keys.",
    )


@_command(_key_group, "revoke")
@click.argument("key")
def _revoke_key(runtime: Runtime, key: str) -> Answer:
    """Make a key useless, named by its id or by the characters that 'key list' shows."""
    revoked = runtime.tenants.revoke_key(LOCAL_OPERATOR, key)
    return Answer(revoked, f"Key {revoked.prefix}… is revoked: whoever holds it is refused from now on.")


# ── Budgets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@proctor.group("budget")
def _budget_group() -> None:
    """What a tenant may spend per month."""


class _Dollars(click.ParamType[int]):
    """An amount of dollars, as nano-dollars."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``25``, ``25.50`` or ``$1,200``."""
        from core.pricing import nano_usd  # noqa: PLC0415

        try:
            amount = Decimal(str(value).strip().removeprefix("$").replace(",", ""))
            if amount.is_finite():
                return nano_usd(amount)
        except InvalidOperation:
            pass
        self.fail(f"{value!r} is not an amount in dollars; write it like 25 or 25.50.", param, ctx)


@_command(_budget_group, "set")
@click.argument("tenant")
@click.argument("limit", metavar="USD", type=_Dollars())
def _set_budget(runtime: Runtime, tenant: str, limit: int) -> Answer:
    """Set what a tenant may spend per month; effective with its next generation."""
    owner = runtime.tenants.find(tenant)
    runtime.budgets.set(LOCAL_OPERATOR, owner, limit)
    return _shown_budget(owner, runtime.budgets.show(owner))


@_command(_budget_group, "show")
@click.argument("tenant")
def _show_budget(runtime: Runtime, tenant: str) -> Answer:
    """Show what a tenant may spend, has spent and holds this month."""
    owner = runtime.tenants.find(tenant)
    return _shown_budget(owner, runtime.budgets.show(owner))


def _shown_budget(owner: Tenant, state: BudgetState) -> Answer:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    resets = state.ends_at.astimezone(ZoneInfo(owner.timezone))
    return Answer(
        {
            "tenant": owner.name,
            "limit_nano_usd": state.limit_nano_usd,
            "spent_nano_usd": state.spent_nano_usd,
            "held_nano_usd": state.held_nano_usd,
            "starts_at": state.starts_at,
            "ends_at": state.ends_at,
            "version": state.version,
        },
        f"{owner.name} has spent {_usd(state.spent_nano_usd)} of {_usd(state.limit_nano_usd)} and holds "
        f"{_usd(state.held_nano_usd)} for calls that are out. It resets on {resets:%Y-%m-%d at %H:%M} {owner.timezone}.",
    )


@_command(proctor, "verify")
def _verify(runtime: Runtime) -> Answer:
    """Prove from the ledger that every account is right."""
    found = runtime.budgets.verify()
    verdict = (
        f"The ledger explains every one of {found.accounts} accounts."
        if found.ok
        else f"The ledger and the accounts differ by {_usd(found.difference_nano_usd)}. Keep the database as it is."
    )
    return Answer(found, f"{verdict} {_usd(found.held_nano_usd)} is held now.", exit_code=DONE if found.ok else REFUSED)


# ── Schemas and generations ───────────────────────────────────────────────────────────────────────────────────────────


@proctor.group("schema")
def _schema_group() -> None:
    """Named response models, each version immutable."""


@_command(_schema_group, "add")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--description", default="", help="One sentence about it.")
def _add_schema(runtime: Runtime, name: str, file: Path, description: str) -> Answer:
    """Register FILE (JSON Schema, or Pydantic source in a .py) as the newest version of NAME."""
    added = runtime.schemas.add(LOCAL_OPERATOR, name, _schema_in(file), description=description)
    return Answer(added, f"{added.name} is at version {added.version}.")


@_command(_schema_group, "list")
def _list_schemas(runtime: Runtime) -> Answer:
    """Show every schema."""
    schemas = runtime.schemas.list()
    rows = [(schema.name, str(schema.version), schema.description) for schema in schemas]
    text = _table(("NAME", "VERSION", "DESCRIPTION"), rows)
    return Answer({"schemas": schemas}, text if rows else "There are no schemas yet. Add one with 'proctor schema add'.")


def _schema_in(file: Path) -> dict[str, Any]:
    text = _read(file)
    if file.suffix == ".py":
        from core.pydantic_source import json_schema_from_source  # noqa: PLC0415

        return json_schema_from_source(text)
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise Invalid(f"{file} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    if not isinstance(body, dict):
        raise Invalid(f"{file} holds JSON, but not a JSON Schema: that is an object.")
    return body


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not text in UTF-8.") from None
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from None


@_command(proctor, "generate")
@click.argument("schema")
@click.argument("text", metavar="INPUT")
@click.option("--tenant", help="Whose budget pays. Without it: the only tenant there is.")
@click.option("--route", default="default", show_default=True, help="Who may answer, in what order.")
@click.option("--model", help="One model instead of a route, as provider/name.")
@click.option("--stream", is_flag=True, help="Write each partial object as a line, then the whole one.")
def _generate(
    runtime: Runtime, schema: str, text: str, tenant: str | None, route: str, model: str | None, stream: bool
) -> Answer:
    """Turn INPUT (text, '@file', or '-' for standard input) into an object of SCHEMA."""
    from core.generation import GenerationRequest  # noqa: PLC0415

    payer = _payer(runtime, tenant)
    request = GenerationRequest(schema=schema, input=_input(text), route=route, model=model, tenant_id=payer.id)
    _await_local_model(runtime, route, model)
    made = _streamed(runtime, request) if stream else runtime.generator.generate(request, LOCAL_OPERATOR)
    return Answer(made, json.dumps(made.value, indent=2, ensure_ascii=False), _figures(made))


def _streamed(runtime: Runtime, request: GenerationRequest) -> Generation:
    as_json = click.get_current_context().params["as_json"]
    pieces = runtime.generator.stream(request, LOCAL_OPERATOR)
    try:
        for piece in pieces:
            if hasattr(piece, "outcome"):
                return piece
            if not as_json:
                click.echo(json.dumps(piece.value, ensure_ascii=False))
    finally:
        pieces.close()
    raise Invalid("The stream ended without an object.")


def _input(text: str) -> str:
    if text == "-":
        return click.get_text_stream("stdin").read()
    return _read(Path(text[1:])) if text.startswith("@") else text


def _payer(runtime: Runtime, tenant: str | None) -> Tenant:
    if tenant is not None:
        return runtime.tenants.find(tenant)
    tenants = runtime.tenants.list()
    if len(tenants) == 1:
        return tenants[0]
    if not tenants:
        raise Invalid("There is no tenant to pay for it. Make one with 'proctor tenant create NAME'.")
    raise Invalid(f"Say which tenant pays, with --tenant: {', '.join(tenant.name for tenant in tenants)}.")


def _figures(made: Generation) -> str:
    usage = made.usage
    tokens = f"{usage.input_tokens} + {usage.output_tokens} tokens"
    attempts = f"{len(made.attempts)} attempt{'s' if len(made.attempts) != 1 else ''}"
    seconds = f"{made.duration_ms / 1000:.2f} s"
    return " · ".join((made.outcome, made.model or "", attempts, tokens, _usd(made.cost_nano_usd), seconds, made.id))


def _await_local_model(runtime: Runtime, route: str, model: str | None) -> None:
    """Start the local model if it is asked first, and show how it comes."""
    first = model or runtime.routes.find(route).terms.candidates[0].name
    if not first.startswith("local/"):
        return
    local = runtime.local_model
    local.start_in_background()
    shown = ""
    for _ in range(int(_FETCH_SECONDS / 0.5)):
        if local.wait_ready(0.5) or local.status.phase in {"failed", "off"}:
            return  # whether it answers, the provider says
        if sys.stderr.isatty() and local.status.sentence != shown:
            shown = local.status.sentence
            click.echo(click.style(shown, dim=True), err=True)


# ── The deployment ────────────────────────────────────────────────────────────────────────────────────────────────────


@_command(proctor, "demo")
@click.option("--remove", is_flag=True, help="Take the demo world away again, and nothing else.")
def _demo(runtime: Runtime, *, remove: bool) -> Answer:
    """Make the demo world: a few tenants with thirty days of history, marked as demo."""
    if remove:
        runtime.demo.remove()
    else:
        runtime.demo.make()
    tenants = [tenant.name for tenant in runtime.tenants.list() if tenant.is_demo]
    text = f"The demo world is there: {', '.join(tenants)}." if tenants else "There is no demo world any more."
    return Answer({"demo_tenants": tenants}, text)


@_command(proctor, "migrate", needs_runtime=False)
def _migrate(settings: Settings) -> Answer:
    """Bring the database to the shape that this release needs."""
    from core.store import Store  # noqa: PLC0415

    store = Store(settings.database_url)
    try:
        store.migrate()
    finally:
        store.close()
    return Answer({"ok": True}, "The database has the shape that this release needs.")


@_command(proctor, "serve", needs_runtime=False)
def _serve(settings: Settings) -> Answer:
    """Serve console and API on HOST and PORT until stopped."""
    import socket  # noqa: PLC0415

    from core.settings import ROOT  # noqa: PLC0415

    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Misconfigured(
                f"PORT {settings.port} on {settings.host} cannot be used: {error.strerror}. "
                "Stop what listens there, or set PORT to another."
            ) from None
    sys.stdout.flush()
    streamlit = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    listening = ["--server.port", str(settings.port), "--server.address", settings.host]
    os.execv(sys.executable, streamlit + listening)  # noqa: S606 our own interpreter, no shell


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _usd(nano_usd: int | None) -> str:
    """Return an amount as people read it: cents from a dollar on, else four significant digits; unknown is unpriced."""
    if nano_usd is None:
        return "unpriced"
    amount = Decimal(nano_usd).scaleb(-9)
    if nano_usd == 0 or abs(amount) >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.{max(2, 3 - amount.adjusted())}f}"


def _quoted(name: str) -> str:
    import shlex  # noqa: PLC0415

    return shlex.quote(name)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [heads, *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
