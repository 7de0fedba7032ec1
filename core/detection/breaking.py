"""What was found, with a break in it: it can still be read, and has no effect any more."""

from __future__ import annotations

from core.detection.folding import INVISIBLE


def broken(text: str) -> str:
    """Return a marker with a blank behind its last letter, such as ``<|im_start |>``, and without what nobody sees.

    Servers that make a prompt of a template know their markers to the letter. Of what consists of unseen characters
    nothing is left, so that a model reads what a person sees.
    """
    seen = INVISIBLE.sub("", text)
    at = next((place for place in range(len(seen), 0, -1) if seen[place - 1].isalnum()), 0)
    return f"{seen[:at]} {seen[at:]}" if seen else ""
