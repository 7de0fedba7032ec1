"""The answers that are kept and from the cache."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor, reasoned
from core.cli._figures import usd
from core.cli._operator import OPERATOR
from core.clock import minute

if TYPE_CHECKING:
    from core.runtime import Runtime


@proctor.group("cache")
def cache_group() -> None:
    """The answer cache: who asks the same is answered from it, without a provider."""


@command(cache_group, "show")
@click.argument("tenant")
def show(runtime: Runtime, tenant: str) -> Output:
    """Show how many of a tenant's answers are kept, and what they saved."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    kept = runtime.answers.show(OPERATOR, owner)
    since = f", the oldest since {minute(kept.oldest_at)}" if kept.oldest_at else ""
    text = (
        f"{owner.name}: {kept.answers} answers are kept ({kept.characters} characters{since}); "
        f"{kept.being_made} are being made.\n"
        f"In the last 30 days {kept.hits} calls were answered by them, which saved {usd(kept.saved_nano_usd)}."
    )
    return Output({"tenant": owner.name, **asdict(kept)}, text)


@command(cache_group, "clear")
@click.argument("tenant")
@reasoned
def clear(runtime: Runtime, tenant: str, *, reason: str) -> Output:
    """Forget every cached answer of a tenant: whoever asks again is answered by a provider."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    cleared = runtime.answers.clear(OPERATOR, owner, reason=reason)
    return Output({"tenant": owner.name, "cleared": cleared}, f"{cleared} cached answers of {owner.name} are cleared.")
