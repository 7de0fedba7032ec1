"""How every schema is compiled here: offline, formats checked, no value in a message, no pattern without an end."""

from __future__ import annotations

from typing import Any

from jsonschema_rs import Draft202012Validator, Registry

from core.validation._formats import FORMATS
from core.validation._patterns import OPTIONS, WatchedPattern


def compiled(schema: Any, *, is_watched: bool, registry: Registry | None = None) -> Draft202012Validator:
    """Return the validator of *schema*; one that *is_watched* looks at what each pattern costs before it matches.

    Raises:
        jsonschema_rs.ValidationError: it is no JSON Schema.

    """
    return Draft202012Validator(
        schema,
        validate_formats=True,
        formats=dict(FORMATS),
        mask="the value",  # a second lock: our own messages never hold a value either
        offline=True,
        pattern_options=OPTIONS,
        keywords={"pattern": WatchedPattern} if is_watched else None,
        registry=registry,
    )
