"""Where in what a model wrote its object may stand: every text that is worth reading, in a fixed order, in one pass."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

import orjson

LONG = 20_000
"""Characters from which on a text is searched where nobody else waits for it: by a worker, or in the caller's thread.
"""
MOST_TEXTS = 16
"""So many are tried of one answer; each stands apart from the others, so that all together are no longer than it."""
_MOST_SPANS = 20_000
"""So many braces in a text are opened in the search for an object; no prose has as many."""
_MOST_BROKEN = 16
"""So many broken objects of a text are tried as JSON first: each counts the lines before it."""
_DECODER = json.JSONDecoder()
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
    yield (whole := text.strip())
    if text.lstrip().startswith('"') and (inner := _unwrapped(text)) is not None:
        yield inner
    if "```" in text:
        for fenced in _FENCE.finditer(text):
            yield fenced[1].strip()
        if opened := _OPEN_FENCE.match(text):
            text = text[opened.end() :]
    if not is_object(whole):  # in which no other stands
        yield from _objects(text)


def _objects(text: str) -> Iterator[str]:
    """Yield the objects and lists in *text* that stand in no other."""
    return (span for span in _spans(text) if span and is_json(span))


def _spans(text: str) -> Iterator[str]:
    """Yield what stands between a brace or bracket and its end, and in no other; at last nothing, if one never ends."""
    at, tries = 0, _MOST_BROKEN
    for _ in range(_MOST_SPANS):
        opened = _OPENING.search(text, at)
        if opened is None:
            return
        end = _end_of_json(text, opened.start()) if tries else None
        if end is None:
            tries = max(0, tries - 1)
            end = _end(text, opened.start())
        if end is None:
            yield ""
            return
        yield text[opened.start() : end]
        at = end


def is_finished(likeliest: str, others: Iterable[str] = ()) -> bool:
    """Whether the *likeliest* text of an answer that was cut holds an object or list, and was not cut within another.

    Nor may it stand in one of the *others* that was; and no text may have been cut within thoughts.
    """
    return _is_finished(likeliest) and all(_is_finished(text) for text in others if likeliest in text)


def _is_finished(written: str) -> bool:
    text = written.lstrip("\ufeff")
    if thought := _THOUGHT.match(text):
        text = text[thought.end() :]
    elif _OPEN_THOUGHT.match(text):
        return False
    spans = list(_spans(text))
    return "" not in spans and len(spans) < _MOST_SPANS and any(map(is_json, spans))


def _end_of_json(text: str, at: int) -> int | None:
    """Return where the JSON ends that begins *at*, as ``_end`` would in ten times as long; ``None`` if it is none."""
    try:
        return _DECODER.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return None


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


def likeliest(written: str) -> str:
    """Return what of *written* is the object, or all of it where there is none."""
    if looks_bare(written):
        return written
    return next((found for found in json_texts(written) if is_object(found)), written)


def of_blocks(blocks: Sequence[str]) -> tuple[str, ...]:
    """Return where the object may stand in several texts of one answer.

    One that is told twice counts once. If they are an object only together, that comes first; else the last of them
    does, since what came before it was on the way there.
    """
    apart = list(dict.fromkeys(block for block in blocks if block.strip()))
    joined = "".join(blocks)
    if len(apart) < 2:
        joined = apart[0] if apart else joined
        return _distinct(likeliest(joined), joined)
    if is_object(joined):
        return _distinct(joined)
    last_first = [likeliest(block) for block in reversed(apart)]
    found = [text for text in last_first if is_object(text)]
    return _distinct(*found, likeliest(joined), joined)


def looks_bare(written: str) -> bool:
    """Whether *written* looks like an object or list from beginning to end, so that none is to be looked for in it."""
    bare = written.strip()
    return bare.startswith(("{", "[")) and bare.endswith(("}", "]"))


def is_long(written: Iterable[str]) -> bool:
    """Whether it takes long to find the object in what was *written*."""
    return sum(map(len, written)) > LONG


def _distinct(*texts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


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
