"""JSON Schema as a response model: no code is generated, jsonschema-rs validates, a pydantic error reports.

Instructor asks a response model for ``model_json_schema``, ``model_validate_json`` and ``model_validate``; ours answers
from the schema itself. Its errors say where, and what was expected, in pydantic's own vocabulary; they never hold a
value from the answer.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, ClassVar, LiteralString, Self, cast

import jiter
import orjson
from pydantic import BaseModel, PrivateAttr, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, from_json

from core.field_problems import MOST_PROBLEMS, FieldProblem, Problem, field_errors, problems, unkept
from core.json_schemas import (
    MOST_BYTES,
    Compiled,
    canonical,
    compiled,
    digest,
    is_plain_name,
    schema_hash,
    tool_name,
)
from core.json_values import JsonValue
from core.validation import Effort, EffortSpent, Extent

__all__ = [
    "FieldProblem",
    "ResponseModel",
    "canonical",
    "field_errors",
    "partial",
    "response_model",
    "schema_hash",
    "tool_name",
]

MOST_CACHED_BYTES = 8_000_000
"""How much schema text the cached models may stand for."""
MOST_CACHED_HASHES = 4_096
_NO_JSON: Problem = ((), "json_type", "Input should be JSON")
TOO_LARGE: Problem = ((), "value_error", "Input is too large to be checked against this schema; answer with less")
"""What is said of an answer that could not be judged."""


class ResponseModel(BaseModel):
    """A JSON value that satisfies a schema. The subclass knows the schema; an instance holds the value."""

    body: ClassVar[dict[str, Any]] = {}
    """The schema as its author means it, keywords sorted."""
    schema_hash: ClassVar[str] = ""
    form: ClassVar[Compiled]
    """The schema as it is sent and validated."""
    _written: JsonValue = PrivateAttr(default=JsonValue(None))

    def __init__(self, /, **fields: Any) -> None:
        value, text = self._checked(fields, Extent.of(fields), Effort())
        super().__init__()
        self._written = JsonValue(value, text)

    @property
    def value(self) -> Any:
        """The plain JSON value, not to be changed; ``model_dump`` gives a copy."""
        return self.written.value

    @property
    def text(self) -> bytes:
        """The value as compact JSON."""
        return self.written.text

    @property
    def written(self) -> JsonValue:
        """Both, the value being read when it is first asked for."""
        return (self.__pydantic_private__ or {})["_written"]

    @classmethod
    def model_json_schema(cls, *_args: Any, **_options: Any) -> dict[str, Any]:
        """Return a fresh copy of the wire form, whatever the options: the schema is the author's, not generated."""
        return orjson.loads(cls.form.wire_text)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, *, context: Any = None, **_options: Any) -> Self:
        """Return the value in *json_data* as an instance. JSON has no looser reading: the options change nothing.

        *context* may be the ``Effort`` that all texts of one answer are paid from.

        Raises:
            ValidationError: it is no JSON, or breaks the schema.

        """
        text = json_data.encode() if isinstance(json_data, str) else bytes(json_data)
        try:
            value = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise cls.failure([((), "json_invalid", f"Invalid JSON: {error}")]) from None
        return cls._read(value, Extent.of_text(text), context if isinstance(context, Effort) else Effort())

    @classmethod
    def model_validate(cls, obj: Any, **_options: Any) -> Self:
        """Return the JSON value *obj* as an instance.

        Raises:
            ValidationError: it breaks the schema.

        """
        value = obj.value if isinstance(obj, ResponseModel) else obj
        return cls._read(value, Extent.of(value), Effort())

    @classmethod
    def _read(cls, obj: Any, extent: Extent, effort: Effort) -> Self:
        return cls._of(JsonValue(*cls._checked(obj, extent, effort)))

    @classmethod
    def of_text(cls, text: bytes) -> Self:
        """Return the instance whose :attr:`text` is *text*: it is known to be valid."""
        return cls._of(JsonValue(text=text))

    @classmethod
    def _of(cls, written: JsonValue) -> Self:
        self = cls.__new__(cls)
        # As pydantic's own validator fills an instance; to run it would only look for fields that are not there.
        fill = object.__setattr__
        fill(self, "__dict__", {})
        fill(self, "__pydantic_fields_set__", set())
        fill(self, "__pydantic_extra__", None)
        fill(self, "__pydantic_private__", {"_written": written})
        return self

    def model_dump(self, **_options: Any) -> Any:
        """Return a copy of the value."""
        return orjson.loads(self.text)

    def model_dump_json(self, **_options: Any) -> str:
        """Return the value as compact JSON."""
        return self.text.decode()

    @classmethod
    def partial_value(cls, text: str, meant: Callable[[Any], Any] | None = None) -> Any | None:
        """Return the value as far as the streamed *text* of an answer goes; ``None`` while nothing can be told.

        *meant* leads it from what was sent back to what the author means.
        """
        value = partial(text)
        value = meant(value) if meant else value
        if _text_of(value) is None:
            return None  # nobody could be sent it, and the whole answer will be found invalid
        if cls.form.is_wrapped and isinstance(value, dict):
            return cast("dict[str, Any]", value).get("value")
        return value

    @classmethod
    def _checked(cls, value: Any, extent: Extent, effort: Effort) -> tuple[Any, bytes]:
        """Return the value and its JSON text, or raise ``ValidationError``."""
        answer = value
        if cls.form.is_wrapped and not (isinstance(value, dict) and cast("dict[str, Any]", value).keys() == {"value"}):
            answer = cast("Any", {"value": value})  # a model that answered the bare value meant just that
        try:
            is_valid = cls.form.validator.is_valid(answer, extent, effort)
        except ValueError:
            raise cls.failure([_NO_JSON]) from None
        except EffortSpent:
            raise cls.failure([TOO_LARGE]) from None
        if not is_valid:
            raise cls.failure(problems(cls.form.validator.violations(answer, effort), cls.form.wire))
        value = answer["value"] if cls.form.is_wrapped else answer
        text = _text_of(value)
        if text is None:
            raise cls.failure(list(islice(unkept(answer, ()), MOST_PROBLEMS)) or [_NO_JSON])
        return value, text

    @classmethod
    def failure(cls, found: Sequence[Problem]) -> ValidationError:
        """Return what pydantic would raise. Names that the schema does not know are shown if they look like names."""

        def shown(step: int | str) -> int | str:
            return step if isinstance(step, int) or step in cls.form.names or is_plain_name(step) else "…"

        return ValidationError.from_exception_data(
            cls.__name__,
            [
                InitErrorDetails(
                    type=PydanticCustomError(cast("LiteralString", kind), cast("LiteralString", message)),
                    loc=tuple(shown(step) for step in loc),
                    input=None,
                )
                for loc, kind, message in found[:MOST_PROBLEMS]
            ],
            hide_input=True,
        )


def _text_of(value: Any) -> bytes | None:
    """Return *value* as compact JSON; ``None`` if no JSON keeps it."""
    try:
        text = orjson.dumps(value)
        # Infinity becomes null without a word, so what holds null must survive the way back.
        is_kept = b"null" not in text or orjson.loads(text) == value
    except TypeError:
        return None
    return text if is_kept or not any(unkept(value, ())) else None


# ── From schema to class ──────────────────────────────────────────────────────────────────────────────────────────────

_models: OrderedDict[tuple[str, str], type[ResponseModel]] = OrderedDict()
_models_bytes = 0
_hashes: dict[bytes, str] = {}
_lock = threading.Lock()


def response_model(schema: dict[str, Any], name: str) -> type[ResponseModel]:
    """Return the response model of *schema*, named *name* as a tool; the same class for the same schema and name.

    Raises:
        Invalid: it is no JSON Schema, or exceeds a limit; the message says what, where and what to do.

    """
    global _models_bytes  # noqa: PLW0603 the cache is bounded by the text it stands for, which lru_cache cannot count
    title = tool_name(name)
    raw = _raw_digest(schema)
    if model := _cached(_hashes.get(raw, ""), title):
        return model
    text = canonical(schema)
    key = (digest(text), title)
    model = _cached(*key) or _build(json.loads(text), title, key[0])
    with _lock:
        if len(_hashes) >= MOST_CACHED_HASHES:
            _hashes.clear()
        if raw:
            _hashes[raw] = key[0]
        if key not in _models:
            _models[key] = model
            _models_bytes += len(model.form.wire_text)
        while _models_bytes > MOST_CACHED_BYTES and len(_models) > 1:
            _models_bytes -= len(_models.popitem(last=False)[1].form.wire_text)
        return _models.get(key, model)


def _raw_digest(schema: dict[str, Any]) -> bytes:
    """Return what tells *schema* from others as it is written: ten times cheaper than its canonical hash.

    It is empty for what the careful path will refuse: no JSON, or too much of it.
    """
    try:
        text = orjson.dumps(schema)
    except TypeError:
        return b""
    return sha256(text).digest() if len(text) <= MOST_BYTES else b""


def _cached(schema_hash: str, title: str) -> type[ResponseModel] | None:
    with _lock:
        model = _models.get((schema_hash, title))
        if model is not None:
            _models.move_to_end((schema_hash, title))
        return model


def _build(schema: dict[str, Any], title: str, schema_hash: str) -> type[ResponseModel]:
    # Without a docstring: Instructor would read parameters out of it.
    model = cast("type[ResponseModel]", type(title, (ResponseModel,), {"__doc__": "", "__module__": __name__}))
    model.body = schema
    model.schema_hash = schema_hash
    model.form = compiled(schema, title)
    return model


def partial(text: str) -> Any | None:
    """Return the JSON value as far as the streamed *text* goes; ``None`` while nothing can be told."""
    try:
        return jiter.from_json(text.encode(), allow_inf_nan=False, partial_mode="trailing-strings")
    except ValueError:
        return None
