"""What the types and words of Python and pydantic mean in JSON Schema: tables."""

from __future__ import annotations

from typing import Any

from core.pydantic_source.quoted import DECIMAL, FRACTION

JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": "string"}
SCALARS: dict[str, JsonSchema] = {
    **{name: {} for name in ("Any", "object", "JsonValue", "Hashable", "type", "Type", "InstanceOf")},
    **dict.fromkeys(("str", "StrictStr", "Text", "LiteralString", "ImportString", "PhoneNumber", "complex"), _TEXT),
    **{name: {"type": "integer"} for name in ("int", "StrictInt")},
    **{name: {"type": "number"} for name in ("float", "StrictFloat", "FiniteFloat", "Number")},
    "Decimal": DECIMAL,
    "Fraction": FRACTION,
    **{name: {"type": "boolean"} for name in ("bool", "StrictBool")},
    **{name: {"type": "null"} for name in ("None", "NoneType")},
    "PositiveInt": {"type": "integer", "exclusiveMinimum": 0},
    "NegativeInt": {"type": "integer", "exclusiveMaximum": 0},
    "NonNegativeInt": {"type": "integer", "minimum": 0},
    "NonPositiveInt": {"type": "integer", "maximum": 0},
    "PositiveFloat": {"type": "number", "exclusiveMinimum": 0},
    "NegativeFloat": {"type": "number", "exclusiveMaximum": 0},
    "NonNegativeFloat": {"type": "number", "minimum": 0},
    "NonPositiveFloat": {"type": "number", "maximum": 0},
    "ByteSize": {
        "anyOf": [
            {"type": "string", "pattern": r"^\s*(\d*\.?\d+)\s*(\w+)?"},
            {"type": "integer", "minimum": 0},
        ]
    },
    "AnyStr": {"anyOf": [{"type": "string", "format": "binary"}, _TEXT]},
    "BaseModel": {"type": "object", "properties": {}},
    "Json": {"type": "string", "contentMediaType": "application/json", "contentSchema": {}},
    "SecretStr": {"type": "string", "format": "password", "writeOnly": True},
    "SecretBytes": {"type": "string", "format": "password", "writeOnly": True},
    "Counter": {"type": "object", "additionalProperties": {"type": "integer"}},
}
"""Types that stand alone. Copy before use."""
FORMATS = {
    "date": "date PastDate FutureDate",
    "date-time": "datetime PastDatetime FutureDatetime",
    "date-time-local": "NaiveDatetime",
    "date-time-zoned": "AwareDatetime",
    "time": "time",
    "duration": "timedelta",
    "uuid": "UUID UUID1 UUID3 UUID4 UUID5 UUID6 UUID7 UUID8",
    "email": "EmailStr",
    "uri": "AnyUrl AnyHttpUrl HttpUrl FileUrl FtpUrl WebsocketUrl AnyWebsocketUrl RedisDsn AmqpDsn CockroachDsn",
    "multi-host-uri": "PostgresDsn MongoDsn KafkaDsn NatsDsn MySQLDsn MariaDBDsn ClickHouseDsn SnowflakeDsn",
    "ipv4": "IPv4Address",
    "ipv6": "IPv6Address",
    "ipv4network": "IPv4Network",
    "ipv6network": "IPv6Network",
    "ipv4interface": "IPv4Interface",
    "ipv6interface": "IPv6Interface",
    "ipvanyaddress": "IPvAnyAddress",
    "ipvanynetwork": "IPvAnyNetwork",
    "ipvanyinterface": "IPvAnyInterface",
    "binary": "bytes StrictBytes",
    "base64": "Base64Str Base64Bytes",
    "base64url": "Base64UrlStr Base64UrlBytes",
    "path": "Path PurePath PosixPath PurePosixPath NewPath",
    "file-path": "FilePath",
    "directory-path": "DirectoryPath",
    "regex": "Pattern",
    "name-email": "NameEmail",
    "color": "Color",
}
SCALARS.update(
    {name: {"type": "string", "format": format_} for format_, names in FORMATS.items() for name in names.split()}
)
MEASURED_FORMATS = frozenset({"email", "binary", "base64", "base64url", "password", "path", "uri"})
"""Formats of text whose length may be bounded as well."""

LISTS: dict[str, JsonSchema] = {
    **{
        name: {}
        for name in [
            "list",
            "List",
            "Sequence",
            "MutableSequence",
            "Iterable",
            "Collection",
            "Generator",
            "deque",
            "Deque",
        ]
    },
    **{name: {"uniqueItems": True} for name in ["set", "Set", "frozenset", "FrozenSet", "AbstractSet", "MutableSet"]},
}
"""Generic types that are a list in JSON, with what each adds."""
DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict"})
SCALARS.update({name: {"type": "array", "items": {}, **more} for name, more in LISTS.items()})
SCALARS.update(dict.fromkeys(("tuple", "Tuple"), SCALARS["list"]))
SCALARS.update({name: {"type": "object", "additionalProperties": True} for name in DICTS})

CALLED = {
    "conint": "int",
    "confloat": "float",
    "condecimal": "Decimal",
    "constr": "str",
    "conbytes": "bytes",
    "conlist": "list",
    "conset": "set",
    "confrozenset": "frozenset",
    "condate": "date",
}
"""Functions of pydantic that stand for a type with constraints."""
TRANSPARENT = frozenset(
    """
    Required NotRequired ReadOnly Final ClassVar InitVar SkipValidation SerializeAsAny OnErrorOmit FailFast
    Secret Unpack Mapped Partial
    """.split()  # noqa: SIM905 forty quotes tell less
)
"""Generic types that say of their one argument nothing that a schema could."""

BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}
LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
CONSTRAINTS = {
    **{name: name for name in (*BOUNDS, "min_length", "max_length", "pattern")},
    "regex": "pattern",
    "min_items": "min_length",
    "max_items": "max_length",
}
"""The arguments that are constraints, with those of pydantic 1, by their present names."""
NOTES = frozenset({"title", "description", "examples", "deprecated"})
SCHEMA_WORDS = frozenset(
    """
    title description examples deprecated readOnly writeOnly format pattern type enum const minimum maximum
    exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems uniqueItems minProperties
    maxProperties required additionalProperties default items prefixItems properties patternProperties propertyNames
    anyOf oneOf allOf not contains minContains maxContains if then else dependentRequired dependentSchemas
    contentEncoding contentMediaType contentSchema unevaluatedItems unevaluatedProperties
    """.split()  # noqa: SIM905 as above
)
"""What ``json_schema_extra`` may add to a schema."""
