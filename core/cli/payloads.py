"""Payloads: prompts and answers as they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.cli._command import Output, command, proctor
from core.own_keys import new_key, read_keys

if TYPE_CHECKING:
    from core.settings import Settings


@proctor.group("payload")
def payload_group() -> None:
    """Prompts and answers as they are kept, and the deployment's own keys."""


@command(payload_group, "key", needs_runtime=False)
def make_key(settings: Settings) -> Output:
    """Make a key for HASH_KEYS or PAYLOAD_KEYS. It is shown once and kept nowhere."""
    del settings
    key = new_key()
    (made,) = read_keys(key)
    return Output(
        {"key": key, "id": made.id}, key, f"Its id is {made.id}. Keep it where backups of the database are not."
    )
