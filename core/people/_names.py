"""What a person may be called."""

from __future__ import annotations

import unicodedata

from core.errors import Invalid

LONGEST_NAME, LONGEST_EMAIL = 64, 254


def person_name(name: str) -> str:
    """Return a name as a person has it.

    Raises:
        Invalid: nobody can have it.

    """
    found = " ".join(unicodedata.normalize("NFKC", name[: 10 * LONGEST_NAME]).split())
    allowed = all(letter.isalnum() or letter in " -_.'@+" for letter in found)
    if not (found and len(found) <= LONGEST_NAME and len(name) <= 10 * LONGEST_NAME and allowed and found[0].isalnum()):
        raise Invalid(
            f"A person's name has 1 to {LONGEST_NAME} letters, digits, spaces, '-', '_', '.', '@', '+' or \"'\", "
            "and begins with a letter or digit."
        )
    return found


def folded_name(name: str) -> str:
    """Return a name as it is looked for.

    Raises:
        Invalid: nobody can have it.

    """
    return folded(person_name(name))


def folded(name: str) -> str:
    """Return a name without capitals, in one form, whether or not anybody can have it."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def checked_email(text: str) -> str:
    """Return an e-mail address as it is shown.

    Raises:
        Invalid: it is none.

    """
    found = text.strip()
    if found and (len(found) > LONGEST_EMAIL or "@" not in found or not found.isprintable() or " " in found):
        raise Invalid("This is no e-mail address; it is only shown, and may be left out.")
    return found
