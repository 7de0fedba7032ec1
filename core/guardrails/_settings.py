"""How checks read the settings of a rule: each by its name, and none that means nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from core.errors import Invalid

Made = TypeVar("Made")


def require_known(settings: Mapping[str, Any], names: Iterable[str]) -> None:
    """Go on only if *settings* has nothing but *names*.

    Raises:
        Invalid: it has.

    """
    names = sorted(names)
    unknown = next((name for name in settings if name not in names), None)
    if unknown is not None:
        known = f"It has {', '.join(names)}." if names else "It has none."
        raise Invalid(f"This check has no setting {unknown[:40]!r}. {known}")


def require_none(settings: Mapping[str, Any]) -> None:
    """Go on only if *settings* is empty; raises Invalid."""
    require_known(settings, ())


def whole_number(settings: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """Return the only setting, a whole number called *name* from *least* to *most*.

    Raises:
        Invalid: it is another, or there is one more.

    """
    require_known(settings, (name,))
    return number(settings, name, default, least, most)


def texts(settings: Mapping[str, Any], name: str, default: Sequence[str] = (), most: int = 10_000) -> Sequence[str]:
    """Return the setting *name*, a list of texts, in order and each once; *default* without it.

    Raises:
        Invalid: it is none, or has more than *most* entries.

    """
    found: Any = settings.get(name, default)
    listed = cast("Sequence[Any]", found) if isinstance(found, list | tuple) else ("",)
    if not all(isinstance(one, str) and one.strip() for one in listed):
        raise Invalid(f"{name} is a list of texts, none of them empty.")
    if len(listed) > most:
        raise Invalid(f"{name} has {len(listed):,} entries; at most {most:,} are taken.")
    return tuple(dict.fromkeys(listed))


def chosen(settings: Mapping[str, Any], name: str, known: Iterable[str]) -> Sequence[str]:
    """Return the setting *name*, some of the words *known*; all of them without it.

    Raises:
        Invalid: it names another.

    """
    known = tuple(known)
    found = texts(settings, name, known)
    unknown = next((one for one in found if one not in known), None)
    if unknown is not None:
        raise Invalid(f"{name} has {unknown[:40]!r}, which is none of: {', '.join(known)}.")
    return found


def number(settings: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    """Return the setting *name*, a whole number from *least* to *most*.

    Raises:
        Invalid: it is another.

    """
    found = settings.get(name, default)
    if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
        raise Invalid(f"{name} is a whole number from {least:,} to {most:,}.")
    return found


def failing(settings: Mapping[str, Any], usual: int = 2, most: int = 10) -> tuple[float, bool]:
    """Return how many ``seconds`` somebody has who is asked, and whether a text goes on ``on_failure`` (block).

    Without a word he has the *usual* ones, and never more than *most*.

    Raises:
        Invalid: one of them is something else.

    """
    seconds, on_failure = settings.get("seconds", usual), settings.get("on_failure", "block")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 < seconds <= most:
        raise Invalid(f"seconds is a number above 0 and up to {most}: how long it may take.")
    if on_failure not in {"block", "pass"}:
        raise Invalid("on_failure is block, or pass: what becomes of a text that nobody judges.")
    return float(seconds), on_failure == "pass"


def switch(settings: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Return the setting *name*, true or false.

    Raises:
        Invalid: it is neither.

    """
    found = settings.get(name, default)
    if not isinstance(found, bool):
        raise Invalid(f"{name} is true or false.")
    return found


def usable(name: str, make: Callable[[], Made]) -> Made:
    """Return what *make* makes of the setting *name*.

    Raises:
        Invalid: it cannot be used, in the words of whoever reads it.

    """
    try:
        return make()
    except ValueError as error:
        raise Invalid(f"{name}: {error}") from None
