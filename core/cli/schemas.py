"""Schemas, and generations that follow one."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from core.cli._command import Output, command, proctor, reasoned, show_progress, table
from core.cli._figures import figures
from core.cli._operator import OPERATOR
from core.documents import fresh
from core.errors import Invalid
from core.json_texts import json_in, text_of

if TYPE_CHECKING:
    from core.generation import GenerationRequest
    from core.given_schemas import GivenSchema
    from core.pydantic_source import SourceSchema
    from core.record import Generation
    from core.runtime import Runtime
    from core.schemas import ResolvedSchema
    from core.tables import Tenant

_EVERY_MODE = 4
_FETCH_SECONDS = 900.0


@proctor.group("schema")
def schema_group() -> None:
    """Named response models, each version immutable."""


@command(schema_group, "add")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--description", default="", help="One sentence about it.")
@click.option("--label", default="production", show_default=True, help="The name that is moved to this version.")
@click.option("--root", help="The model or schema to register, where FILE has several.")
@reasoned
def add_schema(
    runtime: Runtime, name: str, file: Path, *, description: str, label: str, root: str | None, reason: str
) -> Output:
    """Register FILE (JSON Schema as it is at hand, or Pydantic source in a .py) as a version of NAME."""
    from core.given_schemas import noted  # noqa: PLC0415
    from core.pydantic_source import told  # noqa: PLC0415
    from core.schemas import PRODUCTION  # noqa: PLC0415

    read = _read_source(file, root) if file.suffix == ".py" else None
    given = None if read else _schema_in(file, root)
    body = given.schema if given else read.schema if read else {}
    notes = given.notes if given else noted(body)
    source = text_of(file) if read else ""
    added = runtime.schemas.add(
        OPERATOR, name, body, description=description, label=label, source=source, reason=reason
    )
    forms = _forms(runtime.schemas.find(OPERATOR, f"{name}@{added.version}"))
    left_out = read.left_out if read else ()
    not_checked = click.style(told(left_out), fg="yellow")
    return Output(
        {"name": name, "version": added.version, "hash": added.hash, "label": label, "forms": forms, "notes": notes}
        | ({"root": read.root, "left_out": left_out} if read else {}),
        f"{name}@{label} is version {added.version} now.\n"
        + "".join(f"{click.style(note.sentence, fg='yellow')}\n" for note in notes)
        + (f"{not_checked}\n" if left_out else "")
        + _who_checks(forms),
        f"Next: proctor generate {name if label == PRODUCTION else f'{name}@{label}'} 'some text'",
    )


@command(schema_group, "list")
def list_schemas(runtime: Runtime) -> Output:
    """Show every schema."""
    schemas = runtime.schemas.list(OPERATOR)
    rows = [
        (
            schema.name,
            str(schema.latest),
            ", ".join(f"{label} {version}" for label, version in schema.labels.items()),
            schema.description,
        )
        for schema in schemas
    ]
    text = table(("NAME", "NEWEST", "LABELS", "DESCRIPTION"), rows)
    return Output(
        {"schemas": schemas}, text if rows else "There are no schemas yet. Add one with 'proctor schema add NAME FILE'."
    )


def _forms(schema: ResolvedSchema) -> list[dict[str, Any]]:
    """Return what each vendor is sent of *schema* in each mode, and who checks what."""
    from core.schema_forms import MODES, VENDORS, form_for  # noqa: PLC0415

    forms = [form_for(schema.response_model.form.wire, vendor, mode) for vendor in VENDORS for mode in MODES]
    return [
        {
            "provider": vendor,
            "mode": form.asked,
            "taken": form.mode,
            "is_enforced": form.is_enforced,
            "left_out": [asdict(one) for one in form.left_out],
            "unchecked": list(form.unchecked),
            "names": dict(form.names),
            "summary": form.summary,
            "verdict": form.verdict,
        }
        for vendor, form in zip((one for one in VENDORS for _ in MODES), forms, strict=True)
    ]


def _who_checks(forms: list[dict[str, Any]]) -> str:
    """Return in a few lines which vendor holds its model to the schema, and what is left to Proctor."""
    told: dict[tuple[str, str], list[str]] = {}
    for form in forms:
        if form["verdict"] != "no":
            told.setdefault((form["provider"], form["verdict"]), []).append(form["mode"])
    rows = [
        (provider, ", ".join(modes) if len(modes) < _EVERY_MODE else "every", verdict)
        for (provider, verdict), modes in told.items()
    ]
    lines = table(("PROVIDER", "MODE", "CHECKED AS IT IS WRITTEN"), rows)
    return f"{lines}\nIn other modes nothing is. Proctor checks the whole object in every mode."


def _read_source(file: Path, root: str | None) -> SourceSchema:
    """Return the schema of the model *root* in FILE; without a name, of the one that no other uses."""
    from core.pydantic_source import PydanticSource, listed  # noqa: PLC0415

    source = PydanticSource(text_of(file))
    if root is None and len(source.roots) > 1:
        raise Invalid(f"{file} has several models; say which with --root: {listed(source.roots)}.")
    return source.read(root)


def _schema_in(file: Path, root: str | None) -> GivenSchema:
    from core.given_schemas import read_at_hand, roots  # noqa: PLC0415

    text = text_of(file)
    given = json_in(text, str(file))
    several = roots(given)
    if root is None and several:
        raise Invalid(f"{file} has several schemas; say which with --root: {', '.join(several[:40])}.")
    found = read_at_hand(given, text, root if several else None)
    if root not in (None, found.root):
        raise Invalid(f"{file} holds one schema; leave out --root.")
    return found


@command(proctor, "generate")
@click.argument("schema")
@click.argument("text", metavar="INPUT")
@click.option("--tenant", help="Whose budget pays. Without it: the only tenant there is.")
@click.option("--route", help="Who may answer, in what order. Without it: the route of the schema, or default.")
@click.option("--model", help="One model instead of a route, as provider/name.")
@click.option("--context", help="What many inputs share, text or '@file': it goes first, for the provider's cache.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="The most seconds that it may take.")
@click.option("--stream", is_flag=True, help="Write each partial object as a line, then the whole one.")
def generate(
    runtime: Runtime,
    schema: str,
    text: str,
    *,
    tenant: str | None,
    route: str | None,
    model: str | None,
    context: str | None,
    timeout: float | None,
    stream: bool,
) -> Output:
    """Turn a text into an object of SCHEMA.

    INPUT is the text itself, '@file', or '-' for standard input. SCHEMA is a name, name@label or name@3.
    """
    from core.generation import GenerationRequest  # noqa: PLC0415

    payer = _payer(runtime, tenant)
    given = _input(text)
    shared = None if context is None else {"role": "user", "content": _input(context), "stable": True}
    request = GenerationRequest(
        schema=schema,
        input=given if shared is None else None,
        messages=None if shared is None else [shared, {"role": "user", "content": given}],
        route=route,
        model=model,
        timeout_seconds=timeout,
        tenant_id=payer.id,
    )
    _await_local_model(runtime, schema, route, model)
    made = _streamed(runtime, request) if stream else runtime.generator.generate(request, OPERATOR)
    return Output(
        {**fresh(made), "value": made.value}, json.dumps(made.value, indent=2, ensure_ascii=False), figures(made)
    )


def _streamed(runtime: Runtime, request: GenerationRequest) -> Generation:
    from core.record import Generation  # noqa: PLC0415

    as_json = click.get_current_context().params["as_json"]
    with closing(cast("Any", runtime.generator.stream(request, OPERATOR))) as pieces:
        for piece in pieces:
            if isinstance(piece, Generation):
                return piece
            if not as_json:
                click.echo(json.dumps(piece.value, ensure_ascii=False))
    raise AssertionError("a stream ends with a generation or an error")


def _input(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    return text_of(Path(text[1:])) if text.startswith("@") else text


def _payer(runtime: Runtime, tenant: str | None) -> Tenant:
    if tenant is not None:
        return runtime.tenants.find(OPERATOR, tenant)
    tenants = runtime.tenants.list(OPERATOR)
    if len(tenants) == 1:
        return tenants[0]
    if not tenants:
        raise Invalid("There is no tenant to pay for it. Make one with 'proctor tenant create NAME'.")
    raise Invalid(f"Say which tenant pays, with --tenant: {', '.join(tenant.name for tenant in tenants)}.")


def _await_local_model(runtime: Runtime, schema: str, route: str | None, model: str | None) -> None:
    """Start the local model if it is asked first, and show how it comes."""
    routes = runtime.routes
    view = routes.find(OPERATOR, route) if route else routes.for_schema(OPERATOR, schema.partition("@")[0])
    first = model or view.terms.candidates[0].name
    if not first.startswith("local/"):
        return
    local = runtime.local_model
    local.start_in_background()
    for _ in range(int(_FETCH_SECONDS / 0.5)):
        if local.wait_ready(0.5) or local.status.phase in {"failed", "off"}:
            return  # whether it answers, the provider says
        show_progress(local.status.sentence)
