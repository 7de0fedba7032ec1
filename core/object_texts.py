"""Where in what a model wrote its object may stand: every text that is worth reading, in a fixed order, in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

MOST_TEXTS = 16
"""So many are tried of one answer; each stands apart from the others, so that all together are no longer than it."""
_MOST_SPANS = 20_000
"""So many braces in a text are opened in the search for an object; no prose has as many."""
# What names a fence is never given back: to try each shorter name, where no fence closes, is quadratic.
_FENCE = re.compile(r"```[\w+-]*+[ \t]*+\r?\n?(.*?)```", re.DOTALL)
_OPEN_FENCE = re.compile(r"\A\s*+```[\w+-]*+[ \t]*+\r?\n")
_THOUGHT = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_OPEN_THOUGHT = re.compile(r"\A\s*<(think|thinking|reasoning)>")
_OPENING = re.compile(r"[{\[]")
_SIGN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[{}\[\]]', re.DOTALL)


def json_texts(written: str) -> Iterator[str]:
    """Yield what may be the object in *written*, each once: all of it, fenced blocks, and objects between prose.

    Thoughts before it do not count. A part of an object that is broken, or that never ends, is never one: it would be
    a valid object that the model did not mean.
    """
    seen: set[str] = set()
    for found in _found(written):
        if found not in seen:
            seen.add(found)
            yield found
        if len(seen) == MOST_TEXTS:
            return


def _found(written: str) -> Iterator[str]:
    text = written.lstrip("\ufeff")
    if thought := _THOUGHT.match(text):
        text = text[thought.end() :]
    yield text.strip()
    if text.lstrip().startswith('"') and (inner := _unwrapped(text)) is not None:
        yield inner
    if "```" in text:
        for fenced in _FENCE.finditer(text):
            yield fenced[1].strip()
        if opened := _OPEN_FENCE.match(text):
            text = text[opened.end() :]
    yield from _objects(text)


def _objects(text: str) -> Iterator[str]:
    """Yield the objects and lists in *text* that stand in no other."""
    at = 0
    for _ in range(_MOST_SPANS):
        opened = _OPENING.search(text, at)
        end = _end(text, opened.start()) if opened else None
        if opened is None or end is None:
            return
        span = text[opened.start() : end]
        if is_json(span):
            yield span
        at = end


def is_finished(written: str) -> bool:
    """Whether *written*, which was cut, holds an object or list, and was not cut within another, or within thoughts."""
    text = written.lstrip("\ufeff")
    if thought := _THOUGHT.match(text):
        text = text[thought.end() :]
    elif _OPEN_THOUGHT.match(text):
        return False
    at, is_found = 0, False
    for _ in range(_MOST_SPANS):
        opened = _OPENING.search(text, at)
        if opened is None:
            return is_found
        end = _end(text, opened.start())
        if end is None:
            return False
        is_found, at = is_found or is_json(text[opened.start() : end]), end
    return False


def _end(text: str, at: int) -> int | None:
    """Return where the object that begins *at* ends; ``None`` if it does not."""
    depth = 0
    for sign in _SIGN.finditer(text, at):
        mark = sign[0]
        if mark in ("{", "["):
            depth += 1
        elif mark in ("}", "]"):
            depth -= 1
            if depth == 0:
                return sign.end()
        elif not sign[1]:
            return None
    return None


def is_json(text: str) -> bool:
    """Whether *text* is JSON."""
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def is_object(text: str) -> bool:
    """Whether *text* is one JSON object or list, whole: a number may be the beginning of a longer one."""
    bare = text.strip()
    return bare[-1:] in ("}", "]") and is_json(bare)


def _unwrapped(text: str) -> str | None:
    """Return the text that *text* is as a JSON string, as of arguments that were encoded twice."""
    try:
        inner = orjson.loads(text)
    except ValueError:
        return None
    return inner if isinstance(inner, str) else None
