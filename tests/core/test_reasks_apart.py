"""Several processes behind one address: whichever of them a client's attempts come to, they are one chain."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any, Self

from tests.forks import Forked

QUESTIONS, TURNS = 12, 4


class Process:
    """One process of its own."""

    def __init__(self, url: str) -> None:
        self._process = Forked("-m", "tests.reasking", url)

    def say(self, *words: Any) -> None:
        """Send a line."""
        self._process.stdin.write(f"{json.dumps(words)}\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Wait for an answer."""
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.close()


def test_each_attempt_has_one_successor_whoever_is_asked(pg_database_url: str) -> None:
    """Three processes get each re-ask at once: one of them is the successor, of the attempt before, and no other.

    The answer to it is left open by another process than the one that was faster; the questions take turns.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(pg_database_url)) for _ in range(3)]
        assert [one.hear() for one in processes] == ["ready"] * 3
        before: dict[str, str | None] = dict.fromkeys(f"q{number}" for number in range(QUESTIONS))
        for turn in range(TURNS):
            for place, question in enumerate(before):
                ids = [f"{turn:02x}{place:028x}{number:02x}" for number in range(3)]
                for one, generation_id in zip(processes, ids, strict=True):
                    one.say("ask", question, turn, generation_id)
                found = [one.hear() for one in processes]
                winner = place % 3 if turn == 0 else found.index(before[question])
                expected: list[str | None] = [None] * 3
                expected[winner] = before[question]
                assert found == expected, (question, turn)
                before[question] = ids[winner]
                elsewhere = processes[(winner + 1) % 3]
                elsewhere.say("answer", question, turn, ids[winner])
                assert elsewhere.hear() == "open"
