"""Errors: one tree, one stable code each, and a sentence for people."""

from __future__ import annotations

import inspect
import re

import pytest

from core import errors
from core.errors import ProctorError

ALL = sorted(
    (one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, ProctorError)),
    key=lambda one: one.__name__,
)


def test_the_tree_is_drawn_as_it_is() -> None:
    """The module's first words name every error, below its parent."""
    drawn = re.findall(r"^([│ ├└─]*)(\w+) {2,}\S", errors.__doc__ or "", re.MULTILINE)
    parents: list[str] = []
    found: set[tuple[str, str]] = set()
    for branch, name in drawn:
        depth = len(branch) // 4
        parents[depth:] = [name]
        found.add((name, parents[depth - 1] if depth else "Exception"))

    assert found == {(one.__name__, one.__mro__[1].__name__) for one in ALL}


def test_codes_tell_errors_apart() -> None:
    """Every error has its own code, which a program may rely on."""
    codes = {one.code for one in ALL}
    assert len(codes) == len(ALL)
    assert all(re.fullmatch(r"[a-z_]+", code) for code in codes)
    assert codes == {
        "error",
        "denied",
        "unauthenticated",
        "forbidden",
        "invalid",
        "not_found",
        "conflict",
        "crossed",
        "precondition_failed",
        "precondition_required",
        "bad_header",
        "repeated",
        "idempotency_key_in_use",
        "idempotency_key_reused",
        "answer_not_kept",
        "rejected",
        "feature_disabled",
        "rate_limited",
        "budget_exceeded",
        "budget_held",
        "no_budget",
        "no_price",
        "guardrail_blocked",
        "guardrail_unavailable",
        "exhausted",
        "cancelled",
        "stopped",
        "overloaded",
        "too_many_wrong_keys",
        "unavailable",
        "misconfigured",
    }, "a code is a promise: a new one is added here on purpose"


@pytest.mark.parametrize("kind", ALL)
def test_an_error_is_a_sentence_and_facts(kind: type[ProctorError]) -> None:
    """What is shown is the sentence alone; facts stand beside it and never in it."""
    error = kind("Too much. Ask for less.", limit=3)

    assert str(error) == error.message == "Too much. Ask for less."
    assert error.facts == {"limit": 3}
    assert "limit" not in repr(error)
