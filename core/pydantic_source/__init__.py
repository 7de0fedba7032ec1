"""Pydantic source text read as JSON Schema. A whitelisted syntax tree is interpreted; nothing in it is ever run.

What can be said in a schema is read: models, dataclasses, typed dicts, named tuples, enums, generics, aliases,
``Field`` and its like. What would be code (validators, methods, calls) is left out, and told with its line. Only a type
that a field uses and nobody knows is refused.

A source goes down through the files: ``source`` chooses the root, ``classes`` reads fields, ``annotations`` types with
``tags`` (unions that a field tells apart), ``specializations`` (generics) and ``wrappings`` (what is written around a
type), ``settings`` configuration, ``kinds`` tells classes apart, ``fields`` reads what stands beside a type,
``constants`` values, ``names`` what a name means, ``made`` classes that a call makes. ``scalars`` are the tables,
``quoted`` numbers that may be said as text, ``parts`` puts schemas together, ``definitions`` names them, ``left_out``
keeps what is told.
"""

from core.pydantic_source.left_out import Omission, told
from core.pydantic_source.source import PydanticSource, SourceSchema, json_schema_from_source, listed
from core.python_syntax import MOST_CHARACTERS

__all__ = ["MOST_CHARACTERS", "Omission", "PydanticSource", "SourceSchema", "json_schema_from_source", "listed", "told"]
