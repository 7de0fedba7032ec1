"""Breakers: what they saw, and an operator's word on them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.breakers import BreakerView, Override
    from core.runtime import Runtime

_UNSHARED = (
    "Each process has breakers of its own here, and this command is a process that has made no call. "
    "The page Routes shows those of the console's process; with REDIS_URL all processes share them."
)
_DOWN = "Redis does not answer, so the breakers of the other processes cannot be seen now."


@proctor.group("breaker")
def breaker_group() -> None:
    """What stops calls to a model that keeps failing."""


@command(breaker_group, "list")
def list_breakers(runtime: Runtime) -> Output:
    """Show every breaker that has seen a call or was set by hand."""
    views = runtime.breakers.views(runtime.overrides.all(OPERATOR))
    is_shared = runtime.breakers.is_shared
    note = "" if is_shared else _DOWN if runtime.shared.is_set else _UNSHARED
    document = {"shared": is_shared, "note": note or None, "breakers": [_described(view) for view in views]}
    if not views:
        return Output(document, note or "No model was called in the last minute, and no breaker is open.")
    rows = [(f"{view.provider}/{view.model}", view.schema, view.word, view.seen, view.why) for view in views]
    return Output(document, table(("MODEL", "SCHEMA", "STATE", "LAST MINUTE", "WHY"), rows), note)


@command(breaker_group, "open")
@click.argument("model", metavar="PROVIDER/MODEL")
@click.option("--reason", required=True, help="Why: callers read it in the trace.")
def open_breaker(runtime: Runtime, model: str, reason: str) -> Output:
    """Let nobody ask a model, from the next call on, until it is taken back."""
    from core.breakers import BreakerState  # noqa: PLC0415

    override = runtime.overrides.set(OPERATOR, model, BreakerState.OPEN, reason)
    return _said(override, f"Nobody is asked at {override.model} from now on; routes go to their next model.")


@command(breaker_group, "close")
@click.argument("model", metavar="PROVIDER/MODEL")
@click.option("--reason", required=True, help="Why.")
def close_breaker(runtime: Runtime, model: str, reason: str) -> Output:
    """Let everybody ask a model, whatever its breakers saw, until it is taken back."""
    from core.breakers import BreakerState  # noqa: PLC0415

    override = runtime.overrides.set(OPERATOR, model, BreakerState.CLOSED, reason)
    return _said(override, f"{override.model} is asked from now on, whatever its breakers saw.")


@command(breaker_group, "auto")
@click.argument("model", metavar="PROVIDER/MODEL")
@reasoned
def release_breaker(runtime: Runtime, model: str, reason: str) -> Output:
    """Take an operator's word back: the breaker decides again."""
    name, had_word = runtime.overrides.clear(OPERATOR, model, reason=reason)
    said = "decides by itself again" if had_word else "was not set by hand; it decides by itself"
    return Output({"model": name, "state": "automatic", "changed": had_word}, f"The breaker of {name} {said}.")


def _said(override: Override, text: str) -> Output:
    document = {"model": override.model, **override.described, "at": override.at}
    return Output(document, text, f"Back to automatic: proctor breaker auto {override.model}")


def _described(view: BreakerView) -> dict[str, Any]:
    override = {**view.override.described, "at": view.override.at} if view.override else None
    return asdict(view) | {"override": override, "asked": view.is_asked}
