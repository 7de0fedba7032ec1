"""What a vendor says about its error, fit to be shown: one sentence, cut, without keys, people, or what it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import orjson

_SAFE_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.\-\[\]]{1,79}")
_SAFE_CODE = re.compile(r"[a-z][a-z0-9_.]{1,63}|[A-Z]+(?:_[A-Z]+){0,7}|(?:[A-Z][a-z]{1,20}){2,7}")
"""``invalid_api_key``, ``INVALID_ARGUMENT`` as Google has it, ``DeploymentNotFound`` as Azure does."""
LIKE_A_KEY = re.compile(r"(?<![A-Za-z0-9])(?:sk|pk|rk|prk)[-_]")
"""A server that answers with the key that it was sent, in a header or in place of a code, is not quoted."""
_LONGEST = 300
"""Of a sentence that is shown, in characters."""
_MOST_READ = 2_000
"""Of a sentence that is looked at. What follows is not needed, and masking takes time."""
_BLANK = "[…]"
_SECRETS = re.compile(
    r"(?:bearer|basic)\s+\S+"
    r"|\S*(?<![A-Za-z0-9])(?:sk|pk|rk|prk|gsk|xai|AIza|AKIA|org|proj|user|acct)[-_]?[A-Za-z0-9*]{2}[-\w*.]*"
    r"|[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|\S*\*{3,}\S*"
    r"|(?<![\w/])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}",
    re.IGNORECASE,
)
"""Keys whole or starred out, what names an account or a person, and whatever is long and random."""
_DATA = re.compile(r"[A-Za-z0-9+/_-]{80,}={0,2}")
"""Base64 of an image or a document: to look for what of megabytes is quoted would hold up everybody's calls."""
_KEY_PREFIX_WORDS = re.compile(r"(?:org|proj|user|acct)(?:[a-z]+|_[a-z_]+)", re.IGNORECASE)
"""Plain words that begin as the name of an account does: *organization*, *user_id*."""
_WORD = re.compile(r"\w+")
_BETWEEN = re.compile(r"\W")
_PIECE = 32_768
"""Of a text that is searched for what an error quotes of it, in characters."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ErrorReason:
    """What an error's body says."""

    codes: tuple[str, ...] = ()
    """The error's code, type and status, those that are plain words, each once."""
    param: str = ""
    """What it is about, if that is a plain word."""
    sentence: str = ""
    """In the vendor's words, as they came: not to be shown."""
    words: frozenset[str] = frozenset()
    """All its codes and types, in lower case."""
    status: int | None = None
    """The HTTP status that the body itself names, as gateways do that answer 200 whatever happens."""
    is_page: bool = False
    """Whether it is an HTML page instead of an error."""

    @property
    def label(self) -> str:
        """Code, type and parameter, in brackets after a blank; empty where there is none."""
        named = ", ".join(word for word in (*self.codes, self.param) if word)
        return f" ({named})" if named else ""

    def quoted(self, hidden: Iterable[str] = ()) -> str:
        """Return the sentence that quotes it, after a blank: without secrets, and without anything of *hidden*."""
        if self.is_page:
            return " It sent an HTML page, as a proxy or a sign-in does, and no reason."
        shown = shown_sentence(self.sentence, hidden)
        return f' It says: "{shown}"' if shown else ""


def reason_in(body: Any) -> ErrorReason:
    """Return what *body* says: JSON in any of the shapes that are met, or text."""
    if isinstance(body, str):
        is_page = body.lstrip()[:200].lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<body"))
        return ErrorReason(is_page=is_page) if is_page else ErrorReason(sentence=body)
    whole = _first_object(body)
    told = error_in(whole)
    found = {name: word for name in ("code", "type", "status") if isinstance(word := told.get(name), str)}
    param = told.get("param")
    return ErrorReason(
        codes=tuple(dict.fromkeys(word for word in found.values() if _is_safe_code(word))),
        param=param if isinstance(param, str) and _SAFE_WORD.fullmatch(param) and not LIKE_A_KEY.search(param) else "",
        sentence=next(_sentences(told, whole), ""),
        words=frozenset(word.lower() for word in found.values()),
        status=next(
            (status for one in (told, whole) for name in ("code", "status") if (status := _status(one, name))), None
        ),
    )


def error_in(body: Any) -> Mapping[str, Any]:
    """Return the error object of a body: its member ``error``, or itself, or nothing."""
    if not isinstance(body, dict):
        return _NOTHING
    whole = cast("dict[str, Any]", body)
    inner = whole.get("error")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else whole


def body_of(content: bytes) -> Any:
    """Return the body of an error as JSON, or as text where it is none."""
    try:
        return orjson.loads(content)
    except ValueError:
        return content[:_MOST_READ].decode(errors="replace")


def shown_sentence(sentence: str, hidden: Iterable[str] = ()) -> str:
    """Return *sentence* on one line, cut, without secrets and data, and without what it quotes of *hidden* texts."""
    plain = " ".join("".join(mark if mark.isprintable() else " " for mark in sentence[:_MOST_READ]).split())
    plain = _DATA.sub(_BLANK, plain)
    plain = _SECRETS.sub(lambda found: found[0] if _KEY_PREFIX_WORDS.fullmatch(found[0]) else _BLANK, plain)
    for text in hidden:
        plain = _without_quotes(plain, text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1].rstrip() + "…"


def _without_quotes(sentence: str, text: str) -> str:
    """Return *sentence* without what it has in common with *text* that is more than chance.

    That is three words in a row, two that hold a capital or a digit, one of six characters that holds a digit, or the
    whole text. Signs and blanks between words, and case, do not matter.
    """
    said = list(_WORD.finditer(sentence))
    ends, count = _common_runs([one[0].casefold() for one in said], text)
    pieces: list[str] = []
    end, at = 0, 0
    while at < len(said):
        far = ends[at]
        if far > at and _is_a_quote([one[0] for one in said[at:far]], count):
            pieces += [sentence[end : said[at].start()], _BLANK]
            end, at = said[far - 1].end(), far
        else:
            at += 1
    return "".join(pieces) + sentence[end:]


def _common_runs(said: list[str], text: str) -> tuple[list[int], int]:
    """Return how far the words *said* from each on stand in a row in *text*, and how many words that has.

    The text is taken in pieces, each with the last words of the one before it: what is done to a piece lets no other
    thread run, and would hold up everybody's calls did it take long.
    """
    ends, count = list(range(len(said))), 0
    before: list[str] = []
    for piece in _pieces(text) if said else ():
        sent = _WORD.findall(piece.casefold())
        count += len(sent)
        words = [*before, *sent]
        here, known = {*words}, f" {' '.join(words)} "
        for at, word in enumerate(said):
            if word not in here:
                continue
            far = at + 1
            while far < len(said) and said[far] in here and f" {' '.join(said[at : far + 1])} " in known:
                far += 1
            ends[at] = max(ends[at], far)
        before = words[-len(said) :]
    return ends, count


def _pieces(text: str) -> Iterator[str]:
    """Yield *text* in pieces that end between two words."""
    began = 0
    while began < len(text):
        cut = _BETWEEN.search(text, began + _PIECE)
        end = cut.start() if cut else len(text)
        yield text[began:end]
        began = end


def _is_a_quote(run: list[str], of: int) -> bool:
    has_name = any(mark.isdigit() or mark.isupper() for word in run for mark in word)
    is_odd = len(run[0]) >= 6 and any(mark.isdigit() for mark in run[0])
    return len(run) >= 3 or len(run) == of or (has_name and len(run) == 2) or is_odd


def _is_safe_code(text: str) -> bool:
    return _SAFE_CODE.fullmatch(text) is not None and not LIKE_A_KEY.search(text)


def _first_object(body: Any) -> Any:
    """Return *body*, or the first of a list of errors."""
    listed: Any = cast("dict[str, Any]", body).get("errors") if isinstance(body, dict) else body
    if not isinstance(listed, list) or not listed:
        return cast("Any", body)
    first = cast("list[Any]", listed)[0]
    return cast("Any", first if not isinstance(first, dict) or "error" in first else {"error": first})


def _sentences(told: Mapping[str, Any], whole: Any) -> Iterator[str]:
    """Yield what may be the sentence of an error, the likeliest first."""
    inner = told.get("metadata")
    places: list[Any] = [told, whole, inner]
    for place in places:
        if not isinstance(place, dict):
            continue
        for name in ("message", "error", "detail", "msg", "error_description", "raw", "title"):
            found: Any = cast("dict[str, Any]", place).get(name)
            if isinstance(found, str) and found.strip():
                yield found
            elif isinstance(found, list):  # as FastAPI words it: a list of what is wrong, each with its place
                yield from ("; ".join(_problems(cast("list[Any]", found))) or "",)


def _problems(listed: list[Any]) -> Iterator[str]:
    for one in listed[:3]:
        if isinstance(one, dict):
            told = cast("dict[str, Any]", one)
            at = told.get("loc")
            where = ".".join(map(str, cast("list[Any]", at))) + ": " if isinstance(at, list) else ""
            if isinstance(message := told.get("msg") or told.get("message"), str):
                yield where + message
        elif isinstance(one, str):
            yield one


def _status(of: Any, name: str) -> int | None:
    found = cast("Mapping[str, Any]", of).get(name) if isinstance(of, dict) else None
    if isinstance(found, str) and found.isdecimal() and len(found) == 3:
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and 400 <= found <= 599 else None
