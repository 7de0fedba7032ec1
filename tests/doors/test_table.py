"""Programs of others do the same through Proctor as straight at the vendor, but for what is named with its reason.

The traps of public gateways that are about the wire, and where each is tried; rows are ids of the test below:

- usage in streams, asked for, not asked for, refused: ``stream with usage``, ``stream without usage, as it says``
- odd chunks of servers that are nearly OpenAI: ``a filter's chunks``, ``empty finish reasons``, ``calls whose pieces
  interleave``; calls without an index and with repeated ids: ``tests/core/providers``
- framing: ``lines that end with CR LF``, ``no space behind a colon``, ``separators of Unicode``, and every stream here
  comes in pieces that cut its events; byte order marks, unfinished lines, keep-alives: ``tests/core/dialects``
- ends: ``finished, without [DONE]``, ``[DONE], without a reason``, ``stream that just ends``, ``stream that is cut``,
  ``error in a stream``; forms of our own errors and their numbers: ``tests/core/dialects/test_errors.py``
- passing: ``every parameter, and unknown ones``, ``cache marks``, ``thinking that is sent back``, ``nulls kept``,
  ``stream of blocks that are new``, ``betas``; request ids: ``with_raw_response``; keys, cookies: ``tests/core/api``
- statuses: one row per status, dialect and way of asking, and each with its waits
- frameworks: ``hooks, asked again``, ``create_partial``, ``never valid``; pydantic-ai and LangChain: ``others.py``
- schemas that cannot be checked, and answers without a call: ``test_relays.py``, ``test_answer_checks.py``
"""

from __future__ import annotations

import pytest

from tests.doors.compared import Clients, Program, compared
from tests.doors.table import PROGRAMS
from tests.wire.scripted import ScriptedServer


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_program_does_the_same_through_proctor(program: Program, vendor: ScriptedServer, proctor: Clients) -> None:
    """Calls at the vendor, values and errors are equal; a difference that has a reason must be there."""
    row = compared(program, vendor, proctor)
    assert row.straight.calls, "the vendor was not asked: this proves nothing"
    for aspect in program.differs:
        assert getattr(row.straight, aspect) != getattr(row.through, aspect), f"{aspect} no longer differ"
    for aspect in ("calls", "values", "error"):
        if aspect not in program.differs:
            assert getattr(row.through, aspect) == getattr(row.straight, aspect), aspect
