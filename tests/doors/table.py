"""Every program, and the table of them: ``python -m tests.doors.table``, or ``… openai`` for some."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.doors import (
    anthropic_programs,
    fault_programs,
    framework_programs,
    instructor_programs,
    odd_programs,
    openai_programs,
    recorded_programs,
)
from tests.doors.compared import Program, Row, compared, table
from tests.doors.conftest import proctor_before
from tests.wire.scripted import ScriptedServer

PROGRAMS: Sequence[Program] = (
    *openai_programs.PROGRAMS,
    *anthropic_programs.PROGRAMS,
    *instructor_programs.PROGRAMS,
    *framework_programs.PROGRAMS,
    *fault_programs.PROGRAMS,
    *odd_programs.PROGRAMS,
    *recorded_programs.PROGRAMS,
)


def rows(programs: Sequence[Program]) -> list[Row]:
    """Run *programs*, each straight and through a Proctor of their own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ScriptedServer() as vendor,
        proctor_before(vendor, Path(folder)) as proctor,
    ):
        return [compared(program, vendor, proctor) for program in programs]


def versions() -> list[str]:
    """Return what the programs run on."""
    found: list[str] = []
    for name in ("openai", "anthropic", "instructor", "pydantic-ai-slim", "langchain-openai", "langchain-anthropic"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return found


def main() -> None:
    """Print the table; end with a failure if something differs without a reason."""
    wanted = [one for one in PROGRAMS if all(word in one.name for word in sys.argv[1:])]
    found = rows(wanted)
    sys.stdout.write(", ".join(versions()) + "\n")
    sys.stdout.write(table(found) + "\n")
    for row in found:
        for aspect in row.unnamed():
            straight, through = getattr(row.straight, aspect), getattr(row.through, aspect)
            sys.stdout.write(
                f"\n{row.program.name}: {aspect}\n  straight {straight!r:.3000}\n  through  {through!r:.3000}\n"
            )
    sys.exit(any(row.unnamed() for row in found))


if __name__ == "__main__":
    main()
