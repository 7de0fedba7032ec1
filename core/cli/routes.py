"""Routes: which models answer what, in what order and within which limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR
from core.errors import Invalid, NotFound
from core.json_texts import json_in, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.routes import RouteView
    from core.runtime import Runtime

_NO_CAUSE, _DEFAULT = "none", "default"


class _NumberOrDefault(click.ParamType[int | str]):
    """A whole number, or the word by which there is none."""

    name = "integer or default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or the word."""
        return _DEFAULT if value == _DEFAULT else click.INT.convert(value, param, ctx)


_NUMBER = _NumberOrDefault()


@proctor.group("route")
def route_group() -> None:
    """Named uses: which models answer, in what order and within which limits."""


@command(route_group, "list")
def list_routes(runtime: Runtime) -> Output:
    """Show every route."""
    views = runtime.routes.list(OPERATOR)
    rows = [
        (
            view.terms.name,
            ", then ".join(one.name for one in view.terms.candidates),
            ", ".join(view.schemas),
            "environment" if view.is_from_environment else f"version {view.version}",
            view.description,
        )
        for view in views
    ]
    text = table(("NAME", "ASKS", "SCHEMAS", "SET BY", "DESCRIPTION"), rows)
    return Output({"routes": [_document(view) for view in views]}, text)


@command(route_group, "show")
@click.argument("name")
def show_route(runtime: Runtime, name: str) -> Output:
    """Show one route, with everything that governs it."""
    return _shown(runtime.routes.find(OPERATOR, name))


@command(route_group, "set")
@click.argument("name")
@click.option("--model", "models", multiple=True, help="Who is asked, as provider/name; repeat it in fallback order.")
@click.option(
    "--candidates",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON list of candidates instead of --model, each with its mode, limits and parameters.",
)
@click.option("--reasks", type=int, help="How often an invalid answer is asked again, per model.")
@click.option("--retries", type=int, help="How often a passing failure is retried, per model.")
@click.option("--deadline", type=float, help="The most seconds that a generation may take.")
@click.option(
    "--fallback-on", "causes", multiple=True, help="A cause on which the next model is asked; repeat it. 'none'."
)
@click.option("--hedge-after-ms", type=int, help="Ask the second model beside a slow first one; 0 never does.")
@click.option("--cache-seconds", type=int, help="Give the same answer again to the same question; 0 never does.")
@click.option("--payload-days", type=_NUMBER, help="How long prompts and answers are kept at most; or 'default'.")
@click.option("--payload-percent", type=_NUMBER, help="Of how many of a hundred valid calls at most; or 'default'.")
@click.option("--mark-cache/--no-mark-cache", default=None, help="Whether the provider's cache is told what is stable.")
@click.option("--schema", "schemas", multiple=True, help="A schema that takes this route by itself; repeat it, or ''.")
@click.option("--description", help="One sentence about it.")
@reasoned
def set_route(
    runtime: Runtime,
    name: str,
    *,
    models: tuple[str, ...],
    candidates: Path | None,
    reasks: int | None,
    retries: int | None,
    deadline: float | None,
    causes: tuple[str, ...],
    hedge_after_ms: int | None,
    cache_seconds: int | None,
    payload_days: int | str | None,
    payload_percent: int | str | None,
    mark_cache: bool | None,
    schemas: tuple[str, ...],
    description: str | None,
    reason: str,
) -> Output:
    """Make a route, or change one; effective with the next generation. What is not given stays as it is."""
    if models and candidates:
        raise Invalid("Give either --model or --candidates, not both.")
    try:
        before = runtime.routes.find(OPERATOR, name)
    except NotFound:
        before = None
    known: dict[str, Any] = before.described if before else {"candidates": []}
    wanted: dict[str, Any] = known | {
        field: value
        for field, value in {
            "max_reasks": reasks,
            "max_retries": retries,
            "deadline_seconds": deadline,
            "fallback_on": _causes(causes) if causes else None,
            "hedge_after_ms": hedge_after_ms,
            "cache_seconds": cache_seconds,
            "marks_cache": mark_cache,
            "schemas": [one for one in schemas if one] if schemas else None,
            "description": description,
        }.items()
        if value is not None
    }
    for field, value in {"payload_days": payload_days, "payload_percent": payload_percent}.items():
        if value is not None:
            wanted[field] = None if value == _DEFAULT else value
    if candidates:
        wanted["candidates"] = _candidates(candidates)
    elif models:
        own = {one["model"]: one for one in known["candidates"]}
        names = [runtime.routes.candidate({"model": one}).name for one in models]
        wanted["candidates"] = [own.get(one, {"model": one}) for one in names]
    if not wanted["candidates"]:
        raise Invalid(f"There is no route {name!r} yet; say who answers on it, with --model or --candidates.")
    version = before.version if before else 0
    return _shown(runtime.routes.set(OPERATOR, name, **wanted, expected_version=version, reason=reason))


@command(route_group, "reset")
@click.argument("name")
@reasoned
def reset_route(runtime: Runtime, name: str, reason: str) -> Output:
    """Remove a route; 'default' then follows MODEL_PRIMARY and MODEL_FALLBACK again."""
    runtime.routes.reset(OPERATOR, name, reason=reason)
    remains = runtime.routes.list(OPERATOR)[0]
    if remains.terms.name == name:
        return _shown(remains)
    return Output({"name": name, "removed": True}, f"Route {name} is removed; requests that name it are refused.")


def _causes(given: tuple[str, ...]) -> Sequence[str]:
    if _NO_CAUSE not in given:
        return given
    if len(given) > 1:
        raise Invalid("--fallback-on none stands alone: it switches every fallback off.")
    return ()


def _candidates(file: Path) -> list[dict[str, Any]]:
    found = json_in(text_of(file), str(file))
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    if not listed or not all(isinstance(one, dict) for one in listed):
        raise Invalid(f'{file} is no list of candidates, such as [{{"model": "openai/gpt-4o-mini"}}].')
    return listed


def _document(view: RouteView) -> dict[str, Any]:
    return {
        "name": view.terms.name,
        "version": view.version,
        "is_from_environment": view.is_from_environment,
        **view.described,
    }


def _shown(view: RouteView) -> Output:
    from core.attempts import Cause  # noqa: PLC0415

    terms = view.terms
    rows = [
        (
            one.name,
            one.mode or "automatic",
            str(one.max_tokens),
            f"{one.timeout_seconds:g} s",
            str(terms.max_reasks if one.max_reasks is None else one.max_reasks),
            str(terms.max_retries if one.max_retries is None else one.max_retries),
            ", ".join(f"{name} {value}" for name, value in one.parameters.items()),
        )
        for one in terms.candidates
    ]
    off = [cause.value for cause in Cause if cause not in terms.fallback_on]
    lines = [
        f"Route {terms.name}" + (f": {view.description}" if view.description else ""),
        table(("MODEL", "MODE", "TOKENS", "TIMEOUT", "RE-ASKS", "RETRIES", "PARAMETERS"), rows),
        f"All within {terms.deadline_seconds:g} s. "
        + (f"No fallback on {', '.join(off)}." if off else "Falls back on every cause."),
    ]
    if view.schemas:
        lines.append(f"Taken by itself for {', '.join(view.schemas)}.")
    if terms.hedge_after_ms:
        lines.append(f"The second model is asked beside the first after {terms.hedge_after_ms} ms.")
    if terms.cache_seconds:
        lines.append(f"The same question gets the same answer for {terms.cache_seconds} s.")
    if terms.payload_days is not None:
        lines.append(f"Prompts and answers are kept for {terms.payload_days} days at most.")
    if terms.payload_percent is not None:
        lines.append(f"Of valid calls they are kept of {terms.payload_percent} % at most.")
    if view.is_from_environment:
        lines.append("MODEL_PRIMARY and MODEL_FALLBACK decide, until somebody edits it.")
    return Output(_document(view), "\n".join(lines))
