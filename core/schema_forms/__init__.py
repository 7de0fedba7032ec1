"""What each vendor is sent of a schema, in each mode: one total function, a file per vendor's published rules.

**Whatever satisfies the author's schema satisfies what is sent**, once properties are named and absent ones told as the
vendor wants it; and what leads an answer back comes with the form. What a vendor cannot be told without excluding valid
values is not told strictly: the mode is relaxed, or another is taken, and the form says why. What a vendor does not
take is left out, and stays Proctor's to check. Nothing here does I/O, knows an SDK or raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.schema_forms import anthropic, local, openai
from core.schema_forms._annotations import unchecked_formats
from core.schema_forms._form import LeftOut, SchemaForm

__all__ = ["MODES", "VENDORS", "LeftOut", "SchemaForm", "form_for"]

MODES = ("tools", "json_schema", "json", "md_json")
VENDORS = ("openai", "anthropic", "compatible", "local")
"""``compatible`` is any server that speaks OpenAI's dialect, be there OpenAI's own models behind it."""
_FORMS = {"openai": openai.form, "anthropic": anthropic.form, "local": local.form}


def form_for(schema: Mapping[str, Any], vendor: str, mode: str) -> SchemaForm:
    """Return *schema* as *vendor* is sent it in *mode*.

    *schema* has an object at its root, as ``core.json_schemas.compiled`` gives it (``wire``). A vendor that is not
    known is sent all of it. The same schema gives the same form; it is for the caller to keep.
    """
    if vendor in _FORMS:
        form = replace(_FORMS[vendor](schema, mode), named_vendor=vendor)
    else:
        form = openai.shown(schema, mode, vendor="The server")
    return replace(form, unchecked=unchecked_formats(schema))
