"""Programs of others do the same through Proctor as straight at the vendor, but for what is named with its reason."""

from __future__ import annotations

import pytest

from tests.doors.compared import Clients, Program, compared
from tests.doors.table import PROGRAMS
from tests.wire.scripted import ScriptedServer


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_does_the_same_through_proctor(program: Program, vendor: ScriptedServer, proctor: Clients) -> None:
    """Calls at the vendor, values and errors are equal; a difference that has a reason must be there."""
    row = compared(program, vendor, proctor)
    for aspect in program.differs:
        assert getattr(row.straight, aspect) != getattr(row.through, aspect), f"{aspect} no longer differ"
    for aspect in ("calls", "values", "error"):
        if aspect not in program.differs:
            assert getattr(row.through, aspect) == getattr(row.straight, aspect), aspect
