"""JSON that a person gives, pasted or in a file: read in one place, within bounds, and refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from core.errors import Invalid

MOST_BYTES = 1_000_000
"""The longest text."""
_SHOWN = 60


def json_in(text: str | bytes, what: str) -> Any:
    """Return the value that the JSON *text* stands for; *what* it is begins each sentence, such as ``The schema``.

    Raises:
        Invalid: it is no JSON, or JSON that says a name twice, nests too deep or has numbers without end.

    """
    if len(text) > MOST_BYTES:
        raise Invalid(f"{what} is larger than {MOST_BYTES // 1_000} kB; shorten it.")
    names = _Names(what)
    try:
        plain = text.removeprefix("\ufeff") if isinstance(text, str) else text.decode("utf-8-sig")
        if not plain.strip():
            raise Invalid(f"{what} is empty.")
        return json.loads(plain, object_pairs_hook=names.once, parse_constant=names.refused)
    except UnicodeDecodeError:
        raise Invalid(f"{what} is not text in UTF-8.") from None
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        where = f"Line {error.lineno}, column {error.colno}"
        raise Invalid(f"{what} is not JSON. {where}: {reason}.") from None
    except RecursionError:
        raise Invalid(f"{what} nests too deep to be read; nest it less.") from None
    except ValueError:  # Python refuses numbers of thousands of digits
        raise Invalid(f"{what} has a number with too many digits; use a shorter one.") from None


def text_of(file: Path) -> str:
    """Return the text of *file*.

    Raises:
        Invalid: it cannot be read, is no text, or is too large.

    """
    try:
        with file.open("rb") as opened:
            found = opened.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            raise Invalid(f"{file} is larger than {MOST_BYTES // 1_000} kB; shorten it.")
        return found.decode()
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not text in UTF-8.") from None


class _Names:
    def __init__(self, what: str) -> None:
        self._what = what

    def once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return *pairs* as an object. Of two of one name the last would win without a word."""
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        names = [name for name, _ in pairs]
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise Invalid(f"{self._what} says {twice[:_SHOWN]!r} twice in one object; leave one of them out.")

    def refused(self, constant: str) -> NoReturn:
        raise Invalid(f"{self._what} holds {constant}, which JSON does not have; use a number or null.")
