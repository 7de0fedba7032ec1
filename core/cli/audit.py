"""The audit trail: who changed what, for auditors and for later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli._command import Output, command, proctor
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.runtime import Runtime


@proctor.group("audit")
def audit_group() -> None:
    """The audit trail: who changed what, when and why."""


@command(audit_group, "export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export(runtime: Runtime, *, file: Path) -> Output:
    """Write the audit trail to FILE as JSON lines, its head first and last. See 'proctor verify --against'."""
    lines = runtime.trail.export(OPERATOR)
    with file.open("wb") as out:
        head = next(lines)
        out.write(head)
        out.writelines(lines)
    import orjson  # noqa: PLC0415

    told = orjson.loads(head)
    return Output(
        {"entries": told["entries"], "seq": told["seq"], "hash": told["hash"]},
        f"{told['entries']} entries were written. The head of the chain is {told['hash'] or 'empty'}.",
    )
