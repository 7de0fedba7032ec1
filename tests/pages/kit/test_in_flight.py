"""A call in flight beside the script that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import ProctorError, RateLimited
from core.generation import Cancellation, GenerationRequest, Partial
from core.tenants import LOCAL_OPERATOR
from pages.kit import in_flight
from pages.kit.in_flight import InFlight, InFlights

STREAM, WHOLE = (GenerationRequest(schema={}, input="x", stream=stream) for stream in (True, False))


@dataclass
class _Silent:
    """A corridor that says nothing until its caller leaves."""

    left: Event = field(default_factory=Event)

    def generate(self, request: Any, principal: Any, cancellation: Cancellation) -> Any:
        if cancellation.requested.wait(20):
            self.left.set()
        raise ProctorError("The caller left.")

    def stream(self, request: Any, principal: Any, cancellation: Cancellation) -> Iterator[Any]:
        yield self.generate(request, principal, cancellation)


class _Left(BaseException):
    """As what Streamlit raises, this is no Exception."""


@pytest.mark.parametrize("request_", [STREAM, WHOLE], ids=["stream", "whole"])
def test_who_leaves_before_anything_came_ends_the_call(
    monkeypatch: pytest.MonkeyPatch, request_: GenerationRequest
) -> None:
    """The script looks while it waits; where the look raises, the call is cancelled before the script goes on."""
    corridor: Any = _Silent()
    looks = iter([None, None])

    def look() -> None:
        if next(looks, _Left) is _Left:
            raise _Left

    monkeypatch.setattr(in_flight, "_still_here", look)

    with pytest.raises(_Left), InFlight(corridor, request_, LOCAL_OPERATOR) as pieces:
        list(pieces)
    assert corridor.left.is_set()


def test_what_comes_is_passed_on_to_the_end() -> None:
    """The newest of what came is taken, then the end; nothing is yielded after it."""
    end: Any = SimpleNamespace(id="g")

    def stream(*_: Any) -> Iterator[Any]:
        yield Partial({"a": 1}, 1)
        yield Partial({"a": 2}, 1)
        yield end

    with InFlight(SimpleNamespace(stream=stream), STREAM, LOCAL_OPERATOR) as pieces:  # pyright: ignore[reportArgumentType]
        came = list(pieces)

    assert came[-1] is end
    assert [piece.value for piece in came[:-1] if isinstance(piece, Partial)] in ([], [{"a": 2}], [{"a": 1}, {"a": 2}])


@pytest.mark.parametrize("error", [RateLimited("Too fast."), ZeroDivisionError("a defect")], ids=["ours", "a defect"])
def test_what_fails_there_is_raised_here(error: Exception) -> None:
    """An error of the call is the script's to show, whatever it is."""

    def generate(*_: Any) -> Any:
        raise error

    with (
        pytest.raises(type(error)),
        InFlight(SimpleNamespace(generate=generate), WHOLE, LOCAL_OPERATOR) as pieces,  # pyright: ignore[reportArgumentType]
    ):
        list(pieces)


def test_who_leaves_several_calls_ends_every_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that are out are cancelled, those that wait never go out."""
    corridors = [_Silent() for _ in range(3)]
    asked: list[int] = []

    class Several:
        def generate(self, request: Any, principal: Any, cancellation: Cancellation) -> Any:
            asked.append(int(request.input))
            return corridors[int(request.input)].generate(request, principal, cancellation)

    looks = iter([None, None])

    def look() -> None:
        if next(looks, _Left) is _Left:
            raise _Left

    monkeypatch.setattr(in_flight, "_still_here", look)
    requests = [GenerationRequest(schema={}, input=str(place)) for place in range(3)]

    with pytest.raises(_Left), InFlights(Several(), requests, LOCAL_OPERATOR, most_at_once=2) as pieces:  # pyright: ignore[reportArgumentType]
        list(pieces)
    assert [corridor.left.is_set() for corridor in corridors] == [True, True, False]
    assert sorted(asked) == [0, 1]


def test_several_calls_end_each_in_its_place_and_no_more_are_out_than_may_be() -> None:
    """What one call ends with, error or not, is told with its place; the next goes out when one has ended."""
    out: list[int] = []
    most: list[int] = []

    def generate(request: Any, *_: Any) -> Any:
        out.append(1)
        most.append(len(out))
        try:
            if request.input == "1":
                raise RateLimited("Too fast.")
            return SimpleNamespace(id=request.input)
        finally:
            out.pop()

    requests = [GenerationRequest(schema={}, input=str(place)) for place in range(7)]
    with InFlights(SimpleNamespace(generate=generate), requests, LOCAL_OPERATOR, most_at_once=2) as pieces:  # pyright: ignore[reportArgumentType]
        came: dict[int, Any] = dict(pieces)

    assert sorted(came) == list(range(7))
    assert isinstance(came[1], RateLimited)
    assert all(came[place].id == str(place) for place in came if place != 1)
    assert max(most) <= 2
