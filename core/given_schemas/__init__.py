"""What people give for a schema, read as the JSON Schema 2020-12 that they mean; what was changed for it is told.

A provider's envelope, a tool's definition, a document of OpenAPI, words of older drafts and of OpenAPI are read. What
is no schema is refused with its path, its line where it was text, and what was meant: a misspelt keyword, a keyword at
the wrong level, an example. What was read once is read again without a note. Nothing here does I/O.
"""

from core.given_schemas._given import GivenSchema, noted, read, read_at_hand, read_text, roots
from core.given_schemas._known import KnownSchemas
from core.given_schemas._notes import SchemaNote, told

__all__ = ["GivenSchema", "KnownSchemas", "SchemaNote", "noted", "read", "read_at_hand", "read_text", "roots", "told"]
