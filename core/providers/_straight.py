"""A call that is made by the thread that waits for it, over a line: nobody else is woken for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import CancelledError
from typing import Any

from core.providers import Abandoned, Answer, Exchange, ProviderError, TimedOut, misread
from core.providers._lines import GoesOverTheLoop, Lines, StraightCall, under_way


class _PieceTaken:
    """Waited for by an exchange that has given a piece: whoever waits for that has his turn."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def straight(
    exchange: Exchange, call: StraightCall, lines: Lines, seconds: float, sentence: Callable[[], str], *, stream: bool
) -> Generator[Any, None, Answer | None]:
    """Send *exchange* over one of *lines* with *seconds* to live; yield its pieces, return its answer.

    ``None`` stands for a call that has to go over the loop after all: nothing of it was answered. *sentence* says why a
    call ended whose answer nobody waits for.

    Raises:
        ProviderError: there is no answer to read.

    """
    pieces: list[Any] = []

    def taken(piece: Any) -> Awaitable[None]:
        pieces.append(piece)
        return _PieceTaken()

    try:
        call.make_ready(lines)
    except OSError:
        return None
    except (asyncio.CancelledError, CancelledError):
        raise _ended(call, exchange, seconds, sentence) from None
    work: Any = exchange.send(taken if stream else None)  # a coroutine, which waits for nothing but a turn
    failed: ProviderError | None = None
    answer: Answer | None = None
    try:
        while failed is None and answer is None:
            token = under_way.set(call)
            try:
                work.send(None)
            except StopIteration as end:
                answer = end.value
            except GoesOverTheLoop:
                return None
            except (asyncio.CancelledError, CancelledError):
                failed = _ended(call, exchange, seconds, sentence)
            except ProviderError as error:
                failed = error
            except Exception as error:  # noqa: BLE001 as on the loop: it may have cost money
                failed = misread(error, exchange.so_far)
                failed.__cause__ = error
            finally:
                under_way.reset(token)
            came, pieces[:] = pieces.copy(), ()
            yield from came
    finally:
        work.close()
        call.close()
    if failed is not None:
        raise failed
    return answer


def _ended(call: StraightCall, exchange: Exchange, seconds: float, sentence: Callable[[], str]) -> ProviderError:
    """Return why a call was ended before it had an answer."""
    if call.is_cancelled:
        return Abandoned(sentence(), answer=exchange.so_far)
    return TimedOut(f"No whole answer within {seconds:.3g} s.", answer=exchange.so_far)
